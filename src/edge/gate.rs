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
    // Dropped in this order: first the room, then the word that there is some.
    pub(super) in_flight: InFlight,
    _leaving: Leaving,
}

/// Wakes those who wait when it is dropped.
#[derive(Debug)]
struct Leaving(Arc<Gate>);

impl Stay {
    pub(super) fn new(in_flight: InFlight, gate: &Arc<Gate>) -> Self {
        Self {
            in_flight,
            _leaving: Leaving(Arc::clone(gate)),
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.wake();
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
    use std::pin::pin;
    use std::sync::atomic::AtomicBool;
    use std::task::{Context, Wake, Waker};

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

    /// Looks for room in the moment in which it is woken.
    struct Look(Node, AtomicBool);

    impl Wake for Look {
        fn wake(self: Arc<Self>) {
            self.1.store(self.0.admit(1).is_some(), Ordering::SeqCst);
        }
    }

    #[test]
    fn whoever_waits_is_told_of_room_when_there_is_some() {
        let gate = Arc::new(Gate::default());
        let look = Arc::new(Look(node(), AtomicBool::new(false)));
        let stay = Stay::new(look.0.admit(1).unwrap(), &gate);
        let _seat = gate.enter(1).unwrap();
        let mut changed = pin!(gate.changed());
        let waker = Waker::from(Arc::clone(&look));
        let waits = changed.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(waits.is_pending());
        drop(stay);
        assert!(look.1.load(Ordering::SeqCst), "woken, and there is room");
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
