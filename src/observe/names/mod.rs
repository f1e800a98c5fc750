//! Every metric and every field of a log line, declared once.
//!
//! What is not declared here does not exist: `tests/tidy.rs` holds the code, the documentation and
//! the dashboards against these tables.

mod affinity;
mod control;
mod fields;
mod guard;
mod shared;
mod spans;

use super::labels::{
    Attempt, ConnectionClose, Direction, Handshake, Label, Misfit, Outcome, Probe, Refusal, Reload,
    RetryReason, SpoolWait, StatusClass, Synthesized, TakeoverKind, TakeoverReason, Task,
    Unprotected, Verified, Wait,
};

pub use self::affinity::{
    AFFINITY_SESSION_LOOKUPS, AFFINITY_SESSIONS, AFFINITY_SESSIONS_MOVED, AFFINITY_SIGNING_KEYS,
    AFFINITY_TOKENS_REFUSED,
};

pub use self::control::{CONTROL_DENIED, CONTROL_MAINTENANCE, CONTROL_ORDERS};
pub use self::fields::{LOG_FIELDS, RECORD_FIELDS};
pub use self::guard::{GUARD_DELAYED, GUARD_LOGINS, GUARD_REFUSED, GUARD_TOKENS_SHARED};
pub use self::shared::{
    AFFINITY_REDIS_CALLS, AFFINITY_REDIS_DROPPED, AFFINITY_REDIS_SECONDS, AFFINITY_REDIS_UP,
};
pub use self::spans::{OBSERVE_SPANS_DROPPED, OBSERVE_SPANS_SENT};

/// What operators may rely on about one metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    pub keys: &'static [Key],
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size; these are the upper bounds, in the unit of the name.
    Histogram(&'static [f64]),
}

/// One label of a metric, and where its values come from.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub values: Values,
}

/// Where the values of a label come from. A client is never among the sources.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// Exactly these.
    Fixed(&'static [&'static str]),
    /// An enum of another room.
    Enum,
    /// Names that the operator gave in the configuration.
    Configured,
}

const fn counter(name: &'static str, keys: &'static [Key], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        help,
        keys,
    }
}

const fn gauge(name: &'static str, keys: &'static [Key], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        help,
        keys,
    }
}

const fn times(name: &'static str, keys: &'static [Key], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram(SECONDS),
        help,
        keys,
    }
}

const fn key(name: &'static str, values: Values) -> Key {
    Key { name, values }
}

