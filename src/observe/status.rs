//! What the admin listener tells: whether we are ready, and how the nodes are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::findings::{Findings, SigningKey};
use super::labels::{Label, SharedState};
use super::metrics::Metrics;
use super::rescues::Rescue;
use crate::fleet::health::{Component, Traffic};
use crate::fleet::node::{Node, NodeSummary};
use crate::fleet::view::{Fleet, Rank};

/// Where the process stands between its start and its end. Told by `app`.
#[derive(Debug, Default)]
pub struct Readiness {
    stage: Mutex<Stage>,
    shared: Mutex<Option<SharedState>>,
    instances: Mutex<Vec<Instance>>,
}

/// One of the instances that meet in Redis, as it told of itself some seconds ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Drawn at its start: it names no machine.
    pub id: String,
    pub version: String,
    /// Seconds since 1970.
    pub started: u64,
    pub stage: Stage,
    pub listeners: usize,
}

/// One part of the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Not all listeners are open yet.
    #[default]
    Starting,
    Serving,
    /// New clients still come in, and are told to go elsewhere next time.
    Draining,
    /// The listeners are closed; what runs may end.
    Stopping,
}

impl Readiness {
    /// A process that has just begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new part begins.
    pub fn enter(&self, stage: Stage) {
        *self.lock() = stage;
    }

