//! Boards to draw: calm ones, with one thing changed.

use std::net::{IpAddr, Ipv4Addr};

use crate::fleet::health::{Component, ComponentSummary, Summary, Traffic, TrafficSummary};
use crate::fleet::node::{Duty, NodeId, NodeSummary};
use crate::fleet::orders::Orders;
use crate::observe::history::Remembered;
use crate::observe::progress::{TransferSummary, Way};
use crate::observe::steps::Steps;

use super::super::board::{About, Board, NodeRow, Traffic as Totals, TransferRow};

pub(in super::super) fn id(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

/// A node that is well.
pub(in super::super) fn node(name: &str) -> NodeSummary {
    let lane = |traffic| TrafficSummary {
        traffic,
        standing: "up",
        share_percent: 100,
        for_seconds: 90,
        why: String::new(),
    };
    let part = |(name, component): (&str, Component)| ComponentSummary {
        name: name.to_owned(),
        component,
        healthy: true,
        current: true,
        for_seconds: 90,
        error: None,
    };
    let parts = [
        ("core", Component::Core),
        ("registry", Component::Registry),
        ("database", Component::Database),
        ("trivy", Component::Trivy),
    ];
    NodeSummary {
        id: id(name),
        address: format!("https://{name}.example:443"),
        duty: Duty::Active,
        weight: 100,
        orders: Orders::default(),
        requests_in_flight: 3,
        bytes_in_flight: 5_000_000,
        health: Summary {
            traffic: Traffic::ALL.map(lane).into(),
            components: parts.map(part).into(),
            probed_seconds_ago: Some(1),
        },
    }
}

/// The same, down for these kinds of traffic.
pub(in super::super) fn down(name: &str, kinds: &[Traffic]) -> NodeSummary {
    let mut node = node(name);
    for lane in &mut node.health.traffic {
        if kinds.contains(&lane.traffic) {
            lane.standing = "down";
            lane.why = "connection refused".to_owned();
        }
    }
    node
}

/// The same, with a part that is unhealthy.
pub(in super::super) fn unhealthy(name: &str, part: &str) -> NodeSummary {
    let mut node = node(name);
    let found = node
        .health
        .components
        .iter_mut()
        .find(|one| one.name == part);
    let found = found.unwrap();
    found.healthy = false;
    found.error = Some("dial tcp: refused".to_owned());
    node
}

pub(super) fn row(node: NodeSummary) -> NodeRow {
    NodeRow {
        node,
        misfits: Vec::new(),
        rates: None,
        others: vec![id("harbor-9")],
    }
}

pub(super) fn transfer(total: Option<u64>) -> TransferRow {
    TransferRow {
        transfer: TransferSummary {
            request_id: "0f3c".to_owned(),
            direction: Way::Push,
            method: "PATCH".to_owned(),
            client: "192.0.2.7".to_owned(),
            repo: Some("library/app".to_owned()),
            reference: None,
            session: None,
            node: Some(id("harbor-1")),
            takeovers: 0,
            bytes: 250_000_000,
            total,
            seconds: 65.0,
        },
        speed: Some(12_000_000.0),
    }
}

/// Two nodes that are well, and nothing else.
pub(super) fn board() -> Board {
    Board {
        about: About {
            version: "1.2.3",
            names: vec!["registry.example.com".to_owned()],
            unready: None,
            redis: "off",
            uptime_seconds: 7300,
            now: 1_800_000_000,
        },
        notices: Vec::new(),
        alarms: Vec::new(),
        traffic: Totals::default(),
        nodes: vec![row(node("harbor-1")), row(node("harbor-2"))],
        transfers: Vec::new(),
        further_transfers: 0,
        rescues: Vec::new(),
        failures: Vec::new(),
        instances: Vec::new(),
    }
}

/// A request that found no node.
pub(in super::super) fn failed() -> Remembered {
    Remembered {
        request_id: "1".to_owned(),
        ended: 0,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        method: "GET".to_owned(),
        route: "blob",
        repo: None,
        reference: None,
        session: None,
        node: None,
        first_node: None,
        attempts: 0,
        takeovers: 0,
        lost_ms: 0,
        replayed_bytes: 0,
        unprotected: None,
        synthesized: None,
        status: 503,
        fault: Some("no_node"),
        outcome: "refused",
        bytes_in: 0,
        bytes_out: 0,
        total_ms: 0,
        steps: Steps::default(),
    }
}
