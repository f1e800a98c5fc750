//! The decisions of one manifest PUT.
//!
//! A manifest is small and kept whole, so it could simply be sent again; but a tag may be immutable, and each
//! success tells others. So an outcome that is not known is settled by asking, and only then repeated.

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A node answered.
    Answered(Answer),
    /// The exchange broke before the node had all of it.
    Unsent,
    /// It broke when the node may have taken it.
    Unanswered,
    /// The manifest was asked for.
    Looked(Looked),
    /// The pause is over.
    Waited,
    /// No node could be found within the time that the client may wait.
    NoNode,
}

/// An answer to the PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Created,
    /// A blob is missing that was written elsewhere a moment ago: storage lags behind.
    Lags,
    /// 5xx, or no answer of a registry.
    Trouble,
    /// Any other word of the registry.
    Final,
}

/// What stands under the manifest's name now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// Just what was sent.
    Same,
    /// Nothing, or something else.
    Other,
    /// Nobody could say.
    Unknown,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Put,
    /// Ask for the manifest, and compare.
    Look,
    /// Wait a little, longer each time; this is the `n`th time.
    Wait(u32),
    /// Give the client the node's answer.
    Pass,
    /// Tell the client that it is stored.
    Acknowledge,
    /// Tell the client that it failed.
    Refuse,
}

/// The machine of one manifest PUT.
#[derive(Debug)]
pub struct Publish {
    attempts: u32,
    lags: u32,
}

impl Publish {
    /// A machine that sends the manifest at most `attempts` times, and its first action.
    pub fn new(attempts: u32) -> (Self, Action) {
        (
            Self {
                attempts: attempts.saturating_sub(1),
                lags: 0,
            },
            Action::Put,
        )
    }

    /// Takes in what happened and says what to do.
    pub fn step(&mut self, event: Event) -> Action {
        match event {
            Event::Answered(Answer::Created | Answer::Final) => Action::Pass,
            Event::Answered(Answer::Lags) if self.lags < MOST_LAGS => {
                self.lags += 1;
                Action::Wait(self.lags)
            }
            Event::Answered(Answer::Lags) => Action::Pass,
            Event::Answered(Answer::Trouble) | Event::Unanswered => Action::Look,
            Event::Waited => Action::Put,
            Event::Looked(Looked::Same) => Action::Acknowledge,
            Event::Unsent | Event::Looked(Looked::Other | Looked::Unknown) => self.again(),
            Event::NoNode => Action::Refuse,
        }
    }

    fn again(&mut self) -> Action {
        match self.attempts.checked_sub(1) {
            Some(left) => {
                self.attempts = left;
                Action::Put
            }
            None => Action::Refuse,
        }
    }
}

/// How often a lag is waited for: a few seconds in all.
const MOST_LAGS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn play(attempts: u32, events: &[Event]) -> Action {
        let (mut publish, mut action) = Publish::new(attempts);
        for event in events {
            action = publish.step(*event);
        }
        action
    }

    #[test]
    fn an_outcome_that_is_not_known_is_asked_for_before_anything_is_repeated() {
        assert_eq!(play(3, &[Event::Unanswered]), Action::Look);
        assert_eq!(play(3, &[Event::Answered(Answer::Trouble)]), Action::Look);
        let same = [Event::Unanswered, Event::Looked(Looked::Same)];
        assert_eq!(play(3, &same), Action::Acknowledge);
        for looked in [Looked::Other, Looked::Unknown] {
            assert_eq!(
                play(3, &[Event::Unanswered, Event::Looked(looked)]),
                Action::Put
            );
        }
    }

    #[test]
    fn what_a_node_never_had_goes_to_the_next_without_asking() {
        assert_eq!(play(2, &[Event::Unsent]), Action::Put);
        assert_eq!(play(2, &[Event::Unsent, Event::Unsent]), Action::Refuse);
    }

    #[test]
    fn a_lag_is_waited_for_and_then_told() {
        let lag = Event::Answered(Answer::Lags);
        assert_eq!(play(1, &[lag]), Action::Wait(1));
        assert_eq!(play(1, &[lag, Event::Waited]), Action::Put);
        let long = [
            lag,
            Event::Waited,
            lag,
            Event::Waited,
            lag,
            Event::Waited,
            lag,
            Event::Waited,
        ];
        assert_eq!(play(1, &[&long[..], &[lag]].concat()), Action::Pass);
    }

    #[test]
    fn the_registrys_own_word_is_passed_on() {
        for answer in [Answer::Created, Answer::Final] {
            assert_eq!(play(3, &[Event::Answered(answer)]), Action::Pass);
        }
        assert_eq!(play(3, &[Event::NoNode]), Action::Refuse);
    }

    #[test]
    fn it_is_sent_no_more_often_than_allowed() {
        for attempts in 1..6 {
            let (mut publish, mut action) = Publish::new(attempts);
            let mut sent = 0;
            while action != Action::Refuse {
                let event = match action {
                    Action::Put => {
                        sent += 1;
                        Event::Unanswered
                    }
                    _ => Event::Looked(Looked::Unknown),
                };
                action = publish.step(event);
            }
            assert_eq!(sent, attempts);
        }
    }
}
