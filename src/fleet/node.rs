//! One node: its name, its duty, its health and its load.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Serialize, Serializer};

use super::health::{Change, Health, Observation, Settings, Standing, Summary, Traffic};
use super::load::{InFlight, Load};

/// The operator's name for a node: 1 to 63 of `a-z`, `0-9`, `-`, `_` and `.`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

/// A text that cannot name a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node's name is 1 to 63 of a-z, 0-9, '-', '_' and '.'")]
pub struct NodeIdError;

impl NodeId {
    pub fn parse(text: &str) -> Result<Self, NodeIdError> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        if (1..=63).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(NodeIdError)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What the operator wants of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    Active,
    /// Nothing new is sent here; what is under way, uploads included, goes on.
    Draining,
}

/// A node as the operator lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub id: NodeId,
    /// Scheme, host and port: another address is another node, even under the same name.
    pub address: String,
    pub weight: u32,
    pub duty: Duty,
}

/// One node. It outlives reloads, so that they forget neither its illness nor its load.
#[derive(Debug)]
pub struct Node {
    id: NodeId,
    address: String,
    weight: AtomicU32,
    state: Mutex<State>,
    load: Arc<Load>,
}

#[derive(Debug)]
struct State {
    duty: Duty,
    /// The duty in the operator's file, to notice when the file changes it.
    listed_duty: Duty,
    health: Health,
}

impl Node {
    /// A node of which nothing is known yet.
    pub fn new(listing: Listing, settings: Settings, now: Instant) -> Self {
        let health = Health::new(settings, now);
        let duty = listing.duty;
        Self {
            id: listing.id,
            address: listing.address,
            weight: AtomicU32::new(listing.weight),
            state: Mutex::new(State {
                duty,
                listed_duty: duty,
                health,
            }),
            load: Arc::default(),
        }
    }

    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Scheme, host and port. Never shown to clients.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Ordering::Relaxed);
    }

    pub fn duty(&self) -> Duty {
        self.state().duty
    }

    pub fn set_duty(&self, duty: Duty) {
        self.state().duty = duty;
    }

    /// Takes in what a probe or a request learnt, and says what it changed.
    pub fn observe(&self, observation: Observation, now: Instant) -> Vec<Change> {
        self.state().health.observe(observation, now)
    }

    pub fn standing(&self, traffic: Traffic, now: Instant) -> Standing {
        self.state().health.standing(traffic, now)
    }

    pub fn load(&self) -> &Load {
        &self.load
    }

    /// Counts one request as under way until the guard is dropped; `expected` is the length of the
    /// body still to come, 0 when it is not known.
    pub fn begin(&self, expected: u64) -> InFlight {
        self.load.begin(expected)
    }

    /// Everything, in the form in which operators see it.
    pub fn summary(&self, now: Instant) -> NodeSummary {
        let state = self.state();
        NodeSummary {
            id: self.id.clone(),
            address: self.address.clone(),
            duty: state.duty,
            weight: self.weight(),
            requests_in_flight: self.load.requests(),
            bytes_in_flight: self.load.bytes(),
            health: state.health.summary(now),
        }
    }

    /// Takes over what a changed file says. A duty set at run time stays, unless the file itself
    /// now says something else than before.
    pub(super) fn relist(&self, listing: &Listing, settings: Settings) {
        self.set_weight(listing.weight);
        let mut state = self.state();
        if state.listed_duty != listing.duty {
            state.listed_duty = listing.duty;
            state.duty = listing.duty;
        }
        state.health.adopt(settings);
    }

    /// Reads duty and health together.
    pub(super) fn look<T>(&self, read: impl FnOnce(Duty, &Health) -> T) -> T {
        let state = self.state();
        read(state.duty, &state.health)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeSummary {
    pub id: NodeId,
    pub address: String,
    pub duty: Duty,
    pub weight: u32,
    pub requests_in_flight: u64,
    pub bytes_in_flight: u64,
    pub health: Summary,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_narrow_alphabet_and_a_length() {
        let long = "a".repeat(64);
        for text in ["harbor-1", "a", "10.0.0.11", "n_1", &long[..63]] {
            assert_eq!(NodeId::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "Harbor", "a b", "a/b", "ä", "a\0", &long] {
            assert_eq!(NodeId::parse(text), Err(NodeIdError), "{text:?}");
        }
    }
}
