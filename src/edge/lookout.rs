//! One place where what is learnt about nodes becomes health, log lines and metrics.
//!
//! Requests and probes both report here, so that an operator reads one story. It never decides anything.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::affinity::browser::Division;
use crate::affinity::issuer::{Change, Issuers};
use crate::fleet::health::{self, Component, Observation, Standing};
use crate::fleet::node::{Node, NodeId};
use crate::fleet::view::Fleet;
use crate::observe::findings::{Findings, SigningKey};
use crate::observe::labels::{Label as _, Misfit};
use crate::observe::metrics::Metrics;

use super::gate::Gate;

/// Keeps what has been said already, so that it is said once.
#[derive(Debug)]
pub struct Lookout {
    metrics: Arc<Metrics>,
    gate: Arc<Gate>,
    findings: Arc<Findings>,
    cluster: Mutex<Vec<Component>>,
}

impl Lookout {
    /// A lookout that wakes those who wait at `gate`.
    pub fn new(metrics: Arc<Metrics>, gate: Arc<Gate>) -> Self {
        Self {
            metrics,
            gate,
            findings: Arc::default(),
            cluster: Mutex::default(),
        }
    }

    /// What was found out about nodes, for whoever shows it.
    pub fn findings(&self) -> Arc<Findings> {
        Arc::clone(&self.findings)
    }

    /// Takes in what was learnt about `node`.
    pub fn observe(&self, node: &Node, observation: Observation) {
        let changes = node.observe(observation, Instant::now().into_std());
        if changes.is_empty() {
            return;
        }
        for change in changes {
            self.tell(node.id(), &change);
        }
        self.gate.wake();
    }

    fn tell(&self, node: &NodeId, change: &health::Change) {
        match change {
            health::Change::Standing {
                traffic,
                from,
                to,
                why,
            } => {
                let traffic: Vec<&str> = traffic.iter().map(|kind| kind.as_str()).collect();
                let (traffic, from, state) = (traffic.join(","), from.as_str(), to.as_str());
                self.metrics.node_changed(node, *to);
                match to {
                    Standing::Up | Standing::Probation { .. } => {
                        tracing::info!(%node, traffic, from, to = state, %why, "node standing changed");
                    }
                    Standing::Suspect | Standing::Down => {
                        tracing::warn!(%node, traffic, from, to = state, %why, "node standing changed");
                    }
                }
            }
            health::Change::Failed { name, error, .. } => {
                tracing::warn!(%node, component = %name, why = %error, "component failed");
            }
            health::Change::Recovered { name, .. } => {
                tracing::info!(%node, component = %name, "component recovered");
            }
        }
    }

    /// Says once that a node is set up in a way that works less well behind a balancer.
    pub fn misfit(&self, node: &NodeId, misfit: Misfit) {
        if !self.findings.misfit(node, misfit) {
            return;
        }
        self.metrics.misfit_found(node, misfit);
        let remedy = match misfit {
            Misfit::RedirectsToHttps => {
                "give the node's https address as url in [[node]], or turn https off on the node"
            }
            Misfit::OwnLocation => {
                "set external_url on the node to the public https address, so that its nginx keeps \
                 X-Forwarded-Proto and Host"
            }
            Misfit::OwnRealm => "set external_url on the node to the public https address",
            Misfit::UnknownSessions => SHARE_SESSIONS,
        };
        tracing::warn!(%node, misfit = misfit.as_str(), remedy, "node is misconfigured");
    }

    /// Says when nodes begin, or cease, not to know each other's sessions of browsers. Those outside the largest
    /// group are the odd ones; of two alike both are.
    pub fn sessions_divided(&self, division: &Division, fleet: &Fleet) {
        let misfit = Misfit::UnknownSessions;
        let empty = Vec::new();
        let groups = match division {
            Division::Between(groups) => groups,
            Division::Over => &empty,
        };
        let most = groups.first().map_or(0, Vec::len);
        let largest: Vec<_> = groups.iter().filter(|group| group.len() == most).collect();
        for node in fleet.nodes() {
            let known = groups.iter().find(|group| group.contains(node.id()));
            let odd = known.is_some_and(|group| group.len() < most || largest.len() > 1);
            if odd && self.findings.misfit(node.id(), misfit) {
                self.metrics.misfit_found(node.id(), misfit);
            } else if !odd && self.findings.mended(node.id(), misfit) {
                self.metrics.misfit_mended(node.id(), misfit);
            }
        }
        match division {
            Division::Between(groups) => tracing::warn!(
                nodes = listed(groups),
                remedy = SHARE_SESSIONS,
                "nodes do not know each other's sessions of browsers"
            ),
            Division::Over => tracing::info!("nodes know each other's sessions of browsers"),
        }
    }

    /// Says when nodes begin, or cease, to sign tokens with different keys.
    pub fn signing_keys(&self, change: Change, issuers: &Issuers) {
        let shown = issuers.keys().into_iter().map(|(key, nodes)| SigningKey {
            key: key.to_string(),
            nodes,
        });
        self.findings.signing_keys(shown.collect());
        let groups = issuers.groups();
        self.metrics.signing_keys(groups.len());
        match change {
            Change::Differ => {
                tracing::warn!(
                    nodes = listed(&groups),
                    remedy = "copy secret/core/private_key.pem and secret/registry/root.crt from the data \
                              volume of one node to all others, and restart their core",
                    "nodes sign tokens with different keys"
                );
            }
            Change::Agree => tracing::info!("nodes sign tokens with one key"),
            Change::Seen => {}
        }
    }

    /// Forgets what was said about nodes: the operator's file has changed.
    pub fn forget(&self) {
        self.findings.clear();
    }

    /// Says when all nodes begin, or cease, to fail the same shared component.
    pub fn cluster_faults(&self, now: Vec<Component>) {
        let mut before = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        for component in now.iter().filter(|component| !before.contains(component)) {
            tracing::error!(
                component = component.as_str(),
                "every node reports the same shared component as failing: the cluster is sick, no node is taken out"
            );
        }
        for component in before.iter().filter(|component| !now.contains(component)) {
            tracing::info!(component = component.as_str(), "cluster fault is over");
        }
        *before = now;
    }
}

/// Groups of nodes as an operator reads them.
fn listed(groups: &[Vec<NodeId>]) -> String {
    let group = |nodes: &Vec<NodeId>| {
        let names: Vec<_> = nodes.iter().map(NodeId::as_str).collect();
        names.join(", ")
    };
    groups.iter().map(group).collect::<Vec<_>>().join(" / ")
}

/// What helps when nodes do not know each other's sessions.
const SHARE_SESSIONS: &str = "give all nodes the same _REDIS_URL and the same CSRF_KEY; if each node shall keep \
                              its own sessions, write mode = \"pinned\" in [sessions]";
