//! When Redis is asked, and when it is left alone.
//!
//! ```text
//!          enough failures, or the connection is lost
//!   well ---------------------------------------------> away
//!        <---------------------------------------------
//!          enough good probes in a row
//! ```
//!
//! While it is away nobody asks it but the probe in the background. A Redis that is away again soon after it came
//! back has to show more good probes the next time, so that one that comes and goes is mostly left alone.

use std::time::{Duration, Instant};

/// Judges one connection after the other. The clock is an argument.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    /// Good probes in a row that end the present or the next absence.
    needed: u32,
    /// The connection that is judged: words about an earlier one no longer count.
    line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Away { good: u32 },
    Well { since: Instant, score: Score },
}

/// What stands against a Redis that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Score {
    /// By answers that did not come in time.
    slow: u32,
    /// By refusals.
    refused: u32,
}

/// What a good answer was an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Something that is answered also where nothing can be written: by a replica, or when memory is full.
    Read,
    Write,
}

/// How one question to Redis went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No answer within the deadline.
    Slow,
    /// An answer that it does not serve us now.
    Refused,
    /// The connection is gone.
    Lost,
}

/// What a word about Redis changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    None,
    WentAway,
    CameBack,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Away { good: 0 },
            needed: 1,
            line: 0,
        }
    }
}

impl Breaker {
    /// A new connection is made; its number comes with every word about it.
    pub fn renew(&mut self) -> u64 {
        self.line += 1;
        self.state = State::Away { good: 0 };
        self.line
    }

    /// Redis has answered a question in time.
    pub fn answered(&mut self, line: u64, question: Question) {
        if let State::Well { score, .. } = &mut self.state
            && line == self.line
        {
            score.slow = score.slow.saturating_sub(1);
            match question {
                Question::Read => {}
                Question::Write => score.refused = score.refused.saturating_sub(1),
            }
        }
    }

    /// Redis has failed to answer a question.
    pub fn failed(&mut self, line: u64, trouble: Trouble, now: Instant) -> Change {
        let State::Well { since, mut score } = self.state else {
            return Change::None;
        };
        if line != self.line {
            return Change::None;
        }
        match trouble {
            Trouble::Lost => score.slow = LIMIT,
            Trouble::Slow => score.slow += FAILURE,
            Trouble::Refused => score.refused += FAILURE,
        }
        if score.slow + score.refused < LIMIT {
            self.state = State::Well { since, score };
            return Change::None;
        }
        let lasted = now.saturating_duration_since(since);
        self.needed = if lasted < STEADY {
            (self.needed * 2).min(MOST_NEEDED)
        } else {
            1
        };
        self.state = State::Away { good: 0 };
        Change::WentAway
    }

    /// A probe of this connection was answered well and in time.
    pub fn probed_well(&mut self, line: u64, now: Instant) -> Change {
        match &mut self.state {
            State::Well { .. } => {
                self.answered(line, Question::Write);
                Change::None
            }
            State::Away { good } if line == self.line => {
                *good += 1;
                if *good < self.needed {
                    return Change::None;
                }
                self.state = State::Well {
                    since: now,
                    score: Score::default(),
                };
                Change::CameBack
            }
            State::Away { .. } => Change::None,
        }
    }

    /// Whether questions may be asked.
    pub fn is_well(&self) -> bool {
        matches!(self.state, State::Well { .. })
    }
}

