//! The numbers of what instances share.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry};

use super::labels::{Label, SharedCall, SharedOutcome, SharedState};
use super::metrics::Metrics;
use super::metrics::family::{counter, counters, gauge, histograms};
use super::names;

/// What is counted about Redis.
pub(super) struct SharedNumbers {
    up: IntGauge,
    calls: IntCounterVec,
    seconds: HistogramVec,
    dropped: IntCounter,
}

impl SharedNumbers {
    pub(super) fn new(registry: &Registry) -> Self {
        let calls = counters(registry, &names::AFFINITY_REDIS_CALLS);
        for call in SharedCall::NAMES {
            for outcome in SharedOutcome::NAMES {
                drop(calls.with_label_values(&[call, outcome]));
            }
        }
        Self {
            up: gauge(registry, &names::AFFINITY_REDIS_UP),
            calls,
            seconds: histograms(registry, &names::AFFINITY_REDIS_SECONDS),
            dropped: counter(registry, &names::AFFINITY_REDIS_DROPPED),
        }
    }
}

impl Metrics {
    /// Redis serves us from now on, or no longer.
    pub fn shared_is(&self, state: SharedState) {
        let up = match state {
            SharedState::Up => 1,
            SharedState::Away | SharedState::Off => 0,
        };
        self.shared.up.set(up);
    }

    /// Redis was asked, or was to be asked and is away.
    pub fn shared_called(&self, call: SharedCall, outcome: SharedOutcome, elapsed: Duration) {
        let shared = &self.shared;
        let labels = [call.as_str(), outcome.as_str()];
        shared.calls.with_label_values(&labels).inc();
        if outcome != SharedOutcome::NotAsked {
            shared
                .seconds
                .with_label_values(&[call.as_str()])
                .observe(elapsed.as_secs_f64());
        }
    }

    /// A note for Redis was dropped.
    pub fn shared_note_dropped(&self) {
        self.shared.dropped.inc();
    }
}
