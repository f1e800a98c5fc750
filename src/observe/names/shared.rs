//! Metrics of what instances share.

use super::super::labels::{Label, SharedCall, SharedOutcome};
use super::{Kind, Metric, counter, fixed, gauge};

pub const AFFINITY_REDIS_UP: Metric = gauge(
    "pilotage_affinity_redis_up",
    &[],
    "Whether Redis serves us (1) or is away or not configured (0).",
);
pub const AFFINITY_REDIS_CALLS: Metric = counter(
    "pilotage_affinity_redis_calls_total",
    &[
        fixed("call", SharedCall::NAMES),
        fixed("outcome", SharedOutcome::NAMES),
    ],
    "What Redis was asked for, and what came of it.",
);
pub const AFFINITY_REDIS_SECONDS: Metric = Metric {
    name: "pilotage_affinity_redis_seconds",
    kind: Kind::Histogram(DEADLINES),
    help: "How long Redis took to answer, or until it was given up.",
    keys: &[fixed("call", SharedCall::NAMES)],
};
pub const AFFINITY_REDIS_DROPPED: Metric = counter(
    "pilotage_affinity_redis_dropped_total",
    &[],
    "Notes for Redis that were dropped because too many waited.",
);

/// From a Redis on the same machine to any deadline that makes sense.
const DEADLINES: &[f64] = &[0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0];
