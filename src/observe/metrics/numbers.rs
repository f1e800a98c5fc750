//! The counters that people look at, as numbers of one moment.

use std::collections::BTreeMap;

use prometheus::core::Collector;

use super::super::labels::{Attempt, Direction, Label as _, Outcome};
use super::Metrics;

/// The counters and gauges that people look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed: answered with a 5xx, or broken off by us.
    pub failed: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub running: u64,
    pub connections: u64,
    pub spooled: u64,
    pub spool_limit: u64,
    pub takeovers: u64,
    pub unprotected: u64,
    pub log_dropped: u64,
    /// Exchanges with each node: all, and those that failed.
    pub nodes: BTreeMap<String, (u64, u64)>,
}

impl Numbers {
    /// Exchanges with a node: all, and those that failed.
    pub fn of_node(&self, node: &crate::fleet::node::NodeId) -> (u64, u64) {
        self.nodes.get(node.as_str()).copied().unwrap_or_default()
    }
}

impl Metrics {
    /// The numbers of this moment. Nobody waits for whoever reads them.
    pub fn numbers(&self) -> Numbers {
        let mut numbers = Numbers {
            bytes_in: self.bytes.of(Direction::In).get(),
            bytes_out: self.bytes.of(Direction::Out).get(),
            running: gauge(self.running.get()),
            connections: gauge(self.connections.get()),
            spooled: gauge(self.spooled.get()),
            spool_limit: gauge(self.spool_limit.get()),
            log_dropped: self.log_dropped.get(),
            ..Numbers::default()
        };
        each(&self.requests, |label, count| {
            numbers.requests += count;
            if label("status") == "5xx" || label("outcome") == Outcome::Cut.as_str() {
                numbers.failed += count;
            }
        });
        each(&self.takeovers, |_, count| numbers.takeovers += count);
        each(&self.attempts, |label, count| {
            let node = numbers.nodes.entry(label("node")).or_default();
            node.0 += count;
            if FAILED
                .iter()
                .any(|failed| failed.as_str() == label("outcome"))
            {
                node.1 += count;
            }
        });
        numbers.unprotected = self.unprotected.all();
        numbers
    }
}

/// Walks through the series of a counter; each is asked for its labels by name.
fn each(family: &impl Collector, mut visit: impl FnMut(&dyn Fn(&str) -> String, u64)) {
    for family in family.collect() {
        for series in family.get_metric() {
            let label = |name: &str| {
                let found = series.get_label().iter().find(|label| label.name() == name);
                found.map_or_else(String::new, |label| label.value().to_owned())
            };
            visit(&label, whole(series.get_counter().get_value()));
        }
    }
}

fn gauge(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a counter is a whole number that never falls below zero"
)]
fn whole(counter: f64) -> u64 {
    counter as u64
}

/// Ends of an exchange that are the node's fault.
const FAILED: [Attempt; 5] = [
    Attempt::ConnectFailed,
    Attempt::LostBeforeAnswer,
    Attempt::LostMidway,
    Attempt::Stalled,
    Attempt::GatewayError,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::node::NodeId;

    #[test]
    fn what_was_counted_can_be_read_back() {
        let metrics = Metrics::new("1");
        assert_eq!(metrics.numbers(), Numbers::default());
        let (a, b) = (NodeId::parse("a").unwrap(), NodeId::parse("b").unwrap());
        for outcome in [Attempt::Answered, Attempt::Stalled, Attempt::ClientLeft] {
            metrics.attempt_done(&a, outcome);
        }
        metrics.attempt_done(&b, Attempt::ConnectFailed);
        metrics.carried(Direction::Out, 7);
        let running = metrics.request_started();
        let numbers = metrics.numbers();
        assert_eq!(numbers.of_node(&a), (3, 1));
        assert_eq!(numbers.of_node(&b), (1, 1));
        assert_eq!((numbers.bytes_in, numbers.bytes_out), (0, 7));
        assert_eq!(numbers.running, 1);
        drop(running);
    }
}
