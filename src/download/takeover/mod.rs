//! The machine that carries one download over the loss of nodes.
//!
//! It goes through three phases, and each can repeat: it waits for the head of an answer, passes its body, and
//! asks the next node when that breaks. An answer that nobody could go on with has a phase of its own: it is
//! relayed to its end.

mod content;
#[cfg(test)]
mod tests;

use http::StatusCode;

use super::facts::Facts;
use super::goal::Goal;
use content::{Content, Opening, Origin, Rest};

/// One download, from the first ask to its end.
#[derive(Debug)]
pub struct Takeover {
    goal: Goal,
    /// Asks that may be made before anything is made of them.
    tries: u32,
    /// Asks that may be made in all, as things stand.
    attempts: u32,
    asks: u32,
    phase: Phase,
    /// What was promised to the client, once an answer began that can be continued.
    content: Option<Content>,
    /// How the node before the present one was lost.
    lost: Option<Lost>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The final head of an answer is there.
    Opened(Facts),
    /// So many bytes of its body came.
    Bytes(u64),
    /// The body ended properly, whether or not it is whole.
    Ended,
    /// The node was lost, or there is none to ask.
    Failed(Lost),
    ClientLeft,
}

/// How a node was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    Unreachable,
    /// The connection or stream broke, or the body ended too early.
    Broken,
    /// Nothing came for too long.
    Stalled,
    /// The answer cannot be what the client wants.
    BadAnswer,
    /// What all nodes share has failed this one, and it hides that behind another answer.
    Shared,
    /// No node is left to be asked, or none in time.
    NoNode,
}

/// What to do. After [`Action::Finish`], [`Action::Refuse`], [`Action::Cut`] and [`Action::Leave`] nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Drop the present answer, if there is one, and ask the next node.
    Ask { range: AskRange },
    /// Drop the present answer and ask where it redirects to, without the client's credentials.
    Follow { range: AskRange },
    /// Write the head of the present answer to the client: its body is `length` bytes.
    Start { length: u64 },
    /// Write the present answer to the client as it is, and go on reading it.
    Relay { length: RelayLength },
    /// The present answer is the rest of what was promised: write nothing for its head, and read its body.
    Resume,
    /// Of the bytes that just came, drop the first `skip`, pass `take`, and drop the others.
    Pass { skip: u64, take: u64 },
    /// Pass bytes as for [`Action::Pass`], then end the client's answer properly. What the node might still
    /// send is not wanted.
    Finish { skip: u64, take: u64 },
    /// Nothing was written to the client: answer with an error.
    Refuse(Lost),
    /// Something was written: end the connection or stream so that the client notices.
    Cut(Lost),
    /// The client is gone: drop everything.
    Leave,
}

/// Which bytes to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskRange {
    /// With the client's headers as they are.
    AsClient,
    /// `Range: bytes=first-last` in place of the client's range, unencoded, without its conditions.
    From { first: u64, last: u64 },
}

/// Whether the length in a relayed head is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayLength {
    AsTold,
    /// Leave it out: registries announce the blob's size before the short text of a refused range, and
    /// close after it.
    Untold,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Waiting for a head, after so many redirects.
    Asking {
        redirects: u32,
    },
    /// Passing a body, once `skip` bytes of it are dropped.
    Passing {
        skip: u64,
    },
    /// Relaying a body, of which `left` bytes are to come if that is known.
    Relaying {
        length: RelayLength,
        left: Option<u64>,
    },
    Over(Outcome),
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Finished,
    Refused(Lost),
    Cut(Lost),
    Left,
}

impl Takeover {
    /// Begins a download. At most so many asks are made in vain, and at least one: no more than there are nodes, or
    /// a fleet that gives the same error everywhere could not be quoted.
    pub fn new(goal: Goal, attempts: u32) -> (Self, Action) {
        let takeover = Self {
            goal,
            tries: attempts.max(1),
            attempts: attempts.max(1),
            asks: 1,
            phase: Phase::Asking { redirects: 0 },
            content: None,
            lost: None,
        };
        let range = AskRange::AsClient;
        (takeover, Action::Ask { range })
    }

