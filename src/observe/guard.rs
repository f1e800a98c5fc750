//! The numbers of how much clients ask.

use prometheus::{IntCounter, Registry};

use super::labels::{Limit, Login};
use super::metrics::Metrics;
use super::metrics::family::{Counters, counter};
use super::names;

/// What is counted about limits.
pub(super) struct GuardNumbers {
    refused: Counters<Limit>,
    delayed: Counters<Limit>,
    logins: Counters<Login>,
    tokens_shared: IntCounter,
}

impl GuardNumbers {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            refused: Counters::new(registry, &names::GUARD_REFUSED),
            delayed: Counters::new(registry, &names::GUARD_DELAYED),
            logins: Counters::new(registry, &names::GUARD_LOGINS),
            tokens_shared: counter(registry, &names::GUARD_TOKENS_SHARED),
        }
    }
}

impl Metrics {
    /// A request was refused because of a limit.
    pub fn limit_refused(&self, limit: Limit) {
        self.guard.refused.of(limit).inc();
    }

    /// A request waited because of a limit, and goes on.
    pub fn limit_delayed(&self, limit: Limit) {
        self.guard.delayed.of(limit).inc();
    }

    /// A node answered a request that had credentials.
    pub fn login_done(&self, outcome: Login) {
        self.guard.logins.of(outcome).inc();
    }

    /// A request for a token was given the answer to another.
    pub fn token_shared(&self) {
        self.guard.tokens_shared.inc();
    }
}
