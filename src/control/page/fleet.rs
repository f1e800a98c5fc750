//! The nodes: how each is, what it does, and what an operator can tell it.

use maud::{Markup, html};

use crate::fleet::health::{ComponentSummary, TrafficSummary};
use crate::fleet::node::{Duty, NodeId, NodeSummary};

use super::board::{Board, NodeRow};
use super::figure::{ago, bytes, counted, rate, span};
use super::top::{mark, whole};

/// The table of all nodes. Its roles are said aloud, because a narrow screen shows the rows as cards, and browsers
/// then take it for no table any more.
pub(super) fn fleet(board: &Board) -> Markup {
    html! {
        table.fleet role="table" aria-labelledby="fleet-title" {
            thead role="rowgroup" {
                tr role="row" {
                    @for title in ["Node", "State", "Serves", "Parts", "Under way", "Rate", "Weight"] {
                        th scope="col" role="columnheader" { (title) }
                    }
                    th.acts scope="col" role="columnheader" { "Change" }
                }
            }
            tbody role="rowgroup" {
                @for row in &board.nodes { (node(row, board.about.now)) }
            }
        }
    }
}

fn node(row: &NodeRow, now: u64) -> Markup {
    let node = &row.node;
    let (class, word) = state(node);
    let weak = node
        .health
        .traffic
        .iter()
        .filter(|lane| lane.standing != "up");
    let weak: Vec<_> = weak.filter(|_| node.duty != Duty::Off).collect();
    let lanes = &node.health.traffic;
    let all_alike = match lanes.first() {
        Some(first) if lanes.iter().all(|lane| lane.standing == first.standing) => Lanes::Alike,
        Some(_) | None => Lanes::Different,
    };
    let told = match (all_alike, class) {
        (Lanes::Alike, "bad") => Told::Before,
        _ => Told::Now,
    };
    html! {
        tr role="row" data-key={ "node-" (node.id) } {
            th.name scope="row" role="rowheader" {
                b { (node.id) }
                span.address title=(node.address) { (node.address) }
            }
            td.state role="cell" data-title="State" {
                span.pill.(class) { (mark(class)) (word) }
                (ordered(node, now))
            }
            td role="cell" data-title="Serves" {
                ul.chips { @for lane in &node.health.traffic { (lane_chip(lane, node, all_alike)) } }
                @if let Some(first) = weak.first() {
                    p.why { (reason(first)) }
                }
            }
            td role="cell" data-title="Parts" { (parts(&node.health.components, told)) }
            td.figures role="cell" data-title="Under way" {
                p { (counted(node.requests_in_flight, "request", "requests")) }
                p.sub { (bytes(node.bytes_in_flight)) " to go" }
            }
            td.figures role="cell" data-title="Rate" { (rates(row)) }
            td.figures role="cell" data-title="Weight" {
                p { (node.weight) }
                @if let Some(order) = &node.orders.weight {
                    p.sub.words { "by " (order.stamp.by) ", " (ago(order.stamp.at, now)) }
                }
            }
            td.acts role="cell" data-title="Change" { (buttons(row)) }
        }
    }
}

/// The class and the words of a node's state.
fn state(node: &NodeSummary) -> (&'static str, String) {
    match node.duty {
        Duty::Off => return ("off", "off".to_owned()),
        Duty::Draining => return ("draining", "draining".to_owned()),
        Duty::Active => {}
    }
    let lanes = &node.health.traffic;
    let count = |standing: &str| {
        lanes
            .iter()
            .filter(|lane| lane.standing == standing)
            .count()
    };
    for (standing, class) in [("down", "bad"), ("suspect", "warn"), ("probation", "warn")] {
        match count(standing) {
            0 => {}
            some if some == lanes.len() => return (class, standing.to_owned()),
            _ => {
                return (
                    if class == "bad" { "warn" } else { class },
                    format!("partly {standing}"),
                );
            }
        }
    }
    ("good", "up".to_owned())
}

/// Who ordered that the node rests, and when.
fn ordered(node: &NodeSummary, now: u64) -> Markup {
    html! {
        @match (&node.orders.duty, node.duty) {
            (Some(order), Duty::Active | Duty::Draining | Duty::Off) => {
                p.sub { "by " (order.stamp.by) ", " (ago(order.stamp.at, now)) }
            }
            (None, Duty::Draining | Duty::Off) => p.sub { "by the configuration file" },
            (None, Duty::Active) => {}
        }
    }
}

