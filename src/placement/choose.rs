//! The order in which nodes are asked.

use crate::fleet::node::NodeId;
use crate::fleet::view::{Candidate, Rank, Room};

use super::balance::{self, Draws};
use super::rendezvous::{self, SoftKey};

/// What a request is bound or drawn to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// The node where its upload lives.
    pub pin: Option<NodeId>,
    /// The node that took the same content just now.
    pub recent: Option<NodeId>,
    /// What its repository is drawn by.
    pub key: Option<SoftKey>,
}

/// The nodes to ask, in this order. Empty when there is none: the request waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub picks: Vec<Pick>,
}

/// One node of a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    pub node: NodeId,
    pub reason: Reason,
    /// Whether the request has to queue for it.
    pub room: Room,
}

/// Why a node stands where it stands in a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Pin,
    Recent,
    Key,
    Balance,
}

impl Reason {
    /// In words, for whoever asks why.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "lives there",
            Self::Recent => "recent write",
            Self::Key => "drawn by repository",
            Self::Balance => "least loaded of two",
        }
    }
}

/// Orders the candidates for one request.
///
/// A pin comes first, even if it is draining, suspect or full; only if it is down it comes last,
/// for nobody else knows the upload. Then comes the node with the recent write, if it has room.
/// The others follow: those with room before those without, up before suspect, and among equals by
/// the soft key if there is one, else by load. Nodes that are down or draining are asked by a hint
/// only.
pub fn choose(candidates: &[Candidate], hints: &Hints, draws: Draws) -> Choice {
    let find = |hint: &Option<NodeId>| {
        let id = hint.as_ref()?;
        candidates.iter().find(|candidate| candidate.id == *id)
    };
    let pin = find(&hints.pin);
    let (first, last) = match pin.map(|pin| pin.rank) {
        Some(Rank::Down) => (None, pin),
        Some(Rank::Up | Rank::Suspect | Rank::Draining) | None => (pin, None),
    };
    let recent = find(&hints.recent).filter(|recent| {
        recent.rank != Rank::Down
            && recent.room == Room::Free
            && pin.is_none_or(|pin| pin.id != recent.id)
    });
    let is_hinted = |candidate: &Candidate| {
        [pin, recent]
            .into_iter()
            .flatten()
            .any(|hinted| hinted.id == candidate.id)
    };

    let mut picks = Vec::with_capacity(candidates.len());
    picks.extend(first.map(|candidate| Pick::of(candidate, Reason::Pin)));
    picks.extend(recent.map(|candidate| Pick::of(candidate, Reason::Recent)));
    for room in [Room::Free, Room::Full] {
        for rank in [Rank::Up, Rank::Suspect] {
            let equals = candidates.iter().filter(|candidate| {
                candidate.rank == rank && candidate.room == room && !is_hinted(candidate)
            });
            let equals = equals.collect();
            let (ordered, reason) = match hints.key {
                Some(key) => (rendezvous::order(equals, key), Reason::Key),
                None => (balance::order(equals, draws), Reason::Balance),
            };
            picks.extend(
                ordered
                    .into_iter()
                    .map(|candidate| Pick::of(candidate, reason)),
            );
        }
    }
    picks.extend(last.map(|candidate| Pick::of(candidate, Reason::Pin)));
    Choice { picks }
}

impl Choice {
    pub fn first(&self) -> Option<&Pick> {
        self.picks.first()
    }

    pub fn is_empty(&self) -> bool {
        self.picks.is_empty()
    }
}

