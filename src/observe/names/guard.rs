//! What is counted of how much clients ask.

use super::super::labels::{Label, Limit, Login};
use super::{Metric, counter, fixed};

pub const GUARD_REFUSED: Metric = counter(
    "pilotage_guard_refused_total",
    &[fixed("limit", Limit::NAMES)],
    "Requests that were answered with 429, by the limit that was reached.",
);
pub const GUARD_DELAYED: Metric = counter(
    "pilotage_guard_delayed_total",
    &[fixed("limit", Limit::NAMES)],
    "Requests that waited for their turn and had it, by the limit that was reached.",
);
pub const GUARD_LOGINS: Metric = counter(
    "pilotage_guard_logins_total",
    &[fixed("outcome", Login::NAMES)],
    "Requests with a name and a password that a node answered, by what it thought of them.",
);
pub const GUARD_TOKENS_SHARED: Metric = counter(
    "pilotage_guard_tokens_shared_total",
    &[],
    "Requests for a token that were given the answer to an equal one.",
);