/// What a failure adds to the score; an answer takes one away, so that one failure among four is borne.
const FAILURE: u32 = 3;
/// Three failures in a row from a good start.
const LIMIT: u32 = 9;
/// Who is away again sooner than this did not really come back.
const STEADY: Duration = Duration::from_secs(30);
/// With a probe each quarter of a second: eight seconds.
const MOST_NEEDED: u32 = 32;

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

    fn well(now: Instant) -> (Breaker, u64) {
        let mut breaker = Breaker::default();
        assert!(!breaker.is_well(), "nobody has heard of it yet");
        let line = breaker.renew();
        assert_eq!(breaker.probed_well(line, now), Change::CameBack);
        (breaker, line)
    }

    #[test]
    fn three_failures_in_a_row_end_it() {
        for trouble in [Trouble::Slow, Trouble::Refused] {
            let now = start();
            let (mut breaker, line) = well(now);
            assert_eq!(breaker.failed(line, trouble, now), Change::None);
            assert_eq!(breaker.failed(line, trouble, now), Change::None);
            assert_eq!(breaker.failed(line, trouble, now), Change::WentAway);
            assert_eq!(breaker.failed(line, trouble, now), Change::None, "once");
        }
    }

    #[test]
    fn a_lost_connection_ends_it_at_once() {
        let now = start();
        let (mut breaker, line) = well(now);
        assert_eq!(breaker.failed(line, Trouble::Lost, now), Change::WentAway);
    }

    #[test]
    fn one_failure_among_four_is_borne_and_every_second_is_not() {
        let now = start();
        let (mut breaker, line) = well(now);
        for _ in 0..1000 {
            assert_eq!(breaker.failed(line, Trouble::Slow, now), Change::None);
            (0..3).for_each(|_| breaker.answered(line, Question::Read));
        }
        let mut failures = 0;
        while breaker.is_well() {
            failures += 1;
            breaker.failed(line, Trouble::Slow, now);
            breaker.answered(line, Question::Write);
        }
        assert!(failures < 6, "{failures}");
    }

    #[test]
    fn reads_do_not_make_up_for_writes_that_are_refused() {
        let now = start();
        let (mut breaker, line) = well(now);
        let mut refused = |question| {
            let mut refused = 0;
            while breaker.is_well() && refused < 10 {
                refused += 1;
                breaker.failed(line, Trouble::Refused, now);
                (0..3).for_each(|_| breaker.answered(line, question));
            }
            refused
        };
        assert_eq!(refused(Question::Write), 10);
        assert_eq!(refused(Question::Read), 3);
    }

    #[test]
    fn words_about_an_earlier_connection_do_not_count() {
        let now = start();
        let (mut breaker, old) = well(now);
        let line = breaker.renew();
        assert_eq!(breaker.probed_well(old, now), Change::None);
        assert_eq!(breaker.probed_well(line, now), Change::CameBack);
        assert_eq!(breaker.failed(old, Trouble::Lost, now), Change::None);
        assert!(breaker.is_well());
    }

    #[test]
    fn who_comes_and_goes_has_to_show_more_and_who_stays_is_trusted_again() {
        let mut now = start();
        let (mut breaker, line) = well(now);
        let probes = |breaker: &mut Breaker, now| {
            let mut probes = 1;
            while breaker.probed_well(line, now) == Change::None {
                probes += 1;
            }
            probes
        };
        let mut seen = Vec::new();
        for _ in 0..7 {
            breaker.failed(line, Trouble::Lost, now);
            seen.push(probes(&mut breaker, now));
        }
        assert_eq!(seen, [2, 4, 8, 16, 32, 32, 32]);
        now += STEADY;
        breaker.failed(line, Trouble::Lost, now);
        assert_eq!(probes(&mut breaker, now), 1);
    }

    proptest! {
        #[test]
        fn without_answers_no_more_than_three_questions_fail_in_a_row(
            words in vec(0..4_u8, 1..100),
        ) {
            let now = start();
            let (mut breaker, line) = well(now);
            let mut row = 0;
            for word in words {
                if !breaker.is_well() {
                    break;
                }
                match word {
                    0 => { breaker.answered(line, Question::Read); row = 0; }
                    1 => { breaker.answered(line, Question::Write); row = 0; }
                    2 => { breaker.failed(line, Trouble::Slow, now); row += 1; }
                    _ => { breaker.failed(line, Trouble::Refused, now); row += 1; }
                }
                prop_assert!(row < 3 || !breaker.is_well());
            }
        }
    }
}