impl Pick {
    fn of(candidate: &Candidate, reason: Reason) -> Self {
        Self {
            node: candidate.id.clone(),
            reason,
            room: candidate.room,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::registry::name::RepositoryName;

    const DRAWS: Draws = Draws {
        first: 0,
        second: 0,
    };

    fn id(name: &str) -> NodeId {
        NodeId::parse(name).unwrap()
    }

    /// The given name, up and idle.
    fn node(name: &str) -> Candidate {
        Candidate {
            id: id(name),
            rank: Rank::Up,
            share: 100,
            bytes: 0,
            room: Room::Free,
        }
    }

    fn ranked(name: &str, rank: Rank) -> Candidate {
        Candidate { rank, ..node(name) }
    }

    fn full(name: &str, rank: Rank) -> Candidate {
        Candidate {
            room: Room::Full,
            ..ranked(name, rank)
        }
    }

    fn order(candidates: &[Candidate], hints: &Hints) -> Vec<String> {
        let picks = choose(candidates, hints, DRAWS).picks;
        picks.iter().map(|pick| pick.node.to_string()).collect()
    }

    fn pin(name: &str) -> Hints {
        Hints {
            pin: Some(id(name)),
            ..Hints::default()
        }
    }

    fn recent(name: &str) -> Hints {
        Hints {
            recent: Some(id(name)),
            ..Hints::default()
        }
    }

    fn key(repository: &str) -> Hints {
        let key = SoftKey::of(&RepositoryName::parse(repository).unwrap());
        Hints {
            key: Some(key),
            ..Hints::default()
        }
    }

    #[test]
    fn up_comes_before_suspect_and_room_before_none() {
        let candidates = [
            full("d", Rank::Suspect),
            full("c", Rank::Up),
            ranked("b", Rank::Suspect),
            ranked("a", Rank::Up),
        ];
        assert_eq!(order(&candidates, &Hints::default()), ["a", "b", "c", "d"]);
        assert_eq!(order(&candidates, &key("lab/app")), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_draining_or_dead_node_is_not_asked_without_a_hint() {
        let candidates = [ranked("a", Rank::Draining), ranked("b", Rank::Down)];
        for hints in [Hints::default(), key("lab/app"), recent("b"), pin("gone")] {
            assert!(choose(&candidates, &hints, DRAWS).is_empty());
        }
    }

    #[test]
    fn a_pin_wins_over_every_other_hint_and_every_state_but_down() {
        let states = [
            node("pin"),
            ranked("pin", Rank::Suspect),
            ranked("pin", Rank::Draining),
            full("pin", Rank::Up),
            full("pin", Rank::Draining),
        ];
        for pinned in states {
            let candidates = [node("a"), pinned, node("b")];
            let hints = Hints {
                pin: Some(id("pin")),
                recent: Some(id("a")),
                ..key("lab/app")
            };
            assert_eq!(order(&candidates, &hints), ["pin", "a", "b"]);
        }
    }

    #[test]
    fn a_pin_that_is_down_comes_last_but_comes() {
        let candidates = [ranked("pin", Rank::Down), full("a", Rank::Suspect)];
        assert_eq!(order(&candidates, &pin("pin")), ["a", "pin"]);
        assert_eq!(order(&candidates[..1], &pin("pin")), ["pin"]);
    }

    #[test]
    fn a_recent_write_wins_over_the_hash_where_there_is_room() {
        let plain: [_; 3] = order(&["a", "b", "c"].map(node), &key("lab/app"))
            .try_into()
            .unwrap();
        let last = plain[2].as_str();
        let hints = Hints {
            recent: Some(id(last)),
            ..key("lab/app")
        };
        let with = |rank, room| {
            let change = |name| {
                if name == last {
                    Candidate {
                        rank,
                        room,
                        ..node(name)
                    }
                } else {
                    node(name)
                }
            };
            order(&["a", "b", "c"].map(change), &hints)
        };
        let drawn = [last, &plain[0], &plain[1]];
        assert_eq!(with(Rank::Up, Room::Free), drawn);
        assert_eq!(with(Rank::Suspect, Room::Free), drawn);
        assert_eq!(with(Rank::Draining, Room::Free), drawn);
        assert_eq!(with(Rank::Up, Room::Full), plain);
        assert_eq!(with(Rank::Down, Room::Free), plain[..2]);
    }

    #[test]
    fn every_pick_says_why() {
        let candidates = ["a", "b", "c"].map(node);
        let mut hints = Hints {
            pin: Some(id("c")),
            recent: Some(id("b")),
            ..key("lab/app")
        };
        let reasons = |hints: &Hints| {
            let picks = choose(&candidates, hints, DRAWS).picks;
            picks.iter().map(|pick| pick.reason).collect::<Vec<_>>()
        };
        assert_eq!(reasons(&hints), [Reason::Pin, Reason::Recent, Reason::Key]);
        hints.key = None;
        hints.recent = Some(id("c"));
        assert_eq!(
            reasons(&hints),
            [Reason::Pin, Reason::Balance, Reason::Balance]
        );
    }

    fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let ranks = [Rank::Up, Rank::Suspect, Rank::Draining, Rank::Down];
        let state = (0..4_usize, any::<bool>(), 1..1000_u64, 0..1_u64 << 32);
        vec(state, 0..7).prop_map(move |states| {
            let candidate = |(index, (rank, is_full, share, bytes)): (usize, _)| Candidate {
                id: id(&format!("n{index}")),
                rank: ranks[rank],
                share,
                bytes,
                room: if is_full { Room::Full } else { Room::Free },
            };
            states.into_iter().enumerate().map(candidate).collect()
        })
    }

    proptest! {
        #[test]
        fn every_usable_node_is_in_a_choice_exactly_once(
            candidates in any_candidates(), pinned in 0..9_usize, written in 0..9_usize,
            keyed: bool, first: u64, second: u64,
        ) {
            let mut hints = if keyed { key("lab/app") } else { Hints::default() };
            hints.pin = Some(id(&format!("n{pinned}")));
            hints.recent = Some(id(&format!("n{written}")));
            let choice = choose(&candidates, &hints, Draws { first, second });
            for candidate in &candidates {
                let times = choice.picks.iter().filter(|pick| pick.node == candidate.id).count();
                let is_hinted = hints.pin.as_ref() == Some(&candidate.id)
                    || hints.recent.as_ref() == Some(&candidate.id);
                match candidate.rank {
                    Rank::Up | Rank::Suspect => prop_assert_eq!(times, 1),
                    Rank::Draining | Rank::Down if is_hinted => prop_assert!(times <= 1),
                    Rank::Draining | Rank::Down => prop_assert_eq!(times, 0),
                }
            }
        }
    }
}
