//! How much is under way on one node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests and bytes in flight on one node.
///
/// The bytes are a measure of work, not of traffic: every request counts a fixed cost beside the
/// body bytes that are still to come, so that requests of unknown or no length weigh something.
#[derive(Debug, Default)]
pub struct Load {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Load {
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Books one request more, whatever is under way.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.booked()
    }

    /// Books one request more if fewer than `cap` are under way, also when many ask at once.
    pub(super) fn admit(self: &Arc<Self>, cap: u64) -> Option<InFlight> {
        let add = |requests: u64| (requests < cap).then_some(requests + 1);
        self.requests
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, add)
            .is_ok()
            .then(|| self.booked())
    }

    fn booked(self: &Arc<Self>) -> InFlight {
        self.bytes.fetch_add(REQUEST_COST, Ordering::Relaxed);
        InFlight {
            load: Arc::clone(self),
            left: 0,
        }
    }
}

/// One request under way. Dropping it gives back everything it has booked.
#[derive(Debug)]
pub struct InFlight {
    load: Arc<Load>,
    /// Body bytes booked and not yet passed.
    left: u64,
}

impl InFlight {
    /// The body bytes still to come are now known to be `bytes`; replaces what was expected.
    pub fn expect(&mut self, bytes: u64) {
        let left = bytes.min(MAX_EXPECTED);
        if left >= self.left {
            self.load
                .bytes
                .fetch_add(left - self.left, Ordering::Relaxed);
        } else {
            self.load
                .bytes
                .fetch_sub(self.left - left, Ordering::Relaxed);
        }
        self.left = left;
    }

    /// `bytes` of the body have passed. More than was expected changes nothing further.
    pub fn passed(&mut self, bytes: u64) {
        let done = bytes.min(self.left);
        self.left -= done;
        self.load.bytes.fetch_sub(done, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.load
            .bytes
            .fetch_sub(REQUEST_COST + self.left, Ordering::Relaxed);
        self.load.requests.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a request weighs beside its body, in bytes: about what a small one keeps busy.
const REQUEST_COST: u64 = 64 * 1024;
/// More than any layer: a length somebody made up cannot overflow the sum of all requests.
const MAX_EXPECTED: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_of_unknown_length_weighs_something() {
        let load = Arc::new(Load::default());
        let request = load.begin();
        assert_eq!((load.requests(), load.bytes()), (1, REQUEST_COST));
        drop(request);
        assert_eq!((load.requests(), load.bytes()), (0, 0));
    }

    #[test]
    fn passed_bytes_no_longer_weigh() {
        let load = Arc::new(Load::default());
        let mut request = load.begin();
        request.expect(1000);
        request.passed(400);
        assert_eq!(load.bytes(), REQUEST_COST + 600);
        request.passed(10_000);
        assert_eq!(load.bytes(), REQUEST_COST);
        request.expect(50);
        assert_eq!(load.bytes(), REQUEST_COST + 50);
    }

    #[test]
    fn no_more_are_admitted_than_there_is_room_for_however_many_ask_at_once() {
        let load = Arc::new(Load::default());
        let most = AtomicU64::new(0);
        let asks = || {
            for _ in 0..2_000 {
                let admitted = load.admit(3);
                most.fetch_max(load.requests(), Ordering::Relaxed);
                std::thread::yield_now();
                drop(admitted);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(asks);
            }
        });
        assert_eq!(most.into_inner(), 3);
        assert_eq!((load.requests(), load.bytes()), (0, 0));
    }

    proptest! {
        #[test]
        fn all_that_was_booked_is_given_back(
            requests in vec((any::<u64>(), vec((any::<bool>(), any::<u64>()), 0..8)), 0..20),
        ) {
            let load = Arc::new(Load::default());
            let mut running = Vec::new();
            for (expected, steps) in requests {
                let mut request = load.begin();
                request.expect(expected);
                for (known, bytes) in steps {
                    if known {
                        request.expect(bytes);
                    } else {
                        request.passed(bytes);
                    }
                }
                running.push(request);
                let least = u64::try_from(running.len()).unwrap();
                prop_assert_eq!(load.requests(), least);
                prop_assert!(load.bytes() >= least * REQUEST_COST);
            }
            drop(running);
            prop_assert_eq!((load.requests(), load.bytes()), (0, 0));
        }
    }
}
