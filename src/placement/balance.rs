//! Spreading by load: of two random nodes, the one with less under way.

use std::cmp::Ordering;

use crate::fleet::view::Candidate;

/// Two random numbers for one choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    pub first: u64,
    pub second: u64,
}

/// Orders nodes of equal rank. The first is the less loaded of two distinct ones that were drawn
/// by share; the others follow by load, for the case that the first fails.
///
/// Always taking the least loaded of all would send every balancer to the same node at once.
pub(super) fn order(nodes: Vec<&Candidate>, draws: Draws) -> Vec<&Candidate> {
    let mut nodes = nodes;
    let Some(first) = draw(&nodes, draws.first) else {
        return nodes;
    };
    let first = nodes.remove(first);
    let winner = match draw(&nodes, draws.second) {
        None => first,
        Some(second) => match nodes.get(second) {
            Some(other) if by_load(other, first) == Ordering::Less => {
                let winner = nodes.remove(second);
                nodes.push(first);
                winner
            }
            Some(_) | None => first,
        },
    };
    nodes.sort_by(|a, b| by_load(a, b));
    nodes.insert(0, winner);
    nodes
}

/// The index that `draw` points at when every node covers its share of all numbers.
fn draw(nodes: &[&Candidate], draw: u64) -> Option<usize> {
    let total: u128 = nodes.iter().map(|node| u128::from(node.share)).sum();
    let mut point = (u128::from(draw) * total) >> 64;
    for (index, node) in nodes.iter().enumerate() {
        let share = u128::from(node.share);
        if point < share {
            return Some(index);
        }
        point -= share;
    }
    None
}

/// Compares bytes in flight relative to the share, without dividing.
fn by_load(a: &Candidate, b: &Candidate) -> Ordering {
    let left = u128::from(a.bytes) * u128::from(b.share);
    let right = u128::from(b.bytes) * u128::from(a.share);
    left.cmp(&right)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::fleet::node::NodeId;
    use crate::fleet::view::{Rank, Room};

    fn node(name: &str, share: u64, bytes: u64) -> Candidate {
        let id = NodeId::parse(name).unwrap();
        Candidate {
            id,
            rank: Rank::Up,
            share,
            bytes,
            room: Room::Free,
        }
    }

    fn first(nodes: &[Candidate], first: u64, second: u64) -> String {
        let ordered = order(nodes.iter().collect(), Draws { first, second });
        ordered[0].id.to_string()
    }

    /// Points into the part of all numbers that begins at `percent`.
    fn at(percent: u64) -> u64 {
        u64::MAX / 100 * percent
    }

    #[test]
    fn of_two_drawn_nodes_the_less_loaded_one_wins() {
        let nodes = [node("a", 1, 50), node("b", 1, 20), node("c", 1, 0)];
        assert_eq!(first(&nodes, at(10), at(10)), "b");
        assert_eq!(first(&nodes, at(40), at(10)), "b");
        assert_eq!(first(&nodes, at(10), at(90)), "c");
    }

    #[test]
    fn load_counts_relative_to_the_share() {
        let nodes = [node("big", 100, 90), node("small", 10, 10)];
        assert_eq!(first(&nodes, at(0), at(0)), "big");
        assert_eq!(first(&nodes, at(99), at(0)), "big");
    }

    #[test]
    fn idle_nodes_are_taken_by_their_share() {
        let nodes = [node("a", 300, 0), node("b", 100, 0)];
        let taken = (0..100)
            .filter(|percent| first(&nodes, at(*percent), 0) == "a")
            .count();
        assert!((75..=76).contains(&taken), "{taken}");
    }

    #[test]
    fn the_rest_follows_by_load() {
        let nodes = [
            node("a", 1, 9),
            node("b", 1, 7),
            node("c", 1, 8),
            node("d", 1, 1),
        ];
        let ordered = order(
            nodes.iter().collect(),
            Draws {
                first: at(5),
                second: at(40),
            },
        );
        let names: Vec<_> = ordered.iter().map(|node| node.id.as_str()).collect();
        assert_eq!(names, ["c", "d", "b", "a"]);
    }

    proptest! {
        #[test]
        fn every_node_is_in_the_order_once(
            loads in vec((1..100_000_u64, any::<u64>()), 0..8), one: u64, two: u64,
        ) {
            let nodes: Vec<_> = loads
                .iter()
                .enumerate()
                .map(|(index, (share, bytes))| node(&format!("n{index}"), *share, *bytes))
                .collect();
            let ordered = order(nodes.iter().collect(), Draws { first: one, second: two });
            let mut names: Vec<_> = ordered.iter().map(|node| node.id.clone()).collect();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), nodes.len());
        }
    }
}
