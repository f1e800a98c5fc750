//! Metrics of what stays on one node.

use crate::observe::labels::{Label, SessionLookup, SessionMove, TokenRefusal};

use super::{Metric, counter, fixed, gauge};

pub const AFFINITY_TOKENS_REFUSED: Metric = counter(
    "pilotage_affinity_tokens_refused_total",
    &[fixed("reason", TokenRefusal::NAMES)],
    "Upload addresses that were not honoured, by reason.",
);
pub const AFFINITY_SESSIONS: Metric = gauge(
    "pilotage_affinity_sessions",
    &[],
    "Sessions of browsers that this instance remembers.",
);
pub const AFFINITY_SESSION_LOOKUPS: Metric = counter(
    "pilotage_affinity_session_lookups_total",
    &[fixed("found", SessionLookup::NAMES)],
    "Requests of browsers with a pinned session, by where the node of the session was found.",
);
pub const AFFINITY_SESSIONS_MOVED: Metric = counter(
    "pilotage_affinity_sessions_moved_total",
    &[fixed("reason", SessionMove::NAMES)],
    "Pinned sessions of browsers that ended because their node could no longer be used, by reason.",
);
pub const AFFINITY_SIGNING_KEYS: Metric = gauge(
    "pilotage_affinity_signing_keys",
    &[],
    "Different keys that nodes were seen to sign tokens with; more than 1 is a broken cluster.",
);
