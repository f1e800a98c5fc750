//! Which node signs tokens with which key, so that a token reaches a node that accepts it.
//!
//! Nodes of one cluster should all sign with one key; then nothing here has an effect. Where they do not, a token
//! of one node is refused by the next, and what was learnt here says whom to ask instead. Tokens are looked at,
//! never checked, kept or shown: what is kept is a hash of the name of the key.

mod peek;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::fleet::node::NodeId;

use super::sliding::Sliding;

pub use self::peek::{KeyName, Peek};

/// A key by a hash of its name; of a token whose key has none, the hash of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u128);

/// The beginning is enough to tell the keys of one cluster apart.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:032x}", self.0);
        f.write_str(text.get(..8).unwrap_or_default())
    }
}

/// Something about the keys of the nodes is no longer as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nodes sign with different keys.
    Differ,
    /// All sign with the same key again.
    Agree,
    /// A node showed a key for the first time, and it makes no difference.
    Seen,
}

/// Who should be asked about a token that a node refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opinion {
    /// Nobody: the refusal is about the token itself.
    None,
    /// One of these, who accept its key.
    Of(Vec<NodeId>),
    /// Any other: nothing is known of its key.
    OfAnyone,
}

/// What is known of keys.
#[derive(Debug)]
pub struct Issuers {
    differ: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The key of each node's last token.
    signs: BTreeMap<NodeId, KeyId>,
    /// Who took, or handed out, a token whose key no node is known to sign with.
    takes: Sliding<KeyId, NodeId>,
    /// Who refused a token with this key that another node took.
    refuses: Sliding<KeyId, BTreeSet<NodeId>>,
    /// Keys that were refused by two nodes just now: their tokens are at fault.
    refused: Sliding<KeyId, ()>,
    /// A token that the first of these took and the second refused.
    proof: Option<(NodeId, NodeId)>,
}

impl Default for Issuers {
    fn default() -> Self {
        Self {
            differ: AtomicBool::new(false),
            state: Mutex::new(State {
                signs: BTreeMap::new(),
                takes: Sliding::new(TOKEN_LIFETIME, MOST_KEYS),
                refuses: Sliding::new(TOKEN_LIFETIME, MOST_KEYS),
                refused: Sliding::new(REST, MOST_KEYS),
                proof: None,
            }),
        }
    }
}

impl Issuers {
    /// Whether nodes are known to sign with different keys. Cheap: asked for every request.
    pub fn differ(&self) -> bool {
        self.differ.load(Ordering::Relaxed)
    }

    /// `node` handed out this token.
    pub fn issued(&self, node: &NodeId, token: Peek, now: Instant) -> Option<Change> {
        let mut state = self.lock();
        match token.name {
            KeyName::Told => {
                if state.signs.insert(node.clone(), token.key) == Some(token.key) {
                    return None;
                }
                state.forget_trials();
                state.refused.clear();
            }
            KeyName::Untold => {
                state.takes.note(token.key, node.clone(), now);
                return None;
            }
        }
        self.settle(&state).or(Some(Change::Seen))
    }

    /// `node` took a token that `refuser` had refused.
    pub fn taken(
        &self,
        key: KeyId,
        node: &NodeId,
        refuser: &NodeId,
        now: Instant,
    ) -> Option<Change> {
        let mut state = self.lock();
        state.takes.note(key, node.clone(), now);
        let mut refusers = state.refuses.take(key, now).unwrap_or_default();
        refusers.remove(node);
        refusers.insert(refuser.clone());
        state.refuses.note(key, refusers, now);
        state.proof = Some((node.clone(), refuser.clone()));
        self.settle(&state)
    }

    /// A second node refused a token with this key as well.
    pub fn refused_twice(&self, key: KeyId, now: Instant) {
        self.lock().refused.note(key, (), now);
    }

    /// The nodes that are known to accept tokens with this key.
    pub fn acceptors(&self, key: KeyId, now: Instant) -> Vec<NodeId> {
        self.lock().acceptors(key, now)
    }

    /// The nodes that refused a token with this key which another node took.
    pub fn refusers(&self, key: KeyId, now: Instant) -> BTreeSet<NodeId> {
        self.lock().refuses.find(key, now).unwrap_or_default()
    }

    /// Who should be asked about a token that `refuser` refused. `seconds` are those since 1970.
    pub fn opinion(&self, token: Peek, refuser: &NodeId, seconds: u64, now: Instant) -> Opinion {
        if token.expires.is_some_and(|expires| expires < seconds) {
            return Opinion::None;
        }
        let mut state = self.lock();
        let acceptors = state.acceptors(token.key, now);
        if acceptors.contains(refuser) || state.refused.find(token.key, now).is_some() {
            Opinion::None
        } else if acceptors.is_empty() {
            Opinion::OfAnyone
        } else {
            Opinion::Of(acceptors)
        }
    }

    /// Forgets nodes that are not among these.
    pub fn retain(&self, nodes: &[NodeId]) -> Option<Change> {
        let mut state = self.lock();
        state.signs.retain(|node, _| nodes.contains(node));
        state.forget_trials();
        self.settle(&state)
    }

    /// The keys that nodes are known to sign with, each with its nodes.
    pub fn keys(&self) -> Vec<(KeyId, Vec<NodeId>)> {
        self.lock().keys()
    }

    /// Nodes by the keys they sign with; where that is not known, the two of whom one refused what the other took.
    pub fn groups(&self) -> Vec<Vec<NodeId>> {
        self.lock().groups()
    }

    fn settle(&self, state: &State) -> Option<Change> {
        let differ = state.groups().len() > 1;
        let before = self.differ.swap(differ, Ordering::Relaxed);
        match (before, differ) {
            (false, true) => Some(Change::Differ),
            (true, false) => Some(Change::Agree),
            (true, true) | (false, false) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn acceptors(&mut self, key: KeyId, now: Instant) -> Vec<NodeId> {
        let signers = self.signs.iter().filter(|(_, signs)| **signs == key);
        let signers: BTreeSet<_> = signers.map(|(node, _)| node.clone()).collect();
        let takers = self.takes.find(key, now);
        signers.into_iter().chain(takers).collect()
    }

    fn keys(&self) -> Vec<(KeyId, Vec<NodeId>)> {
        let mut keys: BTreeMap<KeyId, Vec<NodeId>> = BTreeMap::new();
        for (node, key) in &self.signs {
            keys.entry(*key).or_default().push(node.clone());
        }
        keys.into_iter().collect()
    }

    fn groups(&self) -> Vec<Vec<NodeId>> {
        let groups: Vec<_> = self.keys().into_iter().map(|(_, nodes)| nodes).collect();
        match &self.proof {
            Some((taker, refuser)) if groups.len() < 2 => {
                vec![vec![taker.clone()], vec![refuser.clone()]]
            }
            Some(_) | None => groups,
        }
    }

    /// What trials told may be no longer true.
    fn forget_trials(&mut self) {
        self.takes.clear();
        self.refuses.clear();
        self.drop_proof();
    }

    /// A trial tells no more when both nodes have shown their keys since.
    fn drop_proof(&mut self) {
        self.proof = self.proof.take().filter(|(taker, refuser)| {
            !(self.signs.contains_key(taker) && self.signs.contains_key(refuser))
        });
    }
}

/// Longer than registries let a token live.
const TOKEN_LIFETIME: Duration = Duration::from_hours(2);
/// How long tokens of a key that two nodes refused are not tried anew.
const REST: Duration = Duration::from_secs(30);
/// Keys, or tokens whose key has no name.
const MOST_KEYS: usize = 16_384;

#[cfg(test)]
mod tests;
