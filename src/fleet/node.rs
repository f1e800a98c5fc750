//! One node: its name, its duty, its health and its load.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize, Serializer};

use super::health::{Change, Health, Observation, Settings, Standing, Summary, Traffic};
use super::load::{InFlight, Load};
use super::orders::{Orders, Stamp};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    Active,
    /// Nothing new is sent here; what is under way, uploads included, goes on.
    Draining,
    /// Nothing at all is sent here, also when nobody else is left. Bytes that are on their way still pass.
    Off,
}

impl Duty {
    /// The word for logs and status pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Off => "off",
        }
    }
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
    /// What the operator's file says.
    duty: Duty,
    weight: u32,
    /// What was ordered since.
    orders: Orders,
    health: Health,
}

impl Node {
    /// A node of which nothing is known yet.
    pub fn new(listing: Listing, settings: Settings, now: Instant) -> Self {
        let health = Health::new(settings, now);
        Self {
            id: listing.id,
            address: listing.address,
            weight: AtomicU32::new(listing.weight),
            state: Mutex::new(State {
                duty: listing.duty,
                weight: listing.weight,
                orders: Orders::default(),
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

    /// What the operator wants now: by order, or else by the file.
    pub fn duty(&self) -> Duty {
        let state = self.state();
        state.orders.duty(state.duty)
    }

    /// Orders a duty, which counts at once.
    pub fn order_duty(&self, duty: Duty, stamp: Stamp) {
        let mut state = self.state();
        let listed = state.duty;
        state.orders.order_duty(duty, stamp, listed);
    }

    /// Orders a weight, which counts at once; none goes back to the file's.
    pub fn order_weight(&self, weight: Option<u32>, stamp: Stamp) {
        let mut state = self.state();
        state.orders.order_weight(weight, stamp);
        self.apply_weight(&state);
    }

    /// Takes over all that was ordered elsewhere, in place of what was ordered here.
    pub fn keep_to(&self, orders: Orders) {
        let mut state = self.state();
        state.orders = orders;
        let listed = state.duty;
        state.orders.relisted(listed);
        self.apply_weight(&state);
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

    /// Counts one request as under way until the guard is dropped, whether there is room for it or not.
    pub fn begin(&self) -> InFlight {
        self.load.begin()
    }

    /// The same if fewer than `cap` requests are under way.
    pub fn admit(&self, cap: usize) -> Option<InFlight> {
        self.load.admit(u64::try_from(cap).unwrap_or(u64::MAX))
    }

    /// Everything, in the form in which operators see it.
    pub fn summary(&self, now: Instant) -> NodeSummary {
        let state = self.state();
        NodeSummary {
            id: self.id.clone(),
            address: self.address.clone(),
            duty: state.orders.duty(state.duty),
            weight: self.weight(),
            orders: state.orders.clone(),
            requests_in_flight: self.load.requests(),
            bytes_in_flight: self.load.bytes(),
            health: state.health.summary(now),
        }
    }

    /// Takes over what a changed file says. Orders stay.
    pub(super) fn relist(&self, listing: &Listing, settings: Settings) {
        let mut state = self.state();
        state.duty = listing.duty;
        state.weight = listing.weight;
        state.orders.relisted(listing.duty);
        state.health.adopt(settings);
        self.apply_weight(&state);
    }

    /// The node has moved to another address: what was ordered about its name goes on.
    #[must_use]
    pub(super) fn ordered_as(self, other: &Self) -> Self {
        let orders = other.state().orders.clone();
        self.keep_to(orders);
        self
    }

    /// Reads duty and health together.
    pub(super) fn look<T>(&self, read: impl FnOnce(Duty, &Health) -> T) -> T {
        let state = self.state();
        read(state.orders.duty(state.duty), &state.health)
    }

    fn apply_weight(&self, state: &State) {
        let weight = state.orders.weight(state.weight);
        self.weight.store(weight, Ordering::Relaxed);
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
    /// What differs from the file by order.
    pub orders: Orders,
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
