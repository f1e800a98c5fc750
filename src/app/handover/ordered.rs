//! What operators ordered while the process ran, and no file holds.

use serde::{Deserialize, Serialize};

use crate::edge::maintenance::{Maintenance, Notice};
use crate::fleet::node::NodeId;
use crate::fleet::orders::Orders;
use crate::fleet::view::Fleet;

/// All orders that are in force here. A node that somebody has taken out must not come back by an upgrade.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::app) struct Ordered {
    /// By the names of nodes.
    nodes: Vec<(String, Orders)>,
    /// What was said to this instance alone; all others know it from Redis.
    maintenance: Option<Notice>,
}

impl Ordered {
    /// What is in force now.
    pub(in crate::app) fn of(fleet: &Fleet, maintenance: &Maintenance) -> Self {
        let now = tokio::time::Instant::now().into_std();
        let nodes = fleet.nodes().iter().filter_map(|node| {
            let orders = node.summary(now).orders;
            (orders != Orders::default()).then(|| (node.id().to_string(), orders))
        });
        Self {
            nodes: nodes.collect(),
            maintenance: maintenance.own().as_deref().cloned(),
        }
    }

    /// Keeps to it here, as far as it is not what was kept to `before`. Nodes that the file no longer names are
    /// forgotten.
    pub(in crate::app) fn keep_to(&self, before: &Self, fleet: &Fleet, maintenance: &Maintenance) {
        for node in fleet.nodes() {
            let (now, then) = (self.about(node.id()), before.about(node.id()));
            if now != then {
                node.keep_to(now.cloned().unwrap_or_default());
            }
        }
        if self.maintenance != before.maintenance {
            maintenance.set_own(self.maintenance.clone());
        }
    }

    fn about(&self, node: &NodeId) -> Option<&Orders> {
        let mut nodes = self.nodes.iter();
        let found = nodes.find(|(name, _)| node.as_str() == name);
        found.map(|(_, orders)| orders)
    }
}
