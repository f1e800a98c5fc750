//! Metrics of traces.

use crate::observe::labels::{Label, SpanLoss};

use super::{Metric, counter, fixed};

pub const OBSERVE_SPANS_SENT: Metric = counter(
    "pilotage_observe_spans_sent_total",
    &[],
    "Spans that the collector of traces took.",
);
pub const OBSERVE_SPANS_DROPPED: Metric = counter(
    "pilotage_observe_spans_dropped_total",
    &[fixed("reason", SpanLoss::NAMES)],
    "Spans that did not reach the collector of traces, by reason.",
);
