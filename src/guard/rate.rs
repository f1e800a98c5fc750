//! So many a second, and a burst after a pause.
//!
//! The generic cell rate algorithm: of each mark only the time is kept at which its bucket would be empty of debt,
//! so an idle one costs nothing and is forgotten without loss.

use std::time::{Duration, Instant};

use super::settings::Rate;
use super::table::Table;
use super::who::Mark;

/// When each bucket is free of debt.
#[derive(Debug)]
pub struct Buckets(Table<Option<Instant>>);

/// When it is somebody's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// After this time, which may be none; the place is taken.
    After(Duration),
    /// Not soon enough: nothing was taken, and this is when it could be.
    NotBefore(Duration),
}

impl Default for Buckets {
    fn default() -> Self {
        Self(Table::new(ENTRIES))
    }
}

impl Buckets {
    /// Takes `units` of the bucket of `mark`, if it is its turn within `patience`.
    pub fn take(
        &self,
        mark: Mark,
        rate: Rate,
        (units, patience): (u64, Duration),
        now: Instant,
    ) -> Turn {
        self.0.change(mark, |free| {
            let before = free.unwrap_or(now).max(now);
            let (turn, after) = decide(before, rate, (units, patience), now);
            *free = Some(after);
            turn
        })
    }
}

/// The turn of somebody whose bucket is free of debt at `free`, and when it is after he took what he may.
fn decide(
    free: Instant,
    rate: Rate,
    (units, patience): (u64, Duration),
    now: Instant,
) -> (Turn, Instant) {
    let after = free + time_of(units, rate);
    let debt = after.saturating_duration_since(now);
    let wait = debt.saturating_sub(time_of(rate.burst, rate));
    if wait <= patience {
        (Turn::After(wait), after)
    } else {
        (Turn::NotBefore(wait), free)
    }
}

/// How long so many units take in the long run.
pub fn time_of(units: u64, rate: Rate) -> Duration {
    let nanos = u128::from(units) * NANOS / u128::from(rate.per_second.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(LONGEST)
}

const NANOS: u128 = 1_000_000_000;
/// Keeps times within what the clock can hold.
const LONGEST: Duration = Duration::from_hours(24);
/// Clients and accounts that are active within one burst.
const ENTRIES: usize = 65_536;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::who::tests::tried;
    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some moment to start from"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    fn client(text: &str) -> Mark {
        tried("a", "b", text).client
    }

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 5,
    };

    #[test]
    fn a_burst_passes_and_the_next_waits_its_turn() {
        let (buckets, now) = (Buckets::default(), start());
        let one = client("192.0.2.1");
        let take = |patience| buckets.take(one, RATE, (1, patience), now);
        for _ in 0..5 {
            assert_eq!(take(Duration::ZERO), Turn::After(Duration::ZERO));
        }
        let tenth = Duration::from_millis(100);
        assert_eq!(take(Duration::ZERO), Turn::NotBefore(tenth));
        assert_eq!(take(tenth), Turn::After(tenth));
        assert_eq!(take(tenth), Turn::NotBefore(2 * tenth));
        let other = client("192.0.2.2");
        assert_eq!(
            buckets.take(other, RATE, (1, tenth), now),
            Turn::After(Duration::ZERO)
        );
        let later = now + Duration::from_secs(1);
        assert_eq!(
            buckets.take(one, RATE, (5, tenth), later),
            Turn::After(Duration::ZERO)
        );
    }

    proptest! {
        #[test]
        fn never_more_than_the_rate_and_its_burst_pass(
            pauses in vec(0_u64..2_000, 1..200),
            per_second in 1_u64..50,
            burst in 1_u64..20,
        ) {
            let rate = Rate { per_second, burst };
            let (buckets, begin) = (Buckets::default(), start());
            let one = client("192.0.2.1");
            let mut now = begin;
            let mut passed = 0_u128;
            for pause in pauses {
                now += Duration::from_millis(pause);
                if buckets.take(one, rate, (1, Duration::ZERO), now) == Turn::After(Duration::ZERO) {
                    passed += 1;
                }
                let long_run = u128::from(per_second) * (now - begin).as_millis() / 1_000;
                prop_assert!(passed <= long_run + u128::from(burst) + 1);
            }
        }

        #[test]
        fn whoever_waits_as_told_has_his_turn(
            units in vec(1_u64..10, 1..50),
            per_second in 1_u64..1_000,
        ) {
            let rate = Rate { per_second, burst: 10 };
            let (buckets, mut now) = (Buckets::default(), start());
            let one = client("192.0.2.1");
            for units in units {
                if let Turn::NotBefore(wait) = buckets.take(one, rate, (units, Duration::ZERO), now) {
                    now += wait;
                    let turn = buckets.take(one, rate, (units, Duration::ZERO), now);
                    prop_assert_eq!(turn, Turn::After(Duration::ZERO));
                }
            }
        }
    }
}
