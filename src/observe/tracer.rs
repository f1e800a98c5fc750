//! The bounded queue of finished traces, and what is counted of them.
//!
//! A request hands in its spans when it is over and never waits: what finds the queue full is dropped and counted.

use std::sync::Arc;

use prometheus::{IntCounter, Registry};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::labels::SpanLoss;
use super::metrics::Metrics;
use super::metrics::family::{Counters, counter};
use super::names;
use super::trail::Trace;

/// Where finished traces are handed in, if anybody collects them.
#[derive(Debug, Clone)]
pub struct Tracer {
    sender: Option<Sender<Trace>>,
    metrics: Arc<Metrics>,
}

impl Tracer {
    /// Nobody collects traces.
    pub fn off(metrics: Arc<Metrics>) -> Self {
        Self {
            sender: None,
            metrics,
        }
    }

    /// A queue for the traces of so many requests, and its other end.
    pub fn new(metrics: Arc<Metrics>, queue: usize) -> (Self, Receiver<Trace>) {
        let (sender, receiver) = channel(queue.max(1));
        let tracer = Self {
            sender: Some(sender),
            metrics,
        };
        (tracer, receiver)
    }

    /// Whether anybody collects traces.
    pub fn is_on(&self) -> bool {
        self.sender.is_some()
    }

    /// Hands in the spans of one request.
    pub fn offer(&self, trace: Trace) {
        let Some(sender) = &self.sender else {
            return;
        };
        self.metrics
            .spans_dropped(SpanLoss::TooMany, trace.dropped.into());
        if let Err(TrySendError::Full(trace) | TrySendError::Closed(trace)) = sender.try_send(trace)
        {
            let lost = u64::try_from(trace.spans.len()).unwrap_or(u64::MAX);
            self.metrics.spans_dropped(SpanLoss::QueueFull, lost);
        }
    }
}

/// What is counted of spans.
pub(super) struct SpanNumbers {
    sent: IntCounter,
    dropped: Counters<SpanLoss>,
}

impl SpanNumbers {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            sent: counter(registry, &names::OBSERVE_SPANS_SENT),
            dropped: Counters::new(registry, &names::OBSERVE_SPANS_DROPPED),
        }
    }
}

impl Metrics {
    /// The collector took so many spans.
    pub fn spans_sent(&self, count: u64) {
        self.spans.sent.inc_by(count);
    }

    /// So many spans will not reach the collector.
    pub fn spans_dropped(&self, reason: SpanLoss, count: u64) {
        self.spans.dropped.of(reason).inc_by(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::trace::{SpanId, TraceId};
    use crate::observe::trail::{Cause, Kind, Span};

    fn trace(spans: usize, dropped: u32) -> Trace {
        let span = Span {
            id: SpanId::drawn(1),
            parent: None,
            kind: Kind::Server,
            name: String::new(),
            start: 0,
            end: 0,
            cause: Cause::None,
            attributes: Vec::new(),
        };
        Trace {
            id: TraceId::drawn(1),
            spans: vec![span; spans],
            dropped,
        }
    }

    fn dropped(metrics: &Metrics, reason: &str) -> String {
        let page = metrics.page().unwrap();
        let name = format!("pilotage_observe_spans_dropped_total{{reason=\"{reason}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap().to_owned()
    }

    #[tokio::test]
    async fn what_finds_the_queue_full_is_dropped_and_counted_span_by_span() {
        let metrics = Arc::new(Metrics::new("test"));
        let (tracer, mut receiver) = Tracer::new(Arc::clone(&metrics), 2);
        for _ in 0..4 {
            tracer.offer(trace(3, 1));
        }
        assert_eq!(dropped(&metrics, "queue_full"), "6");
        assert_eq!(dropped(&metrics, "too_many"), "4");
        drop(tracer);
        let mut kept = 0;
        while receiver.recv().await.is_some() {
            kept += 1;
        }
        assert_eq!(kept, 2);
    }

    #[test]
    fn without_a_collector_nothing_is_lost() {
        let metrics = Arc::new(Metrics::new("test"));
        let tracer = Tracer::off(Arc::clone(&metrics));
        tracer.offer(trace(3, 1));
        assert!(!tracer.is_on());
        assert_eq!(dropped(&metrics, "queue_full"), "0");
    }
}
