//! The decisions of one request of a push, when nodes answer, fail and are replaced.
//!
//! One machine carries one request of the client: a PATCH, a PUT with a body, or the empty PUT that commits. It is
//! told what happened and says what to do next; bytes, time and nodes are somebody else's.
//!
//! The one rule behind all others: a node session that may have taken part of a body is never written again.
//! Whoever takes over gets a new session and everything from the first byte, so no two nodes ever write one
//! session, and what a node books as the size of a blob stays right.

mod action;

pub use self::action::{Action, Refusal};

/// What the client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// More bytes.
    Patch,
    /// The whole blob in one request, of a length that is known.
    PutWhole { length: u64 },
    /// The last bytes, or a whole blob of unknown length, and the commit at once.
    PutLast,
    /// Nothing but the commit.
    Commit,
}

/// What can be done for the push beside passing its bytes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Everything from the first byte is kept.
    Kept,
    /// Something is not: a node session that is lost is lost.
    None,
}

/// The node session as it is before the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// It has exactly the bytes that were acknowledged.
    Clean,
    /// It may have others, or belongs to an address the client has used up: never to be written again.
    Spent,
}

/// What a node did, or what was found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A new session is open on another node.
    Opened,
    /// The exchange broke off.
    Lost(Sent),
    /// The node answered the request in flight.
    Answered(Answer),
    /// The blob was asked for by its digest.
    Sought(Sought),
    /// The kept bytes were hashed.
    Hashed(Hashed),
    /// No node could be found within the time that the client may wait.
    NoNode,
    /// What is kept is no longer whole.
    Unprotected,
}

/// How far a request had come when it was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The node has not seen the end of it: it cannot have taken effect.
    Partly,
    /// It may have taken effect.
    Wholly,
}

/// An answer, by what it means for the push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 202: the bytes are stored.
    Accepted,
    /// 201: the blob is stored.
    Created,
    /// 404 or 416 in the registry's form: this session is not what the client thinks it is.
    SessionUnknown,
    /// 400 `DIGEST_INVALID`.
    DigestInvalid,
    /// The node, or something behind it, is in trouble: 5xx, or no answer of a registry.
    Trouble,
    /// 401: the credentials are not accepted.
    Unauthorized,
    /// Any other answer: the registry's own word, the same on every node.
    Final,
}

/// Whether the blob is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// With the size that was sent.
    Found,
    Missing,
    /// Nobody could say.
    Unknown,
}

/// Whether the kept bytes have the digest that the client named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashed {
    Right,
    Wrong,
}

/// What the machine waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The client's own request is under way.
    Forwarding,
    Opening,
    Replaying,
    /// The empty PUT behind a replayed PATCH is under way.
    Committing,
    Seeking,
    Hashing,
    Over,
}

/// The machine of one request.
#[derive(Debug)]
pub struct Takeover {
    step: Step,
    protection: Protection,
    state: State,
    /// Sessions that may be opened in vain.
    tries: u32,
    /// Sessions that may still be opened.
    attempts: u32,
    unknown: u32,
    refused: u32,
    /// The same credentials were accepted before in this push.
    authorized: bool,
    hashed: bool,
    /// What the client gets if nobody can take over.
    last_word: Action,
}

impl Takeover {
    /// A machine for one request, and its first action.
    ///
    /// `attempts` bounds the sessions it may open in vain; `authorized` says that a node took the same
    /// credentials before.
    pub fn new(
        step: Step,
        session: Session,
        protection: Protection,
        attempts: u32,
        authorized: bool,
    ) -> (Self, Action) {
        let mut this = Self {
            step,
            protection,
            state: State::Forwarding,
            tries: attempts,
            attempts,
            unknown: 0,
            refused: 0,
            authorized,
            hashed: false,
            last_word: Action::Refuse(Refusal::Lost),
        };
        let action = match session {
            Session::Clean => Action::Forward,
            Session::Spent => this.restart(),
        };
        (this, action)
    }

    /// The push has come so far since the last node was lost that the next loss is a new one.
    pub fn renew(&mut self) {
        self.attempts = self.tries;
    }

    /// What comes from now on is not kept: a node that is lost can no longer be replaced.
    pub fn unprotect(&mut self) {
        self.protection = Protection::None;
    }

    /// Takes in what happened and says what to do.
    pub fn step(&mut self, event: Event) -> Action {
        let before = self.attempts;
        let action = self.decide(event);
        debug_assert!(self.attempts <= before, "a try is never given back");
        debug_assert!(
            (self.state == State::Over) == action.is_last(),
            "{action:?} in {:?}",
            self.state
        );
        debug_assert!(
            self.protection == Protection::Kept || !action.needs_kept_bytes(),
            "{action:?} without kept bytes"
        );
        action
    }

