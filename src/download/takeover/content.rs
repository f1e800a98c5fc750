//! The bytes a client was promised: which they are, how far they have come, and which answers go on with them.

use http::StatusCode;

use super::super::facts::{Facts, Shape, Tag};
use super::super::goal::{ClientRange, Goal};
use crate::registry::range::ContentRange;

/// What the first answer promised, and how much of it the client has.
///
/// All offsets count from the start of the blob: `first <= next <= end <= total`.
#[derive(Debug)]
pub(super) struct Content {
    first: u64,
    /// The byte to be passed next.
    next: u64,
    /// One beyond the last byte that was promised.
    end: u64,
    /// The size of the whole blob.
    total: u64,
    digest: Option<Tag>,
    entity_tag: Option<Tag>,
}

/// What a first answer is.
#[derive(Debug)]
pub(super) enum Opening {
    /// Bytes that another node can go on with.
    Promise(Content),
    /// An answer for the client that no other node could go on with.
    Alien,
    /// The node failed, but its words are better than none.
    Doubtful,
    /// It contradicts the question; a client could take it for what it is not.
    Contradiction,
}

/// What an answer to an ask for the rest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// The rest, after so many bytes that the client has already.
    Bytes {
        skip: u64,
    },
    Redirect,
    Unfit,
}

/// Who gave an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Node,
    /// The storage that a node redirects to; it has entity tags of its own making.
    Storage,
}

impl Opening {
    pub(super) fn judge(goal: &Goal, facts: &Facts) -> Self {
        if facts.status.is_server_error() {
            return Self::Doubtful;
        }
        let partial = match facts.status {
            StatusCode::OK => false,
            StatusCode::PARTIAL_CONTENT => true,
            _ => return Self::Alien,
        };
        match facts.shape {
            _ if facts.denies(&goal.digest) => Self::Contradiction,
            Shape::Page => Self::Doubtful,
            Shape::Encoded => Self::Alien,
            Shape::Plain if partial => Self::of_part(goal, facts),
            Shape::Plain => match (goal.range, facts.content_length) {
                (ClientRange::Whole | ClientRange::One(_), Some(total)) => {
                    Self::Promise(Content::new(facts, 0, total, total))
                }
                (ClientRange::Opaque, _) | (_, None) => Self::Alien,
            },
        }
    }

    fn of_part(goal: &Goal, facts: &Facts) -> Self {
        let wanted = match goal.range {
            ClientRange::Opaque => return Self::Alien,
            ClientRange::Whole => return Self::Contradiction,
            ClientRange::One(range) => range,
        };
        let Some(ContentRange::Part { first, last, total }) = facts.content_range else {
            return Self::Contradiction;
        };
        // Where the blob ends is not said, so nobody can tell whether another node has the same.
        let Some(total) = total else {
            return Self::Alien;
        };
        if wanted.resolve(total) != Some(first..=last) {
            return Self::Contradiction;
        }
        let end = last.saturating_add(1);
        if facts.content_length.is_some_and(|told| told != end - first) {
            return Self::Contradiction;
        }
        Self::Promise(Content::new(facts, first, end, total))
    }
}

impl Content {
    fn new(facts: &Facts, first: u64, end: u64, total: u64) -> Self {
        Self {
            first,
            next: first,
            end,
            total,
            digest: facts.digest.clone(),
            entity_tag: facts.entity_tag.clone(),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.end - self.first
    }

    pub(super) fn passed(&self) -> u64 {
        self.next - self.first
    }

    pub(super) fn left(&self) -> u64 {
        self.end - self.next
    }

    /// The first and the last byte that are still to come.
    pub(super) fn rest(&self) -> Option<(u64, u64)> {
        let last = self.end.checked_sub(1)?;
        (self.next <= last).then_some((self.next, last))
    }

    /// Takes up to so many bytes as passed, and says how many that are: never more than are left.
    pub(super) fn take(&mut self, offered: u64) -> u64 {
        let taken = offered.min(self.left());
        self.next += taken;
        taken
    }

    /// Whether an answer is the rest: of the same blob, by everything that both say, and from the right byte.
    pub(super) fn judge(&self, goal: &Goal, facts: &Facts, origin: Origin) -> Rest {
        if is_redirect(facts.status) {
            return Rest::Redirect;
        }
        if facts.shape != Shape::Plain || self.differs(goal, facts, origin) {
            return Rest::Unfit;
        }
        match facts.status {
            StatusCode::OK if facts.content_length == Some(self.total) => {
                Rest::Bytes { skip: self.next }
            }
            StatusCode::PARTIAL_CONTENT if self.is_rest(facts) => Rest::Bytes { skip: 0 },
            _ => Rest::Unfit,
        }
    }

    /// Learns the names that earlier answers left out, so that later ones are held to them.
    pub(super) fn learn(&mut self, facts: &Facts, origin: Origin) {
        let Facts {
            digest, entity_tag, ..
        } = facts;
        self.digest = self.digest.take().or_else(|| digest.clone());
        if origin == Origin::Node {
            self.entity_tag = self.entity_tag.take().or_else(|| entity_tag.clone());
        }
    }

    fn differs(&self, goal: &Goal, facts: &Facts, origin: Origin) -> bool {
        facts.denies(&goal.digest)
            || both_differ(self.digest.as_ref(), facts.digest.as_ref())
            || origin == Origin::Node
                && both_differ(self.entity_tag.as_ref(), facts.entity_tag.as_ref())
    }

    fn is_rest(&self, facts: &Facts) -> bool {
        let Some((first, last)) = self.rest() else {
            return false;
        };
        let total = Some(self.total);
        let told = facts.content_length;
        facts.content_range == Some(ContentRange::Part { first, last, total })
            && told.is_none_or(|told| told == self.left())
    }

    pub(super) fn is_sound(&self) -> bool {
        self.first <= self.next && self.next <= self.end && self.end <= self.total
    }
}

/// A name that is missing contradicts nothing.
fn both_differ(known: Option<&Tag>, told: Option<&Tag>) -> bool {
    known.zip(told).is_some_and(|(known, told)| known != told)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
