//! Drawing a key to a node, the same one on every balancer.

use std::cmp::Ordering;
use std::net::IpAddr;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::fleet::node::NodeId;
use crate::fleet::view::Candidate;
use crate::registry::name::RepositoryName;

/// What draws the requests for one repository, or of one browser, to one node.
///
/// The node that wrote is then the node that is read from: storage shared over a network may show
/// a write to the other nodes only seconds later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SoftKey(u64);

impl SoftKey {
    pub fn of(repository: &RepositoryName) -> Self {
        Self(xxh3_64_with_seed(repository.as_str().as_bytes(), SEED))
    }

    /// What draws a client of which nothing but its address is known.
    pub fn of_client(address: IpAddr) -> Self {
        let text = address.to_string();
        Self(xxh3_64_with_seed(text.as_bytes(), SEED))
    }

    /// What draws something else: `value` is spread well already, as a hash is.
    pub fn drawn_by(value: u64) -> Self {
        Self(value)
    }
}

/// Orders nodes by how strongly they draw `key`, weighted by share. Losing a node moves only the
/// keys that it had; nodes that are much busier than the average step behind the others.
pub(super) fn order(nodes: Vec<&Candidate>, key: SoftKey) -> Vec<&Candidate> {
    let mut drawn: Vec<_> = nodes
        .into_iter()
        .map(|node| (distance(&node.id, key), node))
        .collect();
    drawn.sort_by(|a, b| nearer(*a, *b));
    let mut nodes: Vec<_> = drawn.into_iter().map(|(_, node)| node).collect();
    let bound = Bound::over(&nodes);
    nodes.sort_by_key(|node| bound.is_crossed_by(node));
    nodes
}

/// The load above which a node no longer gets requests for the sake of a key.
#[derive(Debug, Clone, Copy)]
struct Bound {
    bytes: u128,
    share: u128,
}

impl Bound {
    fn over(nodes: &[&Candidate]) -> Self {
        Self {
            bytes: nodes.iter().map(|node| u128::from(node.bytes)).sum(),
            share: nodes.iter().map(|node| u128::from(node.share)).sum(),
        }
    }

    fn is_crossed_by(self, node: &Candidate) -> bool {
        let fair = (self.bytes * u128::from(node.share))
            .checked_div(self.share)
            .unwrap_or(0);
        u128::from(node.bytes) > fair * 5 / 4 + SLACK
    }
}

/// Orders by share / distance, the greater first, without dividing. The name settles a tie.
fn nearer(a: (u64, &Candidate), b: (u64, &Candidate)) -> Ordering {
    let left = u128::from(a.1.share) * u128::from(b.0);
    let right = u128::from(b.1.share) * u128::from(a.0);
    right.cmp(&left).then_with(|| a.1.id.cmp(&b.1.id))
}

/// How far a node is from a key: the negative logarithm of a number between 0 and 1 that only the
/// two decide, with 32 fractional bits; never 0.
///
/// In whole numbers, because balancers on different machines must agree to the last bit.
fn distance(node: &NodeId, key: SoftKey) -> u64 {
    let number = xxh3_64_with_seed(node.as_str().as_bytes(), key.0).max(1);
    let zeros = number.leading_zeros();
    let mut mantissa = u128::from(number << zeros);
    let mut logarithm = u64::from(63 - zeros);
    for _ in 0..32 {
        mantissa = (mantissa * mantissa) >> 63;
        logarithm <<= 1;
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            logarithm |= 1;
        }
    }
    (64 << 32) - logarithm
}