    /// Whether instances meet in a Redis, which nobody has to wait for.
    pub fn shared_is(&self, state: SharedState) {
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    /// What was last said of Redis.
    pub fn shared(&self) -> SharedState {
        let shared = *self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.unwrap_or(SharedState::Off)
    }

    /// The instances that were seen through Redis, this one among them.
    pub fn instances_are(&self, mut seen: Vec<Instance>) {
        seen.sort_by(|one, other| (one.started, &one.id).cmp(&(other.started, &other.id)));
        *self
            .instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// Those that were seen last, the oldest first; none while Redis is away.
    pub fn instances(&self) -> Vec<Instance> {
        let seen = self.instances.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The part that goes on now.
    pub fn stage(&self) -> Stage {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a client that asks now would not be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unready {
    Starting,
    Draining,
    Stopping,
    NoNode,
}

impl Unready {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting: not all listeners are open",
            Self::Draining => "draining: about to stop, send new clients elsewhere",
            Self::Stopping => "stopping: running requests may end, new ones are not taken",
            Self::NoNode => {
                "no node takes requests, each is down, draining or off: pilotage nodes says why"
            }
        }
    }
}

/// Whether a pull that comes now would find a listener and a node.
pub fn readiness(stage: Stage, fleet: &Fleet, now: Instant) -> Result<(), Unready> {
    match stage {
        Stage::Starting => Err(Unready::Starting),
        Stage::Draining => Err(Unready::Draining),
        Stage::Stopping => Err(Unready::Stopping),
        Stage::Serving => {
            let candidates = fleet.candidates(Traffic::Pull, now, usize::MAX);
            let usable = candidates.iter().any(|candidate| match candidate.rank {
                Rank::Up | Rank::Suspect => true,
                // What is drained takes nothing new, even when nothing else is left.
                Rank::Draining | Rank::Down => false,
            });
            if usable { Ok(()) } else { Err(Unready::NoNode) }
        }
    }
}

/// The document behind `/nodes`.
#[derive(Debug, Serialize)]
pub struct NodesPage {
    stage: Stage,
    redis: &'static str,
    /// The instances that meet there.
    instances: Vec<Instance>,
    /// Shared components that all nodes fail at one time.
    cluster_faults: Vec<&'static str>,
    /// The message with which pushes that begin are refused now.
    maintenance: Option<String>,
    /// The keys that nodes sign tokens with, as far as seen: it should be one.
    signing_keys: Vec<SigningKey>,
    nodes: Vec<NodeEntry>,
    /// The transfers that others went on with last, newest first.
    rescued: Vec<String>,
}

/// A node with what does not suit about it.
#[derive(Debug, Serialize)]
pub struct NodeEntry {
    #[serde(flatten)]
    node: NodeSummary,
    misfits: Vec<&'static str>,
}

impl NodesPage {
    /// The document of this moment.
    pub fn new(
        readiness: &Readiness,
        fleet: &Fleet,
        rescued: Vec<String>,
        findings: &Findings,
        now: Instant,
    ) -> Self {
        let faults = fleet.cluster_faults(now);
        let entry = |node: &Arc<Node>| NodeEntry::new(node, findings, now);
        Self {
            stage: readiness.stage(),
            redis: readiness.shared().as_str(),
            instances: readiness.instances(),
            cluster_faults: faults.into_iter().map(Component::as_str).collect(),
            maintenance: None,
            signing_keys: findings.keys(),
            nodes: fleet.nodes().iter().map(entry).collect(),
            rescued,
        }
    }

    /// The same in a maintenance with this message, or in none.
    #[must_use]
    pub fn during(self, maintenance: Option<String>) -> Self {
        Self {
            maintenance,
            ..self
        }
    }
}

impl NodeEntry {
    /// The node as it is now.
    pub fn new(node: &Node, findings: &Findings, now: Instant) -> Self {
        Self {
            node: node.summary(now),
            misfits: findings.of(node.id()),
        }
    }
}

impl Metrics {
    /// The transfers that others went on with last, newest first, a line for each.
    pub fn last_rescues(&self, now: Instant) -> Vec<String> {
        self.rescues.lines(now)
    }

    /// The transfers that others went on with last, newest first.
    pub fn rescued(&self) -> Vec<Rescue> {
        self.rescues.latest()
    }

    /// Brings the gauges of the fleet up to date. Nodes that are gone disappear; two calls at one
    /// time would show each other's gaps, so the caller lets in one after the other.
    pub fn show_fleet(&self, fleet: &Fleet, now: Instant) {
        self.node_up.reset();
        for traffic in Traffic::ALL {
            // A node that is off is no candidate.
            for node in fleet.nodes() {
                let labels = [node.id().as_str(), traffic.as_str()];
                self.node_up.with_label_values(&labels).set(0);
            }
            for candidate in fleet.candidates(traffic, now, usize::MAX) {
                let up = match candidate.rank {
                    Rank::Up | Rank::Suspect => 1,
                    Rank::Draining | Rank::Down => 0,
                };
                let labels = [candidate.id.as_str(), traffic.as_str()];
                self.node_up.with_label_values(&labels).set(up);
            }
        }
        let faults = fleet.cluster_faults(now);
        for component in SHARED {
            let fault = i64::from(faults.contains(&component));
            self.cluster_fault
                .with_label_values(&[component.as_str()])
                .set(fault);
        }
        self.component_up.reset();
        self.control.orders.reset();
        self.requests_in_flight.reset();
        self.bytes_in_flight.reset();
        for node in fleet.nodes() {
            self.show_node(&node.summary(now));
        }
    }

    fn show_node(&self, node: &NodeSummary) {
        let id = node.id.as_str();
        self.control.show(node);
        // Several parts of a node may count as one component: it is well when all of them are.
        let (well, unwell): (Vec<_>, Vec<_>) =
            node.health.components.iter().partition(|part| part.healthy);
        for (parts, up) in [(well, 1), (unwell, 0)] {
            for part in parts {
                self.component_up
                    .with_label_values(&[id, part.component.as_str()])
                    .set(up);
            }
        }
        let requests = i64::try_from(node.requests_in_flight).unwrap_or(i64::MAX);
        self.requests_in_flight
            .with_label_values(&[id])
            .set(requests);
        let bytes = i64::try_from(node.bytes_in_flight).unwrap_or(i64::MAX);
        self.bytes_in_flight.with_label_values(&[id]).set(bytes);
    }
}

/// The components that all nodes use, which can therefore fail for all of them.
const SHARED: [Component; 3] = [Component::Database, Component::Redis, Component::Storage];
