//! What counters say about the last minutes: rates, and the curve of each.
//!
//! Counters only grow, so that two looks at them give a rate. A look is taken every second; a few of them make a
//! rate that a person can read, all of them a curve.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::fleet::node::NodeId;
use crate::observe::metrics::numbers::Numbers;

/// The looks of the last minutes.
#[derive(Debug, Default)]
pub struct Pulse {
    looks: VecDeque<Look>,
    /// How far the transfers were that somebody looked at.
    transfers: VecDeque<(Instant, BTreeMap<String, u64>)>,
}

/// All counters at one moment.
#[derive(Debug, Clone)]
pub struct Look {
    pub at: Instant,
    pub numbers: Numbers,
    /// Bytes of pushes and pulls that each node has carried.
    pub carried: BTreeMap<NodeId, u64>,
}

/// Rates of everything together, with their curves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rates {
    pub requests: Rate,
    pub failed: Rate,
    pub bytes_in: Rate,
    pub bytes_out: Rate,
}

/// One rate, now and before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rate {
    /// A second; `None` before the second look.
    pub now: Option<f64>,
    /// A second, from long ago to now.
    pub before: Vec<f64>,
}

/// Rates of one node, a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NodeRates {
    pub requests: f64,
    pub failed: f64,
    pub bytes: f64,
}

impl Pulse {
    /// Another look; what is too old for a curve is forgotten.
    pub fn take(&mut self, look: Look) {
        if self.looks.len() >= KEPT {
            self.looks.pop_front();
        }
        self.looks.push_back(look);
    }

    /// Rates of everything together.
    pub fn rates(&self) -> Rates {
        Rates {
            requests: self.rate(|numbers| numbers.requests),
            failed: self.rate(|numbers| numbers.failed),
            bytes_in: self.rate(|numbers| numbers.bytes_in),
            bytes_out: self.rate(|numbers| numbers.bytes_out),
        }
    }

    /// Rates of one node; `None` before the second look.
    pub fn of_node(&self, node: &NodeId) -> Option<NodeRates> {
        let (from, to) = self.window()?;
        let seconds = seconds(from.at, to.at)?;
        let per_second = |count: fn(&Look, &NodeId) -> u64| {
            count_float(count(to, node).saturating_sub(count(from, node))) / seconds
        };
        Some(NodeRates {
            requests: per_second(|look, node| look.numbers.of_node(node).0),
            failed: per_second(|look, node| look.numbers.of_node(node).1),
            bytes: per_second(|look, node| look.carried.get(node).copied().unwrap_or_default()),
        })
    }

    /// Notes how far these transfers are, and says how fast each was since somebody looked before.
    pub fn speeds<'t>(
        &mut self,
        now: Instant,
        transfers: impl Iterator<Item = (&'t str, u64)>,
    ) -> BTreeMap<String, f64> {
        let fresh: BTreeMap<_, _> = transfers
            .map(|(id, bytes)| (id.to_owned(), bytes))
            .collect();
        while self
            .transfers
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > RECENT)
        {
            self.transfers.pop_front();
        }
        let speed = |id: &String, bytes: u64| {
            let known = |(at, looked): &(Instant, BTreeMap<String, u64>)| {
                looked.get(id).map(|before| (*at, *before))
            };
            let (at, before) = self.transfers.iter().find_map(known)?;
            Some(count_float(bytes.saturating_sub(before)) / seconds(at, now)?)
        };
        let speeds = fresh
            .iter()
            .filter_map(|(id, bytes)| Some((id.clone(), speed(id, *bytes)?)));
        let speeds = speeds.collect();
        let last = self.transfers.back().map(|(at, _)| *at);
        if last.is_none_or(|last| now.duration_since(last) >= APART) {
            self.transfers.push_back((now, fresh));
        }
        speeds
    }

    fn rate(&self, count: fn(&Numbers) -> u64) -> Rate {
        let between = |from: &Look, to: &Look| {
            let more = count(&to.numbers).saturating_sub(count(&from.numbers));
            Some(count_float(more) / seconds(from.at, to.at)?)
        };
        let pairs = self.looks.iter().zip(self.looks.iter().skip(1));
        Rate {
            now: self.window().and_then(|(from, to)| between(from, to)),
            before: pairs.filter_map(|(from, to)| between(from, to)).collect(),
        }
    }

    /// The latest look, and one a few seconds before it.
    fn window(&self) -> Option<(&Look, &Look)> {
        let to = self.looks.back()?;
        let near = |look: &&Look| to.at.duration_since(look.at) <= RECENT;
        let from = self.looks.iter().find(near)?;
        (from.at < to.at).then_some((from, to))
    }
}

