//! A request looks for a node: which one, and how long to wait for room.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::fleet::node::{Duty, NodeId};
use crate::fleet::view::{Candidate, Rank, Room};
use crate::observe::labels::Wait;
use crate::observe::steps::Step;
use crate::placement::balance::Draws;
use crate::placement::choose::{Reason, choose};

use super::super::exchange::{Bound, Current, Exchange};
use super::super::fault::Fault;
use super::super::gate::Stay;
use super::Edge;
use super::hints::Accepting;

impl Edge {
    /// The next node for the request, which has a place there from now on; waits for one if need be.
    pub(super) async fn next_place(&self, exchange: &mut Exchange) -> Result<Current, Fault> {
        // Where it was it is over, and its place there is somebody else's.
        if let Some(current) = &mut exchange.current {
            current.stay = None;
        }
        let retry = exchange.snapshot.retry.clone();
        let begin = Instant::now();
        let until = *exchange.patience.get_or_insert(begin + retry.patience);
        let (mut seat, mut waited) = (None, false);
        loop {
            // Before nodes are looked at, so that nothing that changes after the look is missed.
            let changed = self.gate.changed();
            let taken = match self.admitted(exchange) {
                Admitted::To(current) => {
                    if waited {
                        self.metrics.wait_done(Wait::Placed);
                    }
                    return Ok(current);
                }
                Admitted::TooLate => true,
                Admitted::Nowhere => false,
            };
            if exchange.rounds > 0 && !taken {
                // All were asked just now; asking them again at once would only be noise.
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(exchange.fault.unwrap_or(Fault::NoNode));
                }
                sleep(PAUSE.min(left)).await;
            }
            let (until, fault) = match self.choose(exchange) {
                Chosen::Some => {
                    exchange.rounds += 1;
                    continue;
                }
                Chosen::Full => (until.min(begin + retry.queue_timeout), Fault::Busy),
                Chosen::None => (until, Fault::NoNode),
            };
            if Instant::now() >= until {
                self.metrics.wait_done(Wait::Timeout);
                return Err(fault);
            }
            if seat.is_some() {
                if exchange.rounds > 0 || !waited {
                    let why = fault.label();
                    exchange.step(|| Step::Waited { why });
                }
                let pause = until.min(Instant::now() + RECHECK);
                // Woken or not: it looks again.
                let _ = timeout_at(pause, changed).await;
                waited = true;
            } else {
                seat = self.gate.enter(retry.queue_length);
                if seat.is_none() {
                    self.metrics.wait_done(Wait::QueueFull);
                    return Err(Fault::Busy);
                }
            }
            exchange.rounds = 0;
        }
    }

    /// Makes a new choice and puts it into the exchange.
    fn choose(&self, exchange: &mut Exchange) -> Chosen {
        let Some(relay) = &exchange.relay else {
            return Chosen::None;
        };
        let snapshot = &exchange.snapshot;
        let now = Instant::now().into_std();
        let cap = snapshot.node_in_flight;
        let candidates = snapshot.fleet.candidates(relay.traffic, now, cap);
        let browser = exchange.browser.as_mut();
        let drawn = browser.as_ref().map(|browser| browser.key());
        let session = browser.and_then(|browser| browser.bound(&candidates));
        let pin = match exchange.bound {
            Bound::ByPlan => relay.upload.as_ref().map(|upload| upload.node.clone()),
            Bound::Free => None,
        };
        let pin = pin.or_else(|| session.clone());
        let usable = |candidate: &Candidate| {
            matches!(candidate.rank, Rank::Up | Rank::Suspect)
                || pin.as_ref().is_some_and(|pin| *pin == candidate.id)
                    && candidate.rank != Rank::Down
        };
        if !candidates.iter().any(usable) {
            return Chosen::None;
        }
        let hints = self.hints(exchange, (pin, drawn), now);
        let draws = Draws {
            first: fastrand::u64(..),
            second: fastrand::u64(..),
        };
        let choice = choose(&candidates, &hints, draws);
        let reasons = exchange.reasons(&choice);
        let waits_for_pin = choice
            .first()
            .is_some_and(|pick| pick.reason == Reason::Pin && pick.room == Room::Full);
        if waits_for_pin {
            return Chosen::Full;
        }
        let free = choice
            .picks
            .into_iter()
            .filter(|pick| pick.room == Room::Free);
        exchange.next = free.map(|pick| pick.node).collect();
        let failed = &exchange.failed;
        if hints.pin.is_none() {
            let accepts = match self.accepting(exchange, &candidates, now) {
                Accepting::Anybody => Vec::new(),
                Accepting::These(nodes) => nodes,
                Accepting::Full => return Chosen::Full,
            };
            let order = |node: &NodeId| (failed.contains(node), !accepts.contains(node));
            exchange.next.sort_by_key(order);
        }
        // One failure of its node does not end a session: the node gets another try.
        if let Some(node) = session.filter(|node| !failed.contains(node)) {
            exchange.next.insert(0, node);
        }
        exchange.chosen(reasons.as_ref(), &candidates);
        exchange.next.reverse();
        if exchange.next.is_empty() {
            Chosen::Full
        } else {
            Chosen::Some
        }
    }

    /// A place on the first of the chosen nodes that has one.
    fn admitted(&self, exchange: &mut Exchange) -> Admitted {
        let mut taken = false;
        while let Some(id) = exchange.next.pop() {
            // What was chosen a while ago may have been switched off since, or somebody else was faster.
            let place = exchange.snapshot.place(&id);
            let Some(place) = place.filter(|place| place.node.duty() != Duty::Off) else {
                continue;
            };
            if let Some(in_flight) = place.node.admit(exchange.snapshot.node_in_flight) {
                return Admitted::To(Current {
                    place: Arc::clone(place),
                    stay: Some(Stay::new(in_flight, &self.gate)),
                });
            }
            taken = true;
        }
        if taken {
            Admitted::TooLate
        } else {
            Admitted::Nowhere
        }
    }
}

/// What became of the nodes that were chosen.
enum Admitted {
    To(Current),
    /// There was room when they were chosen, and is none any more.
    TooLate,
    /// None is left.
    Nowhere,
}

/// What looking for a node came to.
enum Chosen {
    Some,
    /// There are nodes, and none has room.
    Full,
    None,
}

/// How long a request that was on every node waits before it asks them again.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a waiting request looks by itself, beside being woken.
const RECHECK: Duration = Duration::from_millis(500);