/// Part of the agreement between balancers: a change moves every key.
const SEED: u64 = 0x7069_6c6f_7461_6765;
/// What a node may have above the average in any case, in bytes: a fleet with little to do has no
/// reason to leave a key's node.
const SLACK: u128 = 64 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
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

    fn fleet(count: usize) -> Vec<Candidate> {
        (1..=count)
            .map(|number| node(&format!("harbor-{number}"), 10_000, 0))
            .collect()
    }

    fn names(nodes: &[Candidate], repository: &str) -> Vec<String> {
        let key = SoftKey::of(&RepositoryName::parse(repository).unwrap());
        order(nodes.iter().collect(), key)
            .iter()
            .map(|node| node.id.to_string())
            .collect()
    }

    /// How many of 3,000 repositories each node draws first.
    fn spread(nodes: &[Candidate]) -> Vec<usize> {
        let mut counts = vec![0; nodes.len()];
        for number in 0..3000 {
            let first = names(nodes, &format!("lab/app-{number}")).remove(0);
            let index = nodes
                .iter()
                .position(|node| node.id.as_str() == first)
                .unwrap();
            counts[index] += 1;
        }
        counts
    }

    #[test]
    fn all_balancers_and_releases_agree() {
        let nodes = fleet(3);
        let mut orders = String::new();
        for repository in [
            "library/alpine",
            "lab/app",
            "lab/app2",
            "a",
            "team/project/image",
        ] {
            let digits = names(&nodes, repository)
                .iter()
                .map(|name| name[7..].to_owned())
                .collect();
            orders = [orders, digits].join(" ");
        }
        assert_eq!(orders, " 321 321 312 132 123");
        let key = SoftKey::of(&RepositoryName::parse("library/alpine").unwrap());
        assert_eq!(distance(&nodes[0].id, key), 4_794_764_204);
    }

    #[test]
    fn distance_is_the_logarithm() {
        for number in 0..1000 {
            let key = SoftKey(number);
            let id = NodeId::parse("harbor-1").unwrap();
            let part = xxh3_64_with_seed(b"harbor-1", number);
            #[expect(
                clippy::as_conversions,
                clippy::cast_precision_loss,
                reason = "a comparison"
            )]
            let (exact, ours) = (
                64.0 - (part as f64).log2(),
                distance(&id, key) as f64 / (1_u64 << 32) as f64,
            );
            assert!((exact - ours).abs() < 1e-6, "{number}: {exact} {ours}");
        }
    }

    #[test]
    fn equal_nodes_draw_equally_many_keys() {
        for count in spread(&fleet(3)) {
            assert!((900..1100).contains(&count), "{count}");
        }
    }

    #[test]
    fn a_node_with_a_third_of_the_weight_draws_a_third_of_the_keys() {
        let counts = spread(&[node("a", 3000, 0), node("b", 1000, 0)]);
        assert!((2150..2350).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn a_node_much_busier_than_the_others_steps_behind() {
        let mut nodes = fleet(3);
        let before = names(&nodes, "lab/app");
        let first = nodes
            .iter_mut()
            .find(|node| node.id.as_str() == before[0])
            .unwrap();
        first.bytes = 60 << 20;
        assert_eq!(names(&nodes, "lab/app"), before);
        let first = nodes
            .iter_mut()
            .find(|node| node.id.as_str() == before[0])
            .unwrap();
        first.bytes = 200 << 20;
        assert_eq!(
            names(&nodes, "lab/app"),
            [&before[1], &before[2], &before[0]].map(Clone::clone)
        );
    }

    #[test]
    fn a_fleet_that_is_busy_all_over_keeps_its_keys() {
        let mut nodes = fleet(3);
        let before = names(&nodes, "lab/app");
        for node in &mut nodes {
            let is_last = node.id.as_str() == before[2];
            node.bytes = if is_last { 60 << 20 } else { 100 << 20 };
        }
        assert_eq!(names(&nodes, "lab/app"), before);
    }

    proptest! {
        #[test]
        fn losing_a_node_moves_only_its_own_keys(
            count in 2..7_usize, lost in 0..7_usize, repository in "[a-z]{1,8}/[a-z0-9]{1,12}",
        ) {
            let mut nodes = fleet(count);
            let before = names(&nodes, &repository);
            let lost = nodes.remove(lost % count).id.to_string();
            let expected: Vec<_> = before.into_iter().filter(|name| *name != lost).collect();
            prop_assert_eq!(names(&nodes, &repository), expected);
        }

        #[test]
        fn more_share_never_drives_a_key_away(
            grown in 0..4_usize, more in 1..50_000_u64, repository in "[a-z]{1,8}",
        ) {
            let mut nodes = fleet(4);
            let name = nodes[grown].id.to_string();
            let place = |nodes: &[Candidate]| {
                names(nodes, &repository).iter().position(|other| *other == name)
            };
            let before = place(&nodes);
            nodes[grown].share += more;
            prop_assert!(place(&nodes) <= before);
        }
    }
}
