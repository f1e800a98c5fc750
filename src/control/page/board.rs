//! What stands on the page: everything that is shown, at one moment.

use std::sync::Arc;

use crate::edge::maintenance::Notice;
use crate::fleet::node::{NodeId, NodeSummary};
use crate::observe::history::Remembered;
use crate::observe::progress::TransferSummary;
use crate::observe::status::Instance;

use super::alarm::Alarm;
use super::pulse::{NodeRates, Rates};

/// Everything that is shown, at one moment.
#[derive(Debug, Clone)]
pub struct Board {
    pub about: About,
    pub notices: Vec<Announced>,
    pub alarms: Vec<Alarm>,
    pub traffic: Traffic,
    pub nodes: Vec<NodeRow>,
    pub transfers: Vec<TransferRow>,
    /// Transfers that run and for which there is no room.
    pub further_transfers: usize,
    pub rescues: Vec<RescueRow>,
    /// Requests that failed last, newest first.
    pub failures: Vec<Arc<Remembered>>,
    /// The instances that meet in Redis, the oldest first.
    pub instances: Vec<Instance>,
}

/// The process that shows the page.
#[derive(Debug, Clone)]
pub struct About {
    pub version: &'static str,
    /// The names under which clients know it.
    pub names: Vec<String>,
    /// Why a client that asks now would not be served.
    pub unready: Option<&'static str>,
    /// What is known of Redis: `off`, `up` or `away`.
    pub redis: &'static str,
    pub uptime_seconds: u64,
    /// Seconds since 1970.
    pub now: u64,
}

/// A notice of maintenance, and for whom it counts.
#[derive(Debug, Clone)]
pub struct Announced {
    pub notice: Arc<Notice>,
    pub scope: Scope,
}

/// For whom a notice counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Instance,
    All,
}

/// All requests together.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    pub rates: Rates,
    pub running: u64,
    pub connections: u64,
    pub spooled: u64,
    pub spool_limit: u64,
    /// Transfers that another node went on with, since the start.
    pub takeovers: u64,
    /// Pushes that would not have survived their node, since the start.
    pub unprotected: u64,
}

/// One node.
#[derive(Debug, Clone)]
pub struct NodeRow {
    pub node: NodeSummary,
    pub misfits: Vec<&'static str>,
    /// `None` until there were two looks.
    pub rates: Option<NodeRates>,
    /// Other nodes that pulls would go to.
    pub others: Vec<NodeId>,
}

/// One push or pull that is under way.
#[derive(Debug, Clone)]
pub struct TransferRow {
    pub transfer: TransferSummary,
    /// Bytes a second; its average where nobody looked before.
    pub speed: Option<f64>,
}

/// One transfer that another node went on with.
#[derive(Debug, Clone)]
pub struct RescueRow {
    pub seconds_ago: u64,
    pub kind: &'static str,
    pub repo: Option<String>,
    pub from: Option<NodeId>,
    pub to: Option<NodeId>,
    pub reason: &'static str,
    pub request_id: String,
}
