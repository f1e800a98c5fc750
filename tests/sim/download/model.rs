//! The model: it knows which bytes are which, and so what the machine has to do.

use http::StatusCode;
use pilotage::download::takeover::{Action, AskRange, Event, Lost, RelayLength};

use super::answer::{Answer, Worth};
use crate::world::Blob;

/// What a download has come to.
#[derive(Debug)]
pub(super) struct Model {
    /// The client asked for what nobody could continue.
    pub(super) opaque: bool,
    pub(super) attempts: u32,
    pub(super) asks: u32,
    pub(super) redirects: u32,
    pub(super) began: Began,
    pub(super) lost: Option<Lost>,
}

/// What the client was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Began {
    Nothing,
    /// Bytes of a blob, from the first to before the end; `next` comes next.
    Bytes {
        blob: Blob,
        first: u64,
        next: u64,
        end: u64,
    },
    /// An answer as it was, with so many bytes to come if that is known.
    Relay {
        status: StatusCode,
        left: Option<u64>,
    },
}

impl Model {
    /// What the machine has to do now. Bytes come from a place in the blob of the answer.
    pub(super) fn expect(&mut self, event: &Event, answer: &Answer, place: u64) -> Action {
        match (event, self.began) {
            (Event::ClientLeft, _) => Action::Leave,
            (Event::Opened(_), Began::Nothing) => self.first(answer),
            (Event::Opened(_), Began::Bytes { .. }) => self.resume(answer),
            (Event::Bytes(count), Began::Bytes { .. }) => self.pass(*count, place),
            (Event::Bytes(count), Began::Relay { left, .. }) => self.relay(*count, left),
            (Event::Ended, Began::Relay { left: None, .. }) => finish(0, 0),
            (Event::Ended, began) => self.lose(Lost::Broken, began),
            (Event::Failed(lost), began) => self.lose(*lost, began),
            (Event::Opened(_), Began::Relay { .. }) | (Event::Bytes(_), Began::Nothing) => {
                panic!("the world sends {event:?} out of turn")
            }
        }
    }

    fn first(&mut self, answer: &Answer) -> Action {
        let facts = answer.facts.as_ref().unwrap();
        let worth = match answer.worth {
            Worth::Bytes if self.opaque => Worth::Alien,
            worth => worth,
        };
        match worth {
            Worth::Bytes => {
                let blob = answer.blob.unwrap();
                let first = answer.start;
                let end = first + answer.length;
                let next = first;
                self.began = Began::Bytes {
                    blob,
                    first,
                    next,
                    end,
                };
                Action::Start {
                    length: end - first,
                }
            }
            Worth::Poison => self.lose(Lost::BadAnswer, Began::Nothing),
            Worth::Doubtful if self.asks < self.attempts => {
                self.lose(Lost::BadAnswer, Began::Nothing)
            }
            Worth::Alien | Worth::Doubtful => {
                let status = facts.status;
                let (length, left) = match status.as_u16() {
                    416 => (RelayLength::Untold, None),
                    304 => (RelayLength::AsTold, Some(0)),
                    _ => (RelayLength::AsTold, facts.content_length),
                };
                self.began = Began::Relay { status, left };
                Action::Relay { length }
            }
        }
    }

    fn resume(&mut self, answer: &Answer) -> Action {
        let Began::Bytes { blob, .. } = self.began else {
            panic!("nothing to resume")
        };
        if answer.next.is_some() && self.redirects < 5 {
            self.redirects += 1;
            let range = self.rest();
            return Action::Follow { range };
        }
        if answer.worth == Worth::Bytes && answer.blob == Some(blob) {
            return Action::Resume;
        }
        self.lose(Lost::BadAnswer, self.began)
    }

    /// Of the bytes that come, those that the client still wants.
    fn pass(&mut self, count: u64, place: u64) -> Action {
        let Began::Bytes { next, end, .. } = &mut self.began else {
            panic!("no bytes began")
        };
        let skip = next.saturating_sub(place).min(count);
        let take = (place + count).min(*end).saturating_sub(place + skip);
        *next += take;
        if *next == *end {
            return finish(skip, take);
        }
        Action::Pass { skip, take }
    }

    fn relay(&mut self, count: u64, left: Option<u64>) -> Action {
        let take = left.map_or(count, |left| left.min(count));
        if let Began::Relay {
            left: Some(left), ..
        } = &mut self.began
        {
            *left -= take;
            if *left == 0 {
                return finish(0, take);
            }
        }
        Action::Pass { skip: 0, take }
    }

    fn lose(&mut self, lost: Lost, began: Began) -> Action {
        match began {
            Began::Bytes { next, end, .. } if next == end => return finish(0, 0),
            Began::Relay { left: Some(0), .. } => return finish(0, 0),
            Began::Relay { status, .. } if status == 416 && lost == Lost::Broken => {
                return finish(0, 0);
            }
            Began::Relay { .. } => return Action::Cut(lost),
            Began::Bytes { .. } | Began::Nothing => (),
        }
        if lost != Lost::NoNode {
            self.lost = Some(lost);
            if self.asks < self.attempts {
                self.asks += 1;
                self.redirects = 0;
                let range = self.rest();
                return Action::Ask { range };
            }
        }
        let lost = self.lost.unwrap_or(lost);
        if began == Began::Nothing {
            return Action::Refuse(lost);
        }
        Action::Cut(lost)
    }

    fn rest(&self) -> AskRange {
        match self.began {
            Began::Bytes { next, end, .. } => AskRange::From {
                first: next,
                last: end - 1,
            },
            Began::Nothing | Began::Relay { .. } => AskRange::AsClient,
        }
    }
}

fn finish(skip: u64, take: u64) -> Action {
    Action::Finish { skip, take }
}
