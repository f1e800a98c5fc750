//! What was found out about nodes beside their health, as operators read it on `/nodes`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::fleet::node::NodeId;

use super::labels::{Label as _, Misfit};

/// What is known of nodes that do not suit, or do not suit each other.
#[derive(Debug, Default)]
pub struct Findings(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    misfits: BTreeMap<NodeId, BTreeSet<&'static str>>,
    keys: Vec<SigningKey>,
}

/// A key that nodes sign tokens with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SigningKey {
    /// The beginning of a hash of its name.
    pub key: String,
    pub nodes: Vec<NodeId>,
}

impl Findings {
    /// A node does not suit. `true` when that was not known.
    pub fn misfit(&self, node: &NodeId, misfit: Misfit) -> bool {
        let mut found = self.lock();
        found
            .misfits
            .entry(node.clone())
            .or_default()
            .insert(misfit.as_str())
    }

    /// A node suits in this respect. `true` when it did not before.
    pub fn mended(&self, node: &NodeId, misfit: Misfit) -> bool {
        let mut found = self.lock();
        let known = found.misfits.get_mut(node);
        known.is_some_and(|known| known.remove(misfit.as_str()))
    }

    /// Nodes sign tokens with these keys.
    pub fn signing_keys(&self, keys: Vec<SigningKey>) {
        self.lock().keys = keys;
    }

    /// Everything about misfits is found anew.
    pub fn clear(&self) {
        self.lock().misfits.clear();
    }

    /// What does not suit about a node.
    pub fn of(&self, node: &NodeId) -> Vec<&'static str> {
        let found = self.lock();
        let misfits = found.misfits.get(node);
        misfits.into_iter().flatten().copied().collect()
    }

    /// The keys that nodes sign tokens with, as far as seen.
    pub fn keys(&self) -> Vec<SigningKey> {
        self.lock().keys.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misfit_and_its_end_are_each_new_once() {
        let (findings, node) = (Findings::default(), NodeId::parse("a").unwrap());
        assert!(!findings.mended(&node, Misfit::OwnRealm));
        assert!(findings.misfit(&node, Misfit::OwnRealm));
        assert!(!findings.misfit(&node, Misfit::OwnRealm));
        assert!(findings.misfit(&node, Misfit::UnknownSessions));
        assert_eq!(findings.of(&node), ["own_realm", "unknown_sessions"]);
        assert!(findings.mended(&node, Misfit::OwnRealm));
        assert_eq!(findings.of(&node), ["unknown_sessions"]);
        findings.clear();
        assert!(findings.misfit(&node, Misfit::UnknownSessions));
    }
}
