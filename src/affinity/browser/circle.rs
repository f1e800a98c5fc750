//! Which nodes know each other's sessions, as far as seen.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::node::NodeId;

/// What was seen of pairs of nodes. Each pair is as it was seen last.
#[derive(Debug, Default)]
pub(super) struct Circle {
    pairs: BTreeMap<(NodeId, NodeId), Tie>,
    told: Option<Vec<Vec<NodeId>>>,
}

/// Whether two nodes know each other's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    Shared,
    Strange,
}

/// What an operator has not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Division {
    /// Nodes of different groups do not know each other's sessions; the largest group comes first.
    Between(Vec<Vec<NodeId>>),
    /// Nobody is a stranger any more.
    Over,
}

impl Circle {
    /// Takes in what was seen of two nodes, and says what it changed.
    pub(super) fn saw(&mut self, one: &NodeId, other: &NodeId, tie: Tie) -> Option<Division> {
        if one == other {
            return None;
        }
        let (low, high) = (one.min(other).clone(), one.max(other).clone());
        if self.pairs.insert((low, high), tie) == Some(tie) {
            return None;
        }
        let divided = self.pairs.values().any(|tie| *tie == Tie::Strange);
        let groups = divided.then(|| self.groups());
        if self.told == groups {
            return None;
        }
        self.told.clone_from(&groups);
        Some(groups.map_or(Division::Over, Division::Between))
    }

    /// Nodes that are gone are no strangers.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
        self.told = None;
    }

    fn groups(&self) -> Vec<Vec<NodeId>> {
        let mut groups: Vec<BTreeSet<NodeId>> = Vec::new();
        for ((one, other), tie) in &self.pairs {
            let both = [one, other];
            let known = |group: &BTreeSet<NodeId>| both.iter().any(|node| group.contains(*node));
            match tie {
                Tie::Shared => {
                    let (merged, mut apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(known);
                    let mut merged: BTreeSet<_> = merged.into_iter().flatten().collect();
                    merged.extend(both.map(NodeId::clone));
                    apart.push(merged);
                    groups = apart;
                }
                Tie::Strange => {
                    for node in both {
                        if !groups.iter().any(|group| group.contains(node)) {
                            groups.push(BTreeSet::from([node.clone()]));
                        }
                    }
                }
            }
        }
        let mut groups: Vec<Vec<_>> = groups
            .into_iter()
            .map(|group| group.into_iter().collect())
            .collect();
        groups.sort_by(|a: &Vec<_>, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        groups
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::parse(name).unwrap()
    }

    fn between(groups: &[&[&str]]) -> Division {
        let group = |names: &&[&str]| names.iter().map(|name| node(name)).collect();
        Division::Between(groups.iter().map(group).collect())
    }

    #[test]
    fn a_stranger_is_told_once_and_the_groups_as_they_become_clear() {
        let mut circle = Circle::default();
        let mut saw = |one, other, tie| circle.saw(&node(one), &node(other), tie);
        assert_eq!(saw("a", "a", Tie::Strange), None);
        assert_eq!(
            saw("a", "c", Tie::Strange),
            Some(between(&[&["a"], &["c"]]))
        );
        assert_eq!(saw("c", "a", Tie::Strange), None);
        assert_eq!(
            saw("b", "a", Tie::Shared),
            Some(between(&[&["a", "b"], &["c"]]))
        );
        assert_eq!(saw("b", "c", Tie::Strange), None);
        assert_eq!(saw("a", "b", Tie::Shared), None);
        assert_eq!(
            saw("c", "b", Tie::Shared),
            Some(between(&[&["a", "b", "c"]]))
        );
        assert_eq!(saw("a", "c", Tie::Shared), Some(Division::Over));
    }

    #[test]
    fn nodes_that_share_are_never_spoken_of() {
        let mut circle = Circle::default();
        for (one, other) in [("a", "b"), ("b", "c"), ("a", "c"), ("c", "a")] {
            assert_eq!(circle.saw(&node(one), &node(other), Tie::Shared), None);
        }
    }

    proptest! {
        #[test]
        fn every_node_is_in_one_group_and_those_who_share_are_in_the_same(
            steps in vec((0..5_u8, 0..5_u8, any::<bool>()), 1..40),
        ) {
            let mut circle = Circle::default();
            for (one, other, shared) in steps {
                let tie = if shared { Tie::Shared } else { Tie::Strange };
                let (one, other) = (node(&format!("n{one}")), node(&format!("n{other}")));
                circle.saw(&one, &other, tie);
                let groups = circle.groups();
                let all: Vec<_> = groups.iter().flatten().collect();
                let distinct: BTreeSet<_> = all.iter().collect();
                prop_assert_eq!(all.len(), distinct.len());
                for ((one, other), tie) in &circle.pairs {
                    let place = |node| groups.iter().position(|group| group.contains(node)).unwrap();
                    prop_assert!(*tie == Tie::Strange || place(one) == place(other));
                }
            }
        }
    }
}