    /// Takes in what happened and says what to do. An event out of turn counts as a bad answer. After the end
    /// the last word is repeated, without bytes.
    pub fn step(&mut self, event: Event) -> Action {
        let passed = self.passed();
        let asks = self.asks;
        let action = match self.phase {
            Phase::Over(outcome) => outcome.action(),
            _ if event == Event::ClientLeft => self.end(Outcome::Left),
            Phase::Asking { redirects } => match event {
                Event::Opened(facts) => self.open(&facts, redirects),
                Event::Failed(lost) => self.lose(lost),
                Event::Bytes(_) | Event::Ended | Event::ClientLeft => self.lose(Lost::BadAnswer),
            },
            Phase::Passing { skip } => self.pass(&event, skip),
            Phase::Relaying { length, left } => self.relay(&event, length, left),
        };
        self.check(action, passed, asks);
        action
    }

    /// Enough came of the last ask that the next loss is a new one: it gets all the tries again.
    pub fn renew(&mut self) {
        self.attempts = self.asks.saturating_add(self.tries - 1);
    }

    /// How many bytes of what was promised the client has. Relayed answers do not count.
    pub fn passed(&self) -> u64 {
        self.content.as_ref().map_or(0, Content::passed)
    }

    /// How many bytes of what was promised are still to come.
    pub fn left(&self) -> u64 {
        self.content.as_ref().map_or(0, Content::left)
    }

    /// How many nodes were asked.
    pub fn asks(&self) -> u32 {
        self.asks
    }

    fn open(&mut self, facts: &Facts, redirects: u32) -> Action {
        if self.content.is_some() {
            return self.resume(facts, redirects);
        }
        match Opening::judge(&self.goal, facts) {
            Opening::Promise(content) => {
                let length = content.size();
                self.content = Some(content);
                self.phase = Phase::Passing { skip: 0 };
                Action::Start { length }
            }
            Opening::Doubtful if self.asks < self.attempts => self.lose(Lost::BadAnswer),
            Opening::Alien | Opening::Doubtful => self.begin_relay(facts),
            Opening::Contradiction => self.lose(Lost::BadAnswer),
        }
    }

    fn resume(&mut self, facts: &Facts, redirects: u32) -> Action {
        let origin = match redirects {
            0 => Origin::Node,
            _ => Origin::Storage,
        };
        let Some(content) = &mut self.content else {
            return self.lose(Lost::BadAnswer);
        };
        match content.judge(&self.goal, facts, origin) {
            Rest::Bytes { skip } => {
                content.learn(facts, origin);
                self.phase = Phase::Passing { skip };
                Action::Resume
            }
            Rest::Redirect if redirects < MOST_REDIRECTS => {
                let redirects = redirects + 1;
                self.phase = Phase::Asking { redirects };
                let range = self.range();
                Action::Follow { range }
            }
            Rest::Redirect | Rest::Unfit => self.lose(Lost::BadAnswer),
        }
    }

    fn pass(&mut self, event: &Event, skip: u64) -> Action {
        let count = match *event {
            Event::Bytes(count) => count,
            Event::Ended => return self.lose(Lost::Broken),
            Event::Failed(lost) => return self.lose(lost),
            Event::Opened(_) | Event::ClientLeft => return self.lose(Lost::BadAnswer),
        };
        let dropped = skip.min(count);
        let content = self.content.as_mut();
        let take = content.map_or(0, |content| content.take(count - dropped));
        let skip = skip - dropped;
        self.phase = Phase::Passing { skip };
        if self.left() == 0 {
            self.phase = Phase::Over(Outcome::Finished);
            return Action::Finish {
                skip: dropped,
                take,
            };
        }
        Action::Pass {
            skip: dropped,
            take,
        }
    }

    fn begin_relay(&mut self, facts: &Facts) -> Action {
        let (length, left) = match facts.status {
            StatusCode::RANGE_NOT_SATISFIABLE => (RelayLength::Untold, None),
            // The length of these is that of a body which does not come.
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => (RelayLength::AsTold, Some(0)),
            _ => (RelayLength::AsTold, facts.content_length),
        };
        self.phase = Phase::Relaying { length, left };
        Action::Relay { length }
    }

