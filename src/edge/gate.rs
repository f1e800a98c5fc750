//! Where requests wait for a node: briefly, in bounded number, and woken when something changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::fleet::load::InFlight;

/// The waiting room of all requests.
#[derive(Debug, Default)]
pub struct Gate {
    changed: Notify,
    waiting: AtomicUsize,
}

/// A place in the waiting room, given back also when the request is dropped while it waits.
///
/// Whoever gets one looks for a node once more before it waits: what changed while nobody waited woke nobody.
#[derive(Debug)]
pub struct Seat<'a>(&'a AtomicUsize);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A request under way on a node. However it ends there, those who wait for room look again.
#[derive(Debug)]
pub(super) struct Stay {
    /// `None` only while it is dropped.
    in_flight: Option<InFlight>,
    gate: Arc<Gate>,
}

impl Stay {
    pub(super) fn new(in_flight: InFlight, gate: &Arc<Gate>) -> Self {
        Self {
            in_flight: Some(in_flight),
            gate: Arc::clone(gate),
        }
    }

    /// What the node is still to carry of it.
    pub(super) fn in_flight(&mut self) -> Option<&mut InFlight> {
        self.in_flight.as_mut()
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        // First the room, then the word that there is some.
        drop(self.in_flight.take());
        self.gate.wake();
    }
}

impl Gate {
    /// A seat, if fewer than `limit` wait.
    pub fn enter(&self, limit: usize) -> Option<Seat<'_>> {
        let add = |waiting: usize| (waiting < limit).then_some(waiting + 1);
        self.waiting
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, add)
            .is_ok()
            .then(|| Seat(&self.waiting))
    }

    /// Ends when a node may have become usable, also if that happens before it is polled.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Wakes everybody who waits: a request ended, or a node's health changed.
    pub fn wake(&self) {
        if self.waiting() > 0 {
            self.changed.notify_waiters();
        }
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::time::Instant;

    use super::*;
    use crate::fleet::health::Settings;
    use crate::fleet::node::{Duty, Listing, Node, NodeId};

    fn node() -> Node {
        let listing = Listing {
            id: NodeId::parse("a").unwrap(),
            address: "http://a:80".to_owned(),
            weight: 1,
            duty: Duty::Active,
        };
        Node::new(listing, Settings::default(), Instant::now().into_std())
    }

    #[test]
    fn whoever_waits_is_told_of_room_when_there_is_some() {
        let (gate, node) = (Arc::new(Gate::default()), node());
        let stay = Stay::new(node.admit(1).unwrap(), &gate);
        let _seat = gate.enter(1).unwrap();
        let changed = gate.changed();
        drop(stay);
        changed.now_or_never().expect("woken");
        assert!(node.admit(1).is_some());
    }

    #[tokio::test]
    async fn a_wait_ends_when_something_changes() {
        let gate = Gate::default();
        let _seat = gate.enter(1).unwrap();
        let changed = gate.changed();
        gate.wake();
        changed.await;
    }

    #[test]
    fn only_so_many_may_wait() {
        let gate = Gate::default();
        let first = gate.enter(1);
        assert!(gate.enter(1).is_none());
        assert_eq!(gate.waiting(), 1);
        drop(first);
        assert!(gate.enter(1).is_some());
        assert_eq!(gate.waiting(), 0);
    }
}
