//! The decisions of one request of a push, when nodes answer, fail and are replaced.
//!
//! One machine carries one request of the client: a PATCH, a PUT with a body, or the empty PUT that commits. It is
//! told what happened and says what to do next; bytes, time and nodes are somebody else's.
//!
//! The one rule behind all others: a node session that may have taken part of a body is never written again.
//! Whoever takes over gets a new session and everything from the first byte, so no two nodes ever write one
//! session, and what a node books as the size of a blob stays right.

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

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send the client's request as it is, to the session as it is.
    Forward,
    /// Open a session on a node that has not failed this request.
    Open,
    /// PATCH everything from the first byte to the new session.
    ReplayPatch,
    /// PUT everything from the first byte, with its length, to the new session.
    ReplayPut,
    /// Commit the new session with an empty PUT.
    Commit,
    /// Ask for the blob by its digest.
    Seek,
    /// Hash what is kept.
    Hash,
    /// Give the client the node's answer.
    Pass,
    /// Tell the client that its bytes are stored, or its blob is, in our own words.
    Acknowledge,
    /// Tell the client that it failed.
    Refuse(Refusal),
}

/// Why a request of a push fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The node was lost and the bytes are not kept, or the tries are used up.
    Lost,
    /// No node was up for as long as we were willing to wait.
    NoNode,
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
        };
        let action = match session {
            Session::Clean => Action::Forward,
            Session::Spent => this.restart(Refusal::Lost),
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
            (State::Opening, Event::Opened) => self.replay(),
            (State::Opening, Event::Lost(_)) => self.restart(Refusal::Lost),
            (State::Opening, Event::Answered(answer)) => match answer {
                Answer::Trouble => self.restart(Refusal::Lost),
                Answer::Unauthorized => self.unauthorized(),
                Answer::Accepted
                | Answer::Created
                | Answer::SessionUnknown
                | Answer::DigestInvalid
                | Answer::Final => self.over(Action::Pass),
            },
            (State::Forwarding | State::Replaying | State::Committing, Event::Lost(sent)) => {
                self.lost(sent)
            }
            (State::Forwarding | State::Replaying | State::Committing, Event::Answered(answer)) => {
                self.answered(answer)
            }
            (State::Seeking, Event::Sought(sought)) => match sought {
                Sought::Found => self.over(Action::Acknowledge),
                Sought::Missing | Sought::Unknown => self.restart(Refusal::Lost),
            },
            (State::Hashing, Event::Hashed(hashed)) => match hashed {
                Hashed::Right => self.restart(Refusal::Lost),
                Hashed::Wrong => self.over(Action::Pass),
            },
            (State::Seeking | State::Hashing, Event::Lost(_)) => self.restart(Refusal::Lost),
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
        if self.commits() && sent == Sent::Wholly {
            self.seek()
        } else {
            self.restart(Refusal::Lost)
        }
    }

    fn answered(&mut self, answer: Answer) -> Action {
        let commits = self.commits();
        match answer {
            Answer::Accepted if self.state == State::Replaying && self.step == Step::PutLast => {
                self.state = State::Committing;
                Action::Commit
            }
            Answer::Accepted | Answer::Created => {
                let own = self.state == State::Forwarding;
                self.over(if own {
                    Action::Pass
                } else {
                    Action::Acknowledge
                })
            }
            Answer::SessionUnknown => {
                self.unknown += 1;
                if self.unknown > UNKNOWN || self.protection == Protection::None {
                    // The client can start again: it understands this answer.
                    self.over(Action::Pass)
                } else if commits {
                    // An earlier commit of ours may have won.
                    self.seek()
                } else {
                    self.restart(Refusal::Lost)
                }
            }
            Answer::DigestInvalid if !self.hashed && self.protection == Protection::Kept => {
                self.hashed = true;
                self.state = State::Hashing;
                Action::Hash
            }
            // Harbor answers 500 after the bytes were stored as well as before.
            Answer::Trouble if commits => self.seek(),
            Answer::Trouble => self.restart(Refusal::Lost),
            Answer::Unauthorized => self.unauthorized(),
            Answer::DigestInvalid | Answer::Final => self.over(Action::Pass),
        }
    }

    /// A node that refuses what another has just accepted is the one that is wrong.
    fn unauthorized(&mut self) -> Action {
        self.refused += 1;
        let elsewhere = self.authorized && self.refused <= UNAUTHORIZED;
        if elsewhere && self.protection == Protection::Kept && self.attempts > 0 {
            self.restart(Refusal::Lost)
        } else {
            self.over(Action::Pass)
        }
    }

    fn seek(&mut self) -> Action {
        self.state = State::Seeking;
        Action::Seek
    }

    fn restart(&mut self, refusal: Refusal) -> Action {
        if self.protection == Protection::None || self.attempts == 0 {
            return self.over(Action::Refuse(refusal));
        }
        self.attempts -= 1;
        self.state = State::Opening;
        Action::Open
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

impl Action {
    fn is_last(self) -> bool {
        match self {
            Self::Pass | Self::Acknowledge | Self::Refuse(_) => true,
            Self::Forward
            | Self::Open
            | Self::ReplayPatch
            | Self::ReplayPut
            | Self::Commit
            | Self::Seek
            | Self::Hash => false,
        }
    }

    fn needs_kept_bytes(self) -> bool {
        matches!(
            self,
            Self::Open | Self::ReplayPatch | Self::ReplayPut | Self::Hash
        )
    }
}

/// After a second unknown session on a fresh node, the client's own retry is the better one.
const UNKNOWN: u32 = 1;
/// A second node that refuses the same credentials is right.
const UNAUTHORIZED: u32 = 1;
