//! Numbers about what stays on one node, and about nodes that do not share what they should.

use prometheus::{IntGauge, Registry};

use crate::fleet::node::NodeId;

use super::labels::{Label as _, Misfit, SessionLookup, SessionMove};
use super::metrics::Metrics;
use super::metrics::family::{Counters, gauge};
use super::names;

/// The counters of this subject.
pub(super) struct AffinityMetrics {
    moved: Counters<SessionMove>,
    lookups: Counters<SessionLookup>,
    kept: IntGauge,
    keys: IntGauge,
}

impl AffinityMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            moved: Counters::new(registry, &names::AFFINITY_SESSIONS_MOVED),
            lookups: Counters::new(registry, &names::AFFINITY_SESSION_LOOKUPS),
            kept: gauge(registry, &names::AFFINITY_SESSIONS),
            keys: gauge(registry, &names::AFFINITY_SIGNING_KEYS),
        }
    }
}

impl Metrics {
    /// The session of a browser ended on its node, and the browser went on to another.
    pub fn session_moved(&self, why: SessionMove) {
        self.affinity.moved.of(why).inc();
    }

    /// The node of a session was looked for.
    pub fn session_looked_up(&self, found: SessionLookup) {
        self.affinity.lookups.of(found).inc();
    }

    /// So many sessions of browsers are remembered here.
    pub fn sessions(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.affinity.kept.set(count);
    }

    /// Nodes are known to sign tokens with so many keys.
    pub fn signing_keys(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.affinity.keys.set(count);
    }

    /// A node no longer shows a setting that does not suit it.
    pub fn misfit_mended(&self, node: &NodeId, misfit: Misfit) {
        self.misconfigured
            .with_label_values(&[node.as_str(), misfit.as_str()])
            .set(0);
    }
}
