//! One place where what is learnt about nodes becomes health, log lines and metrics.
//!
//! Requests and probes both report here, so that an operator reads one story. It never decides anything.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::fleet::health::{Change, Component, Observation, Standing};
use crate::fleet::node::{Node, NodeId};
use crate::observe::labels::Misfit;
use crate::observe::metrics::Metrics;

use super::gate::Gate;

/// Keeps what has been said already, so that it is said once.
#[derive(Debug)]
pub struct Lookout {
    metrics: Arc<Metrics>,
    gate: Arc<Gate>,
    misfits: Mutex<HashSet<(NodeId, &'static str)>>,
    cluster: Mutex<Vec<Component>>,
}

impl Lookout {
    /// A lookout that wakes those who wait at `gate`.
    pub fn new(metrics: Arc<Metrics>, gate: Arc<Gate>) -> Self {
        Self {
            metrics,
            gate,
            misfits: Mutex::default(),
            cluster: Mutex::default(),
        }
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

    fn tell(&self, node: &NodeId, change: &Change) {
        match change {
            Change::Standing {
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
            Change::Failed { name, error, .. } => {
                tracing::warn!(%node, component = %name, why = %error, "component failed");
            }
            Change::Recovered { name, .. } => {
                tracing::info!(%node, component = %name, "component recovered");
            }
        }
    }

    /// Says once that a node is set up in a way that works less well behind a balancer.
    pub fn misfit(&self, node: &NodeId, misfit: Misfit) {
        use crate::observe::labels::Label;
        let mut known = self.misfits.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.insert((node.clone(), misfit.as_str())) {
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
        };
        tracing::warn!(%node, misfit = misfit.as_str(), remedy, "node is misconfigured");
    }

    /// Forgets what was said about nodes: the operator's file has changed.
    pub fn forget(&self) {
        self.misfits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
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