const fn fixed(name: &'static str, names: &'static [&'static str]) -> Key {
    key(name, Values::Fixed(names))
}

/// From a small answer out of a cache to a layer that takes half an hour.
const SECONDS: &[f64] = &[
    0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1800.0,
];

const ROUTE: Key = key("route", Values::Enum);
const NODE: Key = key("node", Values::Configured);
const COMPONENT: Key = key("component", Values::Enum);

pub const EDGE_REQUESTS: Metric = counter(
    "pilotage_edge_requests_total",
    &[
        ROUTE,
        fixed("outcome", Outcome::NAMES),
        fixed("status", StatusClass::NAMES),
    ],
    "Requests that ended, by kind of request, by how they ended and by the class of the status.",
);
pub const EDGE_REQUEST_SECONDS: Metric = times(
    "pilotage_edge_request_seconds",
    &[ROUTE],
    "From the end of a request's header to the end of its answer.",
);
pub const EDGE_FIRST_BYTE_SECONDS: Metric = times(
    "pilotage_edge_first_byte_seconds",
    &[ROUTE],
    "From the end of a request's header to the first byte of its answer.",
);
pub const EDGE_BYTES: Metric = counter(
    "pilotage_edge_bytes_total",
    &[fixed("direction", Direction::NAMES)],
    "Bytes of bodies, from clients (in) and to clients (out).",
);
pub const EDGE_REFUSED: Metric = counter(
    "pilotage_edge_refused_total",
    &[key("fault", Values::Enum)],
    "Requests that ended with a fault, by fault.",
);
pub const EDGE_RUNNING_REQUESTS: Metric = gauge(
    "pilotage_edge_running_requests",
    &[],
    "Requests that are being served.",
);
pub const EDGE_CONNECTIONS: Metric = gauge(
    "pilotage_edge_connections",
    &[],
    "Open connections of clients.",
);
pub const EDGE_CONNECTIONS_REFUSED: Metric = counter(
    "pilotage_edge_connections_refused_total",
    &[fixed("reason", Refusal::NAMES)],
    "Connections of clients that were closed unserved, by reason.",
);
pub const EDGE_CONNECTIONS_CLOSED: Metric = counter(
    "pilotage_edge_connections_closed_total",
    &[fixed("reason", ConnectionClose::NAMES)],
    "Connections of clients that ended because a limit of time was reached, by limit.",
);
pub const EDGE_TLS_HANDSHAKES: Metric = counter(
    "pilotage_edge_tls_handshakes_total",
    &[fixed("outcome", Handshake::NAMES)],
    "TLS handshakes with clients, by how they ended.",
);
pub const EDGE_CERTIFICATE_EXPIRY: Metric = gauge(
    "pilotage_edge_certificate_expiry_seconds",
    &[key("name", Values::Configured)],
    "When a served certificate ends, in seconds since 1970, by its first name.",
);
pub const EDGE_TAKEOVERS: Metric = counter(
    "pilotage_edge_takeovers_total",
    &[
        fixed("kind", TakeoverKind::NAMES),
        fixed("reason", TakeoverReason::NAMES),
    ],
    "Transfers that another node went on with, by kind and by what led to it.",
);
pub const EDGE_TAKEOVER_SECONDS: Metric = times(
    "pilotage_edge_takeover_seconds",
    &[fixed("kind", TakeoverKind::NAMES)],
    "How long transfers stood still that another node went on with, by kind.",
);
pub const DOWNLOAD_VERIFIED: Metric = counter(
    "pilotage_download_verified_total",
    &[fixed("outcome", Verified::NAMES)],
    "Pulls from several nodes whose bytes were compared with their digest, by what that said.",
);
pub const UPLOAD_RUNNING: Metric = gauge(
    "pilotage_upload_running",
    &[],
    "Uploads that have begun and not ended, whether or not a request is under way.",
);
pub const UPLOAD_REPLAYED_BYTES: Metric = counter(
    "pilotage_upload_replayed_bytes_total",
    &[],
    "Kept bytes that were sent to another node.",
);
pub const UPLOAD_UNPROTECTED: Metric = counter(
    "pilotage_upload_unprotected_total",
    &[fixed("reason", Unprotected::NAMES)],
    "Uploads, or requests of such, that would be lost with their node, by reason.",
);
pub const UPLOAD_SYNTHESIZED: Metric = counter(
    "pilotage_upload_synthesized_total",
    &[fixed("status", Synthesized::NAMES)],
    "Requests of pushes that were answered in our own words after a takeover, by status.",
);
pub const UPLOAD_COMMIT_SECONDS: Metric = times(
    "pilotage_upload_commit_seconds",
    &[],
    "From the last byte of a push to the first byte of the answer that it is stored.",
);
pub const SPOOL_LIMIT: Metric = gauge(
    "pilotage_spool_limit_bytes",
    &[],
    "Bytes that may be kept of all running uploads together.",
);
pub const SPOOL_BYTES: Metric = gauge(
    "pilotage_spool_bytes",
    &[],
    "Bytes of running uploads that are kept.",
);
pub const SPOOL_WAITS: Metric = counter(
    "pilotage_spool_waits_total",
    &[fixed("outcome", SpoolWait::NAMES)],
    "Pushes that were held up until there was room to keep them, by how the wait ended.",
);
pub const FLEET_NODE_UP: Metric = gauge(
    "pilotage_fleet_node_up",
    &[NODE, key("traffic", Values::Enum)],
    "Whether a node is given new requests of a kind of traffic (1) or not (0).",
);
pub const FLEET_COMPONENT_UP: Metric = gauge(
    "pilotage_fleet_component_up",
    &[NODE, COMPONENT],
    "Whether a component of a node says that it is well (1) or not (0).",
);
pub const FLEET_TRANSITIONS: Metric = counter(
    "pilotage_fleet_transitions_total",
    &[NODE, key("to", Values::Enum)],
    "Changes of what a node is worth for some traffic, by what it is worth now.",
);
pub const FLEET_CLUSTER_FAULT: Metric = gauge(
    "pilotage_fleet_cluster_fault",
    &[COMPONENT],
    "Whether all nodes show a fault of this component at one time (1), so that none is left out.",
);
pub const FLEET_REQUESTS_IN_FLIGHT: Metric = gauge(
    "pilotage_fleet_requests_in_flight",
    &[NODE],
    "Requests that a node is working on.",
);
pub const FLEET_BYTES_IN_FLIGHT: Metric = gauge(
    "pilotage_fleet_bytes_in_flight",
    &[NODE],
    "Bytes that requests a node is working on have still to carry, as far as known.",
);
pub const UPSTREAM_ATTEMPTS: Metric = counter(
    "pilotage_upstream_attempts_total",
    &[NODE, fixed("outcome", Attempt::NAMES)],
    "Exchanges with nodes, by how they ended.",
);
pub const UPSTREAM_RETRIES: Metric = counter(
    "pilotage_upstream_retries_total",
    &[fixed("reason", RetryReason::NAMES)],
    "Requests that were given to another node, by what led to it.",
);
pub const UPSTREAM_RETRY_BUDGET_REFUSED: Metric = counter(
    "pilotage_upstream_retry_budget_refused_total",
    &[],
    "Retries that were left out because too many requests were retried already.",
);
pub const UPSTREAM_PROBES: Metric = counter(
    "pilotage_upstream_probes_total",
    &[NODE, fixed("outcome", Probe::NAMES)],
    "Probes of nodes, by what they found.",
);
pub const UPSTREAM_MISCONFIGURED: Metric = gauge(
    "pilotage_upstream_misconfigured",
    &[NODE, fixed("misfit", Misfit::NAMES)],
    "Whether a node shows a setting that does not suit a node behind a balancer (1).",
);
pub const PLACEMENT_WAITS: Metric = counter(
    "pilotage_placement_waits_total",
    &[fixed("outcome", Wait::NAMES)],
    "Requests that waited for a node, by how the wait ended.",
);
pub const CONFIG_RELOADS: Metric = counter(
    "pilotage_config_reloads_total",
    &[fixed("outcome", Reload::NAMES)],
    "Reloads of the configuration, by how they ended.",
);
pub const CONFIG_LAST_RELOAD_SUCCESS: Metric = gauge(
    "pilotage_config_last_reload_success_seconds",
    &[],
    "When a configuration was last taken into use, in seconds since 1970.",
);
pub const APP_TASK_LAST_SUCCESS: Metric = gauge(
    "pilotage_app_task_last_success_seconds",
    &[fixed("task", Task::NAMES)],
    "When a background task last did its work, in seconds since 1970; 0 before the first time.",
);
pub const APP_BUILD: Metric = gauge(
    "pilotage_app_build_info",
    &[key("version", Values::Configured)],
    "Always 1.",
);
pub const OBSERVE_LOG_DROPPED: Metric = counter(
    "pilotage_observe_log_dropped_total",
    &[],
    "Log lines and access records that were dropped because the writer could not keep up.",
);

/// Every metric there is.
pub const METRICS: &[Metric] = &[
    EDGE_REQUESTS,
    EDGE_REQUEST_SECONDS,
    EDGE_FIRST_BYTE_SECONDS,
    EDGE_BYTES,
    EDGE_REFUSED,
    EDGE_RUNNING_REQUESTS,
    EDGE_CONNECTIONS,
    EDGE_CONNECTIONS_REFUSED,
    EDGE_CONNECTIONS_CLOSED,
    EDGE_TLS_HANDSHAKES,
    EDGE_CERTIFICATE_EXPIRY,
    EDGE_TAKEOVERS,
    EDGE_TAKEOVER_SECONDS,
    DOWNLOAD_VERIFIED,
    UPLOAD_RUNNING,
    UPLOAD_REPLAYED_BYTES,
    UPLOAD_UNPROTECTED,
    UPLOAD_SYNTHESIZED,
    UPLOAD_COMMIT_SECONDS,
    SPOOL_BYTES,
    SPOOL_LIMIT,
    SPOOL_WAITS,
    FLEET_NODE_UP,
    FLEET_COMPONENT_UP,
    FLEET_TRANSITIONS,
    FLEET_CLUSTER_FAULT,
    FLEET_REQUESTS_IN_FLIGHT,
    FLEET_BYTES_IN_FLIGHT,
    UPSTREAM_ATTEMPTS,
    UPSTREAM_RETRIES,
    UPSTREAM_RETRY_BUDGET_REFUSED,
    UPSTREAM_PROBES,
    UPSTREAM_MISCONFIGURED,
    PLACEMENT_WAITS,
    AFFINITY_TOKENS_REFUSED,
    AFFINITY_REDIS_UP,
    AFFINITY_REDIS_CALLS,
    AFFINITY_REDIS_SECONDS,
    AFFINITY_REDIS_DROPPED,
    GUARD_REFUSED,
    GUARD_DELAYED,
    GUARD_LOGINS,
    GUARD_TOKENS_SHARED,
    AFFINITY_SESSIONS,
    AFFINITY_SESSION_LOOKUPS,
    AFFINITY_SESSIONS_MOVED,
    AFFINITY_SIGNING_KEYS,
    CONTROL_ORDERS,
    CONTROL_MAINTENANCE,
    CONTROL_DENIED,
    CONFIG_RELOADS,
    CONFIG_LAST_RELOAD_SUCCESS,
    APP_TASK_LAST_SUCCESS,
    APP_BUILD,
    OBSERVE_LOG_DROPPED,
    OBSERVE_SPANS_SENT,
    OBSERVE_SPANS_DROPPED,
];

#[cfg(test)]
mod tests;