    fn relay(&mut self, event: &Event, length: RelayLength, left: Option<u64>) -> Action {
        let lost = match *event {
            Event::Bytes(count) => {
                let take = left.unwrap_or(u64::MAX).min(count);
                let left = left.map(|left| left - take);
                self.phase = Phase::Relaying { length, left };
                if left == Some(0) {
                    self.phase = Phase::Over(Outcome::Finished);
                    return Action::Finish { skip: 0, take };
                }
                return Action::Pass { skip: 0, take };
            }
            Event::Ended if left.is_none() => return self.end(Outcome::Finished),
            Event::Ended => Lost::Broken,
            Event::Failed(lost) => lost,
            Event::Opened(_) | Event::ClientLeft => Lost::BadAnswer,
        };
        // Where the length is a lie, the framing calls the node's own way of ending a break.
        let closed = length == RelayLength::Untold && lost == Lost::Broken;
        if closed || left == Some(0) {
            return self.end(Outcome::Finished);
        }
        self.end(Outcome::Cut(lost))
    }

    /// A node is lost: asks the next one, if anything is still wanted and may be asked for.
    fn lose(&mut self, lost: Lost) -> Action {
        if self.content.is_some() && self.left() == 0 {
            return self.end(Outcome::Finished);
        }
        if lost != Lost::NoNode {
            self.lost = Some(lost);
            if self.asks < self.attempts {
                self.asks += 1;
                self.phase = Phase::Asking { redirects: 0 };
                let range = self.range();
                return Action::Ask { range };
            }
        }
        // That no node is left says less than how the last one was lost.
        let lost = self.lost.unwrap_or(lost);
        self.end(match self.content {
            Some(_) => Outcome::Cut(lost),
            None => Outcome::Refused(lost),
        })
    }

    fn range(&self) -> AskRange {
        let rest = self.content.as_ref().and_then(Content::rest);
        rest.map_or(AskRange::AsClient, |(first, last)| AskRange::From {
            first,
            last,
        })
    }

    fn end(&mut self, outcome: Outcome) -> Action {
        self.phase = Phase::Over(outcome);
        outcome.action()
    }

    fn check(&self, action: Action, passed: u64, asks: u32) {
        let content = self.content.as_ref();
        let began = content.is_some();
        let relaying = matches!(self.phase, Phase::Relaying { .. });
        debug_assert!(
            content.is_none_or(Content::is_sound),
            "passed + left = size"
        );
        debug_assert!(self.passed() >= passed, "the offset never falls");
        debug_assert!(self.asks <= self.attempts, "asks are bounded");
        debug_assert!(!(began && relaying), "what can be continued is not relayed");
        let fits = match action {
            Action::Ask { range } => self.asks == asks + 1 && self.is_right(range),
            Action::Follow { range } => began && self.is_right(range),
            Action::Start { .. } => began && passed == 0 && self.passed() == 0,
            Action::Relay { .. } => relaying,
            Action::Resume => began && self.passed() == passed && self.left() > 0,
            Action::Pass { take, .. } => {
                relaying || self.passed() == passed + take && self.left() > 0
            }
            Action::Finish { .. } => self.left() == 0,
            Action::Refuse(_) => !began,
            Action::Cut(_) => !began || self.left() > 0,
            Action::Leave => true,
        };
        debug_assert!(fits, "{action:?} does not fit {self:?}");
    }

    /// Once something was promised, only the rest of it is asked for, and never nothing.
    fn is_right(&self, range: AskRange) -> bool {
        match (range, &self.content) {
            (AskRange::AsClient, None) => true,
            (AskRange::From { first, last }, Some(_)) => first <= last,
            (AskRange::AsClient, Some(_)) | (AskRange::From { .. }, None) => false,
        }
    }
}

impl Outcome {
    fn action(self) -> Action {
        match self {
            Self::Finished => Action::Finish { skip: 0, take: 0 },
            Self::Refused(lost) => Action::Refuse(lost),
            Self::Cut(lost) => Action::Cut(lost),
            Self::Left => Action::Leave,
        }
    }
}

/// A storage redirects once; more is a loop.
const MOST_REDIRECTS: u32 = 5;
