//! The whole fleet, and who of it may take a request.

use std::sync::Arc;
use std::time::Instant;

use super::health::{
    Appeal, Component, ComponentState, Effect, Health, Settings, Standing, Traffic, effect,
};
use super::node::{Duty, Listing, Node, NodeId};

/// All nodes of one snapshot, in the operator's order.
#[derive(Debug, Clone)]
pub struct Fleet {
    nodes: Vec<Arc<Node>>,
}

/// A node as a request of one kind sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: NodeId,
    pub rank: Rank,
    /// Its weight times the percentage it may have now; never 0.
    pub share: u64,
    /// Bytes in flight.
    pub bytes: u64,
    pub room: Room,
}

/// In what turn a node is asked, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Up,
    Suspect,
    /// Well enough, but takes nothing new: only what already lives there.
    Draining,
    /// Only what can live nowhere else.
    Down,
}

/// Whether a node takes one more request now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    Free,
    Full,
}

impl Fleet {
    /// A fleet of which nothing is known yet.
    pub fn new(listings: Vec<Listing>, settings: &Settings, now: Instant) -> Self {
        let new = |listing| Arc::new(Node::new(listing, settings.clone(), now));
        Self {
            nodes: listings.into_iter().map(new).collect(),
        }
    }

    /// The fleet that a changed file describes. A node with the same name and address is the same
    /// node and keeps its health and load; the others begin anew.
    #[must_use]
    pub fn relisted(&self, listings: Vec<Listing>, settings: &Settings, now: Instant) -> Self {
        let nodes = listings
            .into_iter()
            .map(|listing| match self.node(&listing.id) {
                Some(node) if node.address() == listing.address => {
                    node.relist(&listing, settings.clone());
                    Arc::clone(node)
                }
                Some(node) => Arc::new(Node::new(listing, settings.clone(), now).ordered_as(node)),
                None => Arc::new(Node::new(listing, settings.clone(), now)),
            });
        Self {
            nodes: nodes.collect(),
        }
    }

    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    pub fn node(&self, id: &NodeId) -> Option<&Arc<Node>> {
        self.nodes.iter().find(|node| node.id() == id)
    }

    /// Every node, with what it is worth for `traffic` now. `cap` is the number of requests in
    /// flight at which a node is full.
    ///
    /// Nobody is down for a fault that all nodes share. When no active node is usable, those come
    /// back as suspects against which only requests, but not the latest probe, have spoken; so the
    /// last node is never lost to passing trouble. A node that is off is not among them.
    pub fn candidates(&self, traffic: Traffic, now: Instant, cap: usize) -> Vec<Candidate> {
        let (nodes, looks) = self.looks(traffic, now);
        let faults = shared_by_all(&looks);
        let mut ranks: Vec<Rank> = looks
            .iter()
            .map(|look| look.rank(traffic, &faults))
            .collect();
        if !ranks
            .iter()
            .any(|rank| matches!(rank, Rank::Up | Rank::Suspect))
        {
            for (rank, look) in ranks.iter_mut().zip(&looks) {
                if look.is_last_resort() && !look.is_cut_off(traffic, &faults) {
                    *rank = Rank::Suspect;
                }
            }
        }
        let cap = u64::try_from(cap).unwrap_or(u64::MAX);
        let all = nodes.into_iter().zip(looks).zip(ranks);
        all.map(|((node, look), rank)| {
            let full = node.load().requests() >= cap;
            Candidate {
                id: node.id().clone(),
                rank,
                share: (u64::from(node.weight()) * u64::from(look.percent)).max(1),
                bytes: node.load().bytes(),
                room: if full { Room::Full } else { Room::Free },
            }
        })
        .collect()
    }

    /// Whether `traffic` that lives on a node has to look for another: nobody would be sent there.
    pub fn is_given_up(&self, node: &NodeId, traffic: Traffic, now: Instant) -> bool {
        let all = self.candidates(traffic, now, usize::MAX);
        all.iter()
            .find(|candidate| candidate.id == *node)
            .is_none_or(|found| found.rank == Rank::Down)
    }

    /// The shared components that every answering node reports as failing: no node can be blamed,
    /// and an alarm is due.
    pub fn cluster_faults(&self, now: Instant) -> Vec<Component> {
        // What a shared component means differs by traffic, whether it fails does not.
        shared_by_all(&self.looks(Traffic::Pull, now).1)
    }

    /// The nodes that are not off, each with its state.
    fn looks(&self, traffic: Traffic, now: Instant) -> (Vec<&Arc<Node>>, Vec<Look>) {
        let looks = self.nodes.iter().filter_map(|node| {
            let look = Look::at(node, traffic, now);
            (look.duty != Duty::Off).then_some((node, look))
        });
        looks.unzip()
    }
}

/// What one node's state says, read at one moment.
#[derive(Debug)]
struct Look {
    duty: Duty,
    standing: Standing,
    appeal: Appeal,
    percent: u32,
    /// In the order of [`SHARED`].
    shared: [ComponentState; SHARED.len()],
}

impl Look {
    fn at(node: &Node, traffic: Traffic, now: Instant) -> Self {
        node.look(|duty, health: &Health| Self {
            duty,
            standing: health.standing(traffic, now),
            appeal: health.appeal(traffic),
            percent: health.percent(traffic, now),
            shared: SHARED.map(|component| health.component(component)),
        })
    }

    fn rank(&self, traffic: Traffic, faults: &[Component]) -> Rank {
        if self.is_cut_off(traffic, faults) {
            return Rank::Down;
        }
        match (self.standing, self.duty) {
            (Standing::Down, _) | (_, Duty::Off) => Rank::Down,
            (_, Duty::Draining) => Rank::Draining,
            (Standing::Suspect, Duty::Active) => Rank::Suspect,
            (Standing::Up | Standing::Probation { .. }, Duty::Active) => Rank::Up,
        }
    }

    /// Whether this node alone has lost its way to something that `traffic` cannot do without.
    fn is_cut_off(&self, traffic: Traffic, faults: &[Component]) -> bool {
        SHARED
            .into_iter()
            .zip(self.shared)
            .any(|(component, state)| {
                state == ComponentState::Failed
                    && effect(component, traffic) == Effect::Fatal
                    && !faults.contains(&component)
            })
    }

    fn is_last_resort(&self) -> bool {
        self.duty == Duty::Active && self.appeal == Appeal::Open
    }
}

fn shared_by_all(looks: &[Look]) -> Vec<Component> {
    let fails_everywhere = |index: usize| {
        let states = looks.iter().filter_map(|look| look.shared.get(index));
        let mut known = states
            .filter(|state| **state != ComponentState::Unknown)
            .peekable();
        known.peek().is_some()
            && known.all(|state| match state {
                ComponentState::Failing | ComponentState::Failed => true,
                ComponentState::Healthy | ComponentState::Unknown => false,
            })
    };
    let everywhere = SHARED
        .into_iter()
        .enumerate()
        .filter(|(index, _)| fails_everywhere(*index));
    everywhere.map(|(_, component)| component).collect()
}

const SHARED: [Component; 3] = [Component::Database, Component::Redis, Component::Storage];

#[cfg(test)]
mod tests;
