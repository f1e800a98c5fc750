//! How many retries the whole fleet can bear.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bucket of retries, filled by requests and by time.
///
/// When every node fails, each request would be sent to all of them, and a fleet in trouble would
/// get several times its usual load. The bucket keeps retries a small part of all requests.
#[derive(Debug)]
pub struct Budget {
    percent: u64,
    minimum_per_second: u64,
    state: Mutex<State>,
}

/// Whether a request may be sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Exhausted,
}

#[derive(Debug)]
struct State {
    /// In parts of which [`RETRY`] make one retry.
    saved: u64,
    filled: Instant,
}

impl Budget {
    /// Retries in percent of requests, and how many a second there may be in any case. Begins
    /// with one second's worth of the latter.
    pub fn new(percent: u32, minimum_per_second: u32, now: Instant) -> Self {
        let minimum_per_second = u64::from(minimum_per_second);
        let state = State {
            saved: minimum_per_second * RETRY,
            filled: now,
        };
        Self {
            percent: u64::from(percent),
            minimum_per_second,
            state: Mutex::new(state),
        }
    }

    /// A client's request arrived; retries are not counted here.
    pub fn on_request(&self, now: Instant) {
        self.with(now, |saved| {
            (saved.saturating_add(self.percent * (RETRY / 100)), ())
        });
    }

    /// Takes one retry out of the bucket, if there is one.
    pub fn allow_retry(&self, now: Instant) -> Verdict {
        self.with(now, |saved| match saved.checked_sub(RETRY) {
            Some(rest) => (rest, Verdict::Allowed),
            None => (saved, Verdict::Exhausted),
        })
    }

    fn with<T>(&self, now: Instant, change: impl FnOnce(u64) -> (u64, T)) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.filled);
        let milliseconds = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        if milliseconds > 0 {
            let gained = milliseconds.saturating_mul(self.minimum_per_second * (RETRY / 1000));
            state.saved = state.saved.saturating_add(gained).min(self.most());
            state.filled += Duration::from_millis(milliseconds);
        }
        let (saved, answer) = change(state.saved);
        state.saved = saved.min(self.most());
        answer
    }

    /// What can be saved up: quiet hours must not pay for a storm.
    fn most(&self) -> u64 {
        let by_time = self.minimum_per_second * SECONDS_SAVED * RETRY;
        let by_requests = self.percent * (RETRY / 100) * REQUESTS_SAVED;
        by_time + by_requests
    }
}

/// One retry, in parts fine enough for a percent and for a millisecond.
const RETRY: u64 = 100_000;
const SECONDS_SAVED: u64 = 10;
/// So many requests may be under way on one node that dies, and each wants its retry at once.
const REQUESTS_SAVED: u64 = 5_000;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some moment to start from"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    fn drain(budget: &Budget, now: Instant) -> u32 {
        let mut retries = 0;
        while budget.allow_retry(now) == Verdict::Allowed {
            retries += 1;
        }
        retries
    }

    #[test]
    fn requests_earn_their_percentage() {
        let now = start();
        let budget = Budget::new(20, 0, now);
        assert_eq!(drain(&budget, now), 0);
        (0..50).for_each(|_| budget.on_request(now));
        assert_eq!(drain(&budget, now), 10);
    }

    #[test]
    fn a_quiet_fleet_has_its_minimum_every_second() {
        let now = start();
        let budget = Budget::new(0, 10, now);
        assert_eq!(drain(&budget, now), 10);
        assert_eq!(drain(&budget, now + Duration::from_millis(500)), 5);
        assert_eq!(drain(&budget, now + Duration::from_millis(1500)), 10);
    }

    #[test]
    fn many_short_steps_earn_what_one_long_one_does() {
        let now = start();
        let budget = Budget::new(0, 10, now);
        drain(&budget, now);
        for step in 0..1000 {
            budget.on_request(now + Duration::from_micros(step * 1999));
        }
        let retries = drain(&budget, now + Duration::from_secs(2));
        assert!((19..=20).contains(&retries), "{retries}");
    }

    #[test]
    fn what_is_saved_up_has_a_bound() {
        let now = start();
        let budget = Budget::new(20, 10, now);
        (0..100_000).for_each(|_| budget.on_request(now));
        assert_eq!(drain(&budget, now), 1100);
        (0..100_000).for_each(|_| budget.on_request(now));
        assert_eq!(drain(&budget, now + Duration::from_hours(1)), 1100);
    }

    #[test]
    fn nothing_is_allowed_when_nothing_is_granted() {
        let now = start();
        let budget = Budget::new(0, 0, now);
        (0..1000).for_each(|_| budget.on_request(now));
        assert_eq!(drain(&budget, now + Duration::from_hours(1)), 0);
    }

    proptest! {
        #[test]
        fn retries_never_exceed_what_was_earned(
            percent in 0..100_u32, minimum in 0..50_u32,
            steps in vec((0..300_u64, any::<bool>()), 0..300),
        ) {
            let mut now = start();
            let begin = now;
            let budget = Budget::new(percent, minimum, now);
            let (mut requests, mut retries) = (0_u64, 0_u64);
            for (milliseconds, is_request) in steps {
                now += Duration::from_millis(milliseconds);
                if is_request {
                    budget.on_request(now);
                    requests += 1;
                } else if budget.allow_retry(now) == Verdict::Allowed {
                    retries += 1;
                }
            }
            let seconds = now.duration_since(begin).as_secs() + 2;
            prop_assert!(retries <= requests * u64::from(percent) / 100 + seconds * u64::from(minimum));
        }
    }
}