    fn decide(&mut self, event: Event) -> Action {
        match (self.state, event) {
            (State::Over, _) => self.over(Action::Refuse(Refusal::Lost)),
            (_, Event::NoNode) => self.over(Action::Refuse(Refusal::NoNode)),
            (_, Event::Unprotected) => {
                self.protection = Protection::None;
                self.over(Action::Refuse(Refusal::Lost))
            }
            (State::Opening, Event::Opened) if self.protection == Protection::Kept => self.replay(),
            (State::Opening, Event::Lost(_)) => self.give_up_on_node(),
            (State::Opening, Event::Answered(answer)) => match answer {
                Answer::Unauthorized => self.unauthorized(),
                Answer::Final => self.over(Action::Pass),
                // None of these is an answer to the question for a session: above all, a word of success
                // must not reach a client whose bytes are nowhere.
                Answer::Trouble
                | Answer::Accepted
                | Answer::Created
                | Answer::SessionUnknown
                | Answer::DigestInvalid => self.give_up_on_node(),
            },
            (State::Forwarding | State::Replaying | State::Committing, Event::Lost(sent)) => {
                self.lost(sent)
            }
            (State::Forwarding | State::Replaying | State::Committing, Event::Answered(answer)) => {
                self.answered(answer)
            }
            (State::Seeking, Event::Sought(sought)) => match sought {
                Sought::Found => self.over(Action::Acknowledge),
                Sought::Missing | Sought::Unknown => self.restart(),
            },
            (State::Hashing, Event::Hashed(hashed)) => match hashed {
                Hashed::Right => self.give_up_on_node(),
                Hashed::Wrong => self.over(Action::Pass),
            },
            (State::Seeking | State::Hashing, Event::Lost(_)) => self.restart(),
            // Whoever drives tells what does not belong here: nothing good can come of going on.
            (
                State::Opening
                | State::Forwarding
                | State::Replaying
                | State::Committing
                | State::Seeking
                | State::Hashing,
                Event::Opened | Event::Answered(_) | Event::Sought(_) | Event::Hashed(_),
            ) => self.over(Action::Refuse(Refusal::Lost)),
        }
    }

    /// Whether the request in flight ends in a commit.
    fn commits(&self) -> bool {
        match (self.state, self.step) {
            (State::Committing, _) => true,
            (State::Forwarding, step) => step != Step::Patch,
            (State::Replaying, Step::PutWhole { .. } | Step::Commit) => true,
            (State::Replaying, Step::Patch | Step::PutLast) => false,
            (State::Opening | State::Seeking | State::Hashing | State::Over, _) => false,
        }
    }

    fn lost(&mut self, sent: Sent) -> Action {
        self.last_word = Action::Refuse(Refusal::Lost);
        if self.commits() && sent == Sent::Wholly {
            self.seek()
        } else {
            self.restart()
        }
    }

    fn answered(&mut self, answer: Answer) -> Action {
        let commits = self.commits();
        match answer {
            Answer::Accepted if self.state == State::Replaying && self.step == Step::PutLast => {
                self.state = State::Committing;
                Action::Commit
            }
            Answer::Accepted if !commits => self.done(),
            Answer::Created if commits => self.done(),
            Answer::SessionUnknown => {
                self.unknown += 1;
                // A client that is told so can start again.
                self.last_word = Action::Pass;
                if self.unknown > UNKNOWN {
                    self.over(Action::Pass)
                } else if commits {
                    // An earlier commit of ours may have won.
                    self.seek()
                } else {
                    self.restart()
                }
            }
            Answer::DigestInvalid if !self.hashed && self.protection == Protection::Kept => {
                self.hashed = true;
                self.state = State::Hashing;
                Action::Hash
            }
            // Harbor answers 500 after the bytes were stored as well as before; and a success of the wrong
            // kind says nothing either.
            Answer::Trouble | Answer::Accepted | Answer::Created => self.lost(Sent::Wholly),
            Answer::Unauthorized => self.unauthorized(),
            Answer::DigestInvalid | Answer::Final => self.over(Action::Pass),
        }
    }

    /// A node that refuses what another has just accepted is the one that is wrong.
    fn unauthorized(&mut self) -> Action {
        self.refused += 1;
        let elsewhere = self.authorized && self.refused <= UNAUTHORIZED;
        if elsewhere && self.protection == Protection::Kept && self.attempts > 0 {
            self.give_up_on_node()
        } else {
            self.over(Action::Pass)
        }
    }

    fn seek(&mut self) -> Action {
        self.state = State::Seeking;
        Action::Seek
    }

    fn give_up_on_node(&mut self) -> Action {
        self.last_word = Action::Refuse(Refusal::Lost);
        self.restart()
    }

    fn restart(&mut self) -> Action {
        if self.protection == Protection::None || self.attempts == 0 {
            return self.over(self.last_word);
        }
        self.attempts -= 1;
        self.state = State::Opening;
        Action::Open
    }

    /// The client's request has been done, by its own node or by another.
    fn done(&mut self) -> Action {
        let own = self.state == State::Forwarding;
        self.over(if own {
            Action::Pass
        } else {
            Action::Acknowledge
        })
    }

    fn replay(&mut self) -> Action {
        self.state = State::Replaying;
        match self.step {
            Step::Patch | Step::PutLast => Action::ReplayPatch,
            Step::PutWhole { .. } | Step::Commit => Action::ReplayPut,
        }
    }

    fn over(&mut self, action: Action) -> Action {
        self.state = State::Over;
        action
    }
}

/// After a second unknown session on a fresh node, the client's own retry is the better one.
const UNKNOWN: u32 = 1;
/// A second node that refuses the same credentials is right.
const UNAUTHORIZED: u32 = 1;

#[cfg(test)]
mod tests;