/// Whether all kinds of traffic stand alike, so that the state of the node has said it already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lanes {
    Alike,
    Different,
}

/// Whether a node still tells of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Now,
    Before,
}

fn lane_chip(lane: &TrafficSummary, node: &NodeSummary, lanes: Lanes) -> Markup {
    let class = match (node.duty, lane.standing) {
        (Duty::Off, _) => "off",
        (_, "up") => "good",
        (_, "down") => "bad",
        _ => "warn",
    };
    let grows = lane.standing == "probation";
    html! {
        li.chip.(class).plain[lanes == Lanes::Alike] {
            (mark(class)) (lane.traffic.as_str())
            @if class == "good" || class == "off" || lanes == Lanes::Alike {
                // The shape says it already, but not to everybody.
                span.unseen { " " (if class == "off" { "off" } else { lane.standing }) }
            } @else {
                " " b { (lane.standing) }
                @if grows { " " (lane.share_percent) " %" }
            }
        }
    }
}

fn reason(lane: &TrafficSummary) -> String {
    let since = span(lane.for_seconds);
    if lane.why.is_empty() {
        format!("for {since}")
    } else {
        format!("for {since}: {}", lane.why)
    }
}

fn parts(parts: &[ComponentSummary], told: Told) -> Markup {
    html! {
        @if parts.is_empty() {
            p.sub { "not asked for" }
        } @else {
            ul.chips {
                @for part in parts {
                    @let class = match (part.healthy, told) {
                        (false, _) => "bad",
                        (true, Told::Now) => "good",
                        (true, Told::Before) => "gone",
                    };
                    li.chip.(class) {
                        (mark(class)) (part.name)
                        @if part.healthy { span.unseen { " healthy" } } @else { " " b { "unhealthy" } }
                    }
                }
            }
            @if told == Told::Before { p.sub { "as it said last" } }
            @for part in parts.iter().filter(|part| !part.healthy) {
                p.why {
                    (part.name) " for " (span(part.for_seconds))
                    @if let Some(error) = &part.error { ": " (error) }
                }
            }
        }
    }
}

fn rates(row: &NodeRow) -> Markup {
    html! {
        @match row.rates {
            None => p { "–" },
            Some(rates) => {
                p { (rate(rates.requests)) "/s, " (bytes(whole(rates.bytes))) "/s" }
                @let failing = rates.failed > 0.0;
                p.sub.failing[failing] { (rate(rates.failed)) " errors/s" }
            }
        }
    }
}

fn buttons(row: &NodeRow) -> Markup {
    let node = &row.node;
    let name = node.id.as_str();
    let button = |act: &str, word: &str, title: String, text: String| {
        html! {
            button.act type="button" data-key="change" data-act=(act) data-node=(name) data-title=(title)
                data-yes={ (word) " " (name) } data-text=(text) aria-label={ (word) " " (name) } { (word) "…" }
        }
    };
    let keeps = "This stands until it is taken back or pilotage ends; the file is not changed.";
    match node.duty {
        Duty::Active => {
            let text = format!("{} {keeps}", draining(row));
            button("drain", "Drain", format!("Drain {name}?"), text)
        }
        Duty::Draining => {
            let text =
                format!("{name} is given new requests again, as far as its health allows. {keeps}");
            button("undrain", "Undrain", format!("Undrain {name}?"), text)
        }
        Duty::Off => {
            let text =
                format!("{name} is given requests again, as far as its health allows. {keeps}");
            button("on", "Turn on", format!("Turn {name} on?"), text)
        }
    }
}

/// What draining a node means now.
fn draining(row: &NodeRow) -> String {
    let node = &row.node;
    let others: Vec<_> = row.others.iter().map(NodeId::as_str).collect();
    let rest = match node.requests_in_flight {
        0 => "Nothing runs on it now; uploads that it has begun".to_owned(),
        running => format!(
            "Its {} and the uploads that it has begun",
            counted(running, "running request", "running requests")
        ),
    };
    let new = if others.is_empty() {
        "No other node takes pulls now, so this will be refused.".to_owned()
    } else {
        format!("New requests go to {}.", others.join(", "))
    };
    format!(
        "{} is given nothing new. {rest} go on to their end. {new}",
        node.id
    )
}
