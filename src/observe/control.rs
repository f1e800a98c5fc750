//! The numbers of what operators change.

use prometheus::{IntGauge, IntGaugeVec, Registry};

use super::labels::Denial;
use super::metrics::Metrics;
use super::metrics::family::{Counters, gauge, gauges};
use super::names;
use crate::fleet::node::NodeSummary;

/// What is counted about operators.
pub(super) struct ControlNumbers {
    pub(super) orders: IntGaugeVec,
    maintenance: IntGauge,
    denied: Counters<Denial>,
}

/// Whether pushes may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushes {
    Taken,
    Refused,
}

impl ControlNumbers {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            orders: gauges(registry, &names::CONTROL_ORDERS),
            maintenance: gauge(registry, &names::CONTROL_MAINTENANCE),
            denied: Counters::new(registry, &names::CONTROL_DENIED),
        }
    }

    pub(super) fn show(&self, node: &NodeSummary) {
        let orders = &node.orders;
        let count = i64::from(orders.duty.is_some()) + i64::from(orders.weight.is_some());
        self.orders
            .with_label_values(&[node.id.as_str()])
            .set(count);
    }
}

impl Metrics {
    /// Maintenance began or ended.
    pub fn pushes_are(&self, pushes: Pushes) {
        self.control.maintenance.set(match pushes {
            Pushes::Taken => 0,
            Pushes::Refused => 1,
        });
    }

    /// Somebody was not let in by the admin listener.
    pub fn operator_denied(&self, reason: Denial) {
        self.control.denied.of(reason).inc();
    }
}
