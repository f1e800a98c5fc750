//! What operators changed while pilotage runs.

use super::super::labels::{Denial, Label};
use super::{Metric, NODE, counter, fixed, gauge};

pub const CONTROL_ORDERS: Metric = gauge(
    "pilotage_control_orders",
    &[NODE],
    "Orders about a node, of its duty or weight, that stand beside the configuration.",
);
pub const CONTROL_MAINTENANCE: Metric = gauge(
    "pilotage_control_maintenance",
    &[],
    "Whether pushes that begin are refused for maintenance (1) or not (0).",
);
pub const CONTROL_DENIED: Metric = counter(
    "pilotage_control_denied_total",
    &[fixed("reason", Denial::NAMES)],
    "Questions to the admin listener that were not answered, by what was amiss with who asked.",
);