fn seconds(from: Instant, to: Instant) -> Option<f64> {
    let seconds = to.saturating_duration_since(from).as_secs_f64();
    (seconds > 0.0).then_some(seconds)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "what is lost is smaller than a pixel"
)]
pub(super) fn count_float(count: u64) -> f64 {
    count as f64
}

/// Two minutes of looks, a second apart.
const KEPT: usize = 121;
/// A rate over less would jump, over more it would be late.
const RECENT: Duration = Duration::from_millis(5_500);
/// Several people who look at one time do not shorten what a speed is measured over.
const APART: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn look(begin: Instant, second: u64, out: u64) -> Look {
        let node = NodeId::parse("a").unwrap();
        let mut numbers = Numbers {
            bytes_out: out,
            ..Numbers::default()
        };
        numbers.nodes.insert("a".to_owned(), (second * 10, second));
        Look {
            at: begin + Duration::from_secs(second),
            numbers,
            carried: BTreeMap::from([(node, out)]),
        }
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[test]
    fn a_rate_is_what_came_in_the_last_seconds() {
        let (mut pulse, begin) = (Pulse::default(), now());
        assert_eq!(pulse.rates().bytes_out.now, None);
        pulse.take(look(begin, 0, 0));
        assert_eq!(pulse.rates().bytes_out.now, None, "one look is no rate");
        for second in 1..=10 {
            pulse.take(look(begin, second, second.min(5) * 1000));
        }
        let rates = pulse.rates();
        assert_eq!(rates.bytes_out.now, Some(0.0), "what was before is over");
        assert_eq!(rates.bytes_out.before.len(), 10);
        assert_eq!(rates.bytes_out.before[..5], [1000.0; 5]);
        assert_eq!(rates.bytes_out.before[5..], [0.0; 5]);
    }

    #[test]
    fn a_node_has_rates_of_its_own() {
        let (mut pulse, begin) = (Pulse::default(), now());
        pulse.take(look(begin, 0, 0));
        pulse.take(look(begin, 2, 500));
        let rates = pulse.of_node(&NodeId::parse("a").unwrap()).unwrap();
        let expected = NodeRates {
            requests: 10.0,
            failed: 1.0,
            bytes: 250.0,
        };
        assert_eq!(rates, expected);
        let other = pulse.of_node(&NodeId::parse("b").unwrap()).unwrap();
        assert_eq!(other, NodeRates::default());
    }

    #[test]
    fn looks_are_bounded_and_a_counter_that_began_anew_is_no_rate() {
        let (mut pulse, begin) = (Pulse::default(), now());
        for second in 0..300 {
            pulse.take(look(begin, second, 0));
        }
        assert_eq!(pulse.rates().bytes_out.before.len(), KEPT - 1);
        let mut pulse = Pulse::default();
        pulse.take(look(begin, 0, 700));
        pulse.take(look(begin, 1, 0));
        assert_eq!(pulse.rates().bytes_out.now, Some(0.0));
    }

    #[test]
    fn the_speed_of_a_transfer_is_known_at_the_second_look() {
        let (mut pulse, begin) = (Pulse::default(), now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert!(pulse.speeds(at(0), [("x", 100)].into_iter()).is_empty());
        let speeds = pulse.speeds(at(2), [("x", 300), ("y", 50)].into_iter());
        assert_eq!(speeds, BTreeMap::from([("x".to_owned(), 100.0)]));
        let speeds = pulse.speeds(at(20), [("x", 400)].into_iter());
        assert!(speeds.is_empty(), "nobody looked for too long");
    }
}
