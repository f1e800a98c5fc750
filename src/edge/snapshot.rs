//! What a request needs to know of the settings, frozen at one moment.
//!
//! A request takes one snapshot when it begins and looks at nothing newer, so a reload never changes a request
//! half way. It holds no counters and nothing that runs.

use std::sync::Arc;
use std::time::Duration;

use crate::affinity::browser::Marker;
use crate::affinity::settings::{SessionSettings, Storage};
use crate::affinity::token::Sealer;
use crate::download::settings::TakeoverSettings;
use crate::fleet::node::{Node, NodeId};
use crate::fleet::view::Fleet;
use crate::guard::settings::GuardSettings;
use crate::guard::who::Anonymizer;
use crate::observe::trace::Ratio;
use crate::rewrite::names::NodeNames;
use crate::upstream::peer::Target;
use crate::upstream::settings::{ProbeSettings, Timeouts};

use super::host::ServedNames;
use super::settings::{Certificates, Limits, Public, Retry};

/// Settings and nodes of one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Grows with every reload.
    pub generation: u64,
    pub public: Public,
    pub served: ServedNames,
    /// The port of the first https listener, for redirects to it.
    pub https_port: u16,
    pub limits: Limits,
    pub retry: Retry,
    pub takeover: TakeoverSettings,
    pub timeouts: Timeouts,
    pub probe: ProbeSettings,
    pub certificates: Certificates,
    pub node_in_flight: usize,
    pub fleet: Arc<Fleet>,
    /// In the order of the fleet's nodes.
    pub targets: Vec<Arc<Place>>,
    pub sealer: Sealer,
    /// Makes marks of cookies.
    pub marker: Marker,
    pub sessions: SessionSettings,
    pub upload_lifetime: Duration,
    pub storage: Storage,
    pub guard: GuardSettings,
    /// Which part is kept of the traces that begin here; none makes no traces.
    pub tracing: Option<Ratio>,
    /// Makes marks of clients and accounts.
    pub anonymizer: Anonymizer,
}

/// A node with what is needed to reach it and to recognise its own addresses.
#[derive(Debug)]
pub struct Place {
    pub node: Arc<Node>,
    pub target: Arc<Target>,
    pub names: NodeNames,
}

impl Snapshot {
    /// The node with this name, if there still is one.
    pub fn place(&self, id: &NodeId) -> Option<&Arc<Place>> {
        self.targets.iter().find(|place| place.node.id() == id)
    }
}
