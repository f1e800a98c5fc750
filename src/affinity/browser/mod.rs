//! Sessions of browsers, and the node that knows each of them.
//!
//! A session is known by a keyed hash of its cookie, its *mark*: the cookie itself is never kept, never sent
//! anywhere but to nodes, and never logged. The key is derived from those that seal upload tokens, so that all
//! instances know a session by the same mark.

mod circle;
mod cookie;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::fleet::node::NodeId;
use crate::fleet::view::Rank;

use super::sliding::Sliding;
use super::token::Key;

use self::circle::Circle;

pub use self::circle::{Division, Tie};
pub use self::cookie::{Given, given, read, value};

/// What the browser's session is known by: a keyed hash of its cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(u128);

impl Mark {
    /// What draws the session to a node while nothing is known of it.
    pub fn draw(self) -> u64 {
        u64::try_from(self.0 >> 64).unwrap_or_default()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Makes marks, and the cookie by which another instance knows where a session lives. `Debug` never shows the
/// keys.
pub struct Marker {
    newest: MarkKey,
    older: Vec<MarkKey>,
}

struct MarkKey {
    mark: hmac::Key,
    holder: hmac::Key,
}

impl MarkKey {
    /// The listed key is never used itself: what is derived here is good for sessions of browsers only.
    fn new(key: &Key) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
        let derived = |what: &[u8]| {
            let derived = hmac::sign(&root, what);
            hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
        };
        Self {
            mark: derived(b"pilotage ui session 1: mark"),
            holder: derived(b"pilotage ui session 1: holder"),
        }
    }

    fn mark(&self, cookie: &[u8]) -> Mark {
        let tag = hmac::sign(&self.mark, cookie);
        let bytes = tag.as_ref().first_chunk().copied();
        Mark(u128::from_be_bytes(
            bytes.expect("a SHA-256 value is longer than a mark"),
        ))
    }

    fn holding(&self, cookie: &[u8], node: &NodeId) -> Vec<u8> {
        let mark = self.mark(cookie);
        [&mark.0.to_be_bytes(), node.as_str().as_bytes()].concat()
    }
}

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Marker")
    }
}

impl Marker {
    /// Takes the keys, newest first; `None` without any.
    pub fn new(keys: &[Key]) -> Option<Self> {
        let mut keys = keys.iter().map(MarkKey::new);
        Some(Self {
            newest: keys.next()?,
            older: keys.collect(),
        })
    }

    /// The mark under which a session is noted.
    pub fn mark(&self, cookie: &[u8]) -> Mark {
        self.newest.mark(cookie)
    }

    /// All marks under which an instance may have noted the session, the newest first.
    pub fn marks(&self, cookie: &[u8]) -> impl Iterator<Item = Mark> {
        self.keys().map(|key| key.mark(cookie))
    }

    /// The value of our own cookie: proves to every instance that `node` made this session, and says nothing to
    /// anybody else.
    pub fn holder(&self, cookie: &[u8], node: &NodeId) -> String {
        let content = self.newest.holding(cookie, node);
        let tag = hmac::sign(&self.newest.holder, &content);
        URL_SAFE_NO_PAD.encode(tag.as_ref())
    }

    /// The one of `nodes` that such a value was made for.
    pub fn held_by<'n>(
        &self,
        cookie: &[u8],
        own: &[u8],
        mut nodes: impl Iterator<Item = &'n NodeId>,
    ) -> Option<NodeId> {
        if own.len() != OWN_LENGTH {
            return None;
        }
        let tag = URL_SAFE_NO_PAD.decode(own).ok()?;
        let made_for = |node: &&NodeId| {
            self.keys().any(|key| {
                let content = key.holding(cookie, node);
                hmac::verify(&key.holder, &content, &tag).is_ok()
            })
        };
        nodes.find(made_for).cloned()
    }

    fn keys(&self) -> impl Iterator<Item = &MarkKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

/// Where a session lives.
#[derive(Debug, Clone)]
struct Home {
    node: NodeId,
    /// When other instances were told last.
    told: Instant,
}

/// What was known of a session before it was noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    pub before: Option<NodeId>,
    pub news: News,
}

/// Whether other instances are to be told of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It is new or has moved, or they were told long ago.
    Tell,
    /// They were told just now.
    Old,
}

/// A bounded table of sessions: which node knows each of them, as far as this instance has seen.
#[derive(Debug)]
pub struct Sessions {
    homes: Mutex<Sliding<Mark, Home>>,
    circle: Mutex<Circle>,
}

impl Sessions {
    /// A table for some 130,000 sessions, each remembered for `lifetime` after its last use.
    pub fn new(lifetime: Duration) -> Self {
        Self {
            homes: Mutex::new(Sliding::new(lifetime, MOST_SESSIONS)),
            circle: Mutex::default(),
        }
    }

    /// The node of a session that has one of these marks.
    pub fn find(&self, mut marks: impl Iterator<Item = Mark>, now: Instant) -> Option<NodeId> {
        let mut table = self.lock();
        marks.find_map(|mark| table.find(mark, now).map(|home| home.node))
    }

    /// The session lives on `node`.
    pub fn note(&self, mark: Mark, node: &NodeId, now: Instant) -> Noted {
        let mut table = self.lock();
        let before = table.take(mark, now);
        let told = before.as_ref().filter(|home| {
            home.node == *node && now.saturating_duration_since(home.told) < TELL_AGAIN
        });
        let news = told.map_or(News::Tell, |_| News::Old);
        let told = told.map_or(now, |home| home.told);
        let node = node.clone();
        table.note(mark, Home { node, told }, now);
        Noted {
            before: before.map(|home| home.node),
            news,
        }
    }

    /// The session is over.
    pub fn forget(&self, marks: impl Iterator<Item = Mark>, now: Instant) {
        let mut table = self.lock();
        for mark in marks {
            table.take(mark, now);
        }
    }

    /// Sessions that are remembered, the last ones of which may have expired.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// It was seen whether `one` knows a session that `other` made.
    pub fn saw(&self, one: &NodeId, other: &NodeId, tie: Tie) -> Option<Division> {
        let mut circle = self.circle.lock().unwrap_or_else(PoisonError::into_inner);
        circle.saw(one, other, tie)
    }

    /// The nodes have changed: which of them know each other's sessions is found out anew.
    pub fn reconsider(&self) {
        let mut circle = self.circle.lock().unwrap_or_else(PoisonError::into_inner);
        circle.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Sliding<Mark, Home>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a session does not stay on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The node is no longer configured.
    Gone,
    Draining,
    Down,
}

/// Whether a session stays on its node, by what the node is worth for such requests.
pub fn stays(rank: Option<Rank>) -> Result<(), Leaving> {
    match rank {
        Some(Rank::Up | Rank::Suspect) => Ok(()),
        Some(Rank::Draining) => Err(Leaving::Draining),
        Some(Rank::Down) => Err(Leaving::Down),
        None => Err(Leaving::Gone),
    }
}

/// How often other instances hear of a session that is used: a Redis that lost it knows it again soon.
const TELL_AGAIN: Duration = Duration::from_mins(1);
/// More browsers than any Harbor serves at one time; some 15 MiB at most.
const MOST_SESSIONS: usize = 131_072;
/// A SHA-256 value in base64.
const OWN_LENGTH: usize = 43;

#[cfg(test)]
mod tests;
