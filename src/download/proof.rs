//! Whether a blob that came from several nodes is the one that was asked for.
//!
//! Nodes are mixed when they name the same digest and the same size; only the bytes themselves tell whether both
//! spoke the truth. Nobody knows beforehand which pull will lose its node, so all whole ones are hashed from their
//! first byte on. A part of a blob has no digest, and proves nothing.

use ring::digest::{Context, SHA256};

use super::goal::{ClientRange, Goal};
use super::settings::Verify;
use crate::fleet::node::NodeId;
use crate::registry::digest::Digest;

/// The hash of a blob on its way to the client, and who gave the bytes.
#[derive(Clone)]
pub struct Proof {
    wanted: Digest,
    context: Context,
    givers: Vec<NodeId>,
}

/// What the bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proven {
    /// One node gave all of them: it is the client's to compare them, as without us.
    NotAsked,
    Right,
    /// Nodes have different bytes under one digest. The client must not take this for an answer.
    Wrong,
}

impl Proof {
    /// Begins to hash what a client pulls, if that is wanted and can prove anything.
    pub fn begin(goal: &Goal, verify: Verify) -> Option<Self> {
        let whole = goal.range == ClientRange::Whole && goal.digest.algorithm() == "sha256";
        match verify {
            Verify::Resumed if whole => Some(Self {
                wanted: goal.digest.clone(),
                context: Context::new(&SHA256),
                givers: Vec::new(),
            }),
            Verify::Resumed | Verify::Off => None,
        }
    }

    /// What follows comes from this node.
    pub fn from_now_on(&mut self, node: &NodeId) {
        if self.givers.last() != Some(node) {
            self.givers.push(node.clone());
        }
    }

    /// More bytes, in their order.
    pub fn update(&mut self, piece: &[u8]) {
        self.context.update(piece);
    }

    /// What the bytes say, with the `last` ones. Asked before those are passed, so that a client never gets all of
    /// something wrong.
    pub fn conclude(mut self, last: &[u8]) -> Proven {
        if self.givers.len() < 2 {
            return Proven::NotAsked;
        }
        self.context.update(last);
        let hash = self.context.finish();
        if self.wanted.encoded() == hex(hash.as_ref()) {
            Proven::Right
        } else {
            Proven::Wrong
        }
    }

    /// Who gave bytes, in their order.
    pub fn givers(&self) -> &[NodeId] {
        &self.givers
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proof")
            .field("wanted", &self.wanted)
            .field("givers", &self.givers)
            .finish_non_exhaustive()
    }
}

fn hex(hash: &[u8]) -> String {
    hash.iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::range::ByteRange;

    fn goal(digest: &str, range: ClientRange) -> Goal {
        let digest = Digest::parse(digest).unwrap();
        Goal { digest, range }
    }

    fn of(content: &[u8]) -> Proof {
        let hash = ring::digest::digest(&SHA256, content);
        let hex = hex(hash.as_ref());
        let goal = goal(&format!("sha256:{hex}"), ClientRange::Whole);
        Proof::begin(&goal, Verify::Resumed).unwrap()
    }

    fn from(proof: &mut Proof, node: &str, bytes: &[u8]) {
        proof.from_now_on(&NodeId::parse(node).unwrap());
        proof.update(bytes);
    }

    #[test]
    fn bytes_of_several_nodes_are_compared_with_the_digest() {
        for (rest, expected) in [("and last", Proven::Right), ("and lost", Proven::Wrong)] {
            let mut proof = of(b"first and last");
            from(&mut proof, "node-1", b"first ");
            from(&mut proof, "node-2", b"");
            let givers: Vec<&str> = proof.givers().iter().map(NodeId::as_str).collect();
            assert_eq!(givers, ["node-1", "node-2"]);
            assert_eq!(proof.conclude(rest.as_bytes()), expected);
        }
    }

    #[test]
    fn what_one_node_gave_is_its_own_word() {
        let mut proof = of(b"first and last");
        from(&mut proof, "node-1", b"some");
        from(&mut proof, "node-1", b"thing");
        assert_eq!(proof.conclude(b" else"), Proven::NotAsked);
    }

    #[test]
    fn only_a_whole_blob_by_its_sha256_can_be_proven() {
        let begun = |goal: &Goal, verify| Proof::begin(goal, verify).is_some();
        let digest = format!("sha256:{}", "0a".repeat(32));
        let whole = goal(&digest, ClientRange::Whole);
        assert!(begun(&whole, Verify::Resumed) && !begun(&whole, Verify::Off));
        let part = ClientRange::One(ByteRange::From { first: 0 });
        for range in [part, ClientRange::Opaque] {
            assert!(!begun(&goal(&digest, range), Verify::Resumed), "{range:?}");
        }
        let longer = format!("sha512:{}", "0a".repeat(64));
        let longer = goal(&longer, ClientRange::Whole);
        assert!(!begun(&longer, Verify::Resumed));
    }
}
