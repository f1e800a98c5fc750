//! `pilotage nodes`: how the nodes are, and orders about them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::escaped;
use super::tell::{elements, list, number, size, table, text};
use super::{Asking, Question};

#[derive(Debug, Args)]
pub(in crate::cli) struct NodesOptions {
    #[command(flatten)]
    pub(super) asking: Asking,
    #[command(subcommand)]
    order: Option<Order>,
}

/// What is ordered. It counts at once, survives a reload and an upgrade, and ends with a restart.
#[derive(Debug, Subcommand)]
enum Order {
    /// Gives a node nothing new; what runs there ends there, sessions of browsers move
    Drain(Rest),
    /// Gives a draining node requests again
    Undrain(One),
    /// Asks a node for nothing any more; its uploads move, answers on their way still pass
    Off(Rest),
    /// Gives a node that is off requests again
    On(One),
    /// Changes a node's share of new requests
    Weight(Weight),
}

#[derive(Debug, Args)]
struct One {
    /// The node's name in the configuration
    node: String,
}

#[derive(Debug, Args)]
struct Rest {
    #[command(flatten)]
    one: One,
    /// Also when no other node takes pulls: clients are refused then
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct Weight {
    #[command(flatten)]
    one: One,
    /// From 1 to 1000; "file" goes back to what the configuration says
    #[arg(value_parser = weight)]
    weight: Share,
}

/// A weight as it is typed.
#[derive(Debug, Clone, Copy)]
enum Share {
    Number(u32),
    OfFile,
}

impl NodesOptions {
    pub(super) fn question(&self) -> Question<'static> {
        let Some(order) = &self.order else {
            return Question {
                method: "GET",
                path: "/v1/nodes".to_owned(),
                body: None,
                tell: tell_all,
            };
        };
        let (method, node, word, body) = match order {
            Order::Drain(rest) => (
                "POST",
                &rest.one.node,
                "drain",
                json!({ "force": rest.force }),
            ),
            Order::Undrain(one) => ("POST", &one.node, "undrain", json!({})),
            Order::Off(rest) => (
                "POST",
                &rest.one.node,
                "off",
                json!({ "force": rest.force }),
            ),
            Order::On(one) => ("POST", &one.node, "on", json!({})),
            Order::Weight(weight) => {
                let value = match weight.weight {
                    Share::Number(number) => json!(number),
                    Share::OfFile => Value::Null,
                };
                (
                    "PUT",
                    &weight.one.node,
                    "weight",
                    json!({ "weight": value }),
                )
            }
        };
        Question {
            method,
            path: format!("/v1/nodes/{}/{word}", escaped(node)),
            body: Some(body),
            tell: |node| table(&[header(), row(node)]),
        }
    }
}

fn weight(text: &str) -> Result<Share, String> {
    match text.parse() {
        Ok(number @ 1..=1_000) => Ok(Share::Number(number)),
        _ if text == "file" => Ok(Share::OfFile),
        _ => Err("write a number from 1 to 1000, or file".to_owned()),
    }
}

fn tell_all(page: &Value) -> Vec<String> {
    let mut rows = vec![header()];
    let nodes = elements(page, "/nodes");
    rows.extend(nodes.iter().map(row));
    let mut lines = table(&rows);
    lines.extend(nodes.iter().flat_map(reasons));
    let faults = list(page, "/cluster_faults");
    lines.extend((!faults.is_empty()).then(|| {
        let faults = faults.join(", ");
        format!("all nodes report that {faults} fails, so that none is taken out for it")
    }));
    let message = text(page, "/maintenance");
    lines.extend(
        (!message.is_empty()).then(|| format!("maintenance: pushes are refused with: {message}")),
    );
    lines
}

/// Why a node is not up, for each reason the kinds of traffic that it holds for.
fn reasons(node: &Value) -> Vec<String> {
    let lanes = elements(node, "/health/traffic");
    let mut all: Vec<(String, String, Vec<String>)> = Vec::new();
    for lane in lanes {
        let (standing, why) = (text(lane, "/standing"), text(lane, "/why"));
        if standing == "up" || why.is_empty() {
            continue;
        }
        let traffic = text(lane, "/traffic");
        match all
            .iter_mut()
            .find(|(one, other, _)| (one, other) == (&standing, &why))
        {
            Some((_, _, kinds)) => kinds.push(traffic),
            None => all.push((standing, why, vec![traffic])),
        }
    }
    let name = text(node, "/id");
    let told = all.into_iter().map(|(standing, why, kinds)| {
        if kinds.len() == lanes.len() {
            format!("{name} is {standing}: {why}")
        } else {
            format!("{name} is {standing} for {}: {why}", kinds.join(", "))
        }
    });
    told.collect()
}

fn header() -> Vec<String> {
    let names = [
        "NODE",
        "ADDRESS",
        "DUTY",
        "WEIGHT",
        "HEALTH",
        "REQUESTS",
        "BYTES",
        "ORDERED BY",
    ];
    names.map(str::to_owned).to_vec()
}

fn row(node: &Value) -> Vec<String> {
    vec![
        text(node, "/id"),
        text(node, "/address"),
        text(node, "/duty"),
        text(node, "/weight"),
        health(node),
        text(node, "/requests_in_flight"),
        size(number(node, "/bytes_in_flight")),
        ordered(node),
    ]
}

/// One word where all kinds of traffic fare alike, else those that fare worse.
fn health(node: &Value) -> String {
    let lanes = elements(node, "/health/traffic");
    let worse: Vec<_> = lanes
        .iter()
        .filter(|lane| text(lane, "/standing") != "up")
        .map(|lane| (text(lane, "/traffic"), text(lane, "/standing")))
        .collect();
    match worse.first() {
        None => "up".to_owned(),
        Some((_, first))
            if worse.len() == lanes.len() && worse.iter().all(|(_, one)| one == first) =>
        {
            first.clone()
        }
        Some(_) => {
            let told = worse
                .iter()
                .map(|(traffic, standing)| format!("{traffic} {standing}"));
            told.collect::<Vec<_>>().join(", ")
        }
    }
}

fn ordered(node: &Value) -> String {
    let of = |what: &str| {
        let by = text(node, &format!("/orders/{what}/by"));
        (!by.is_empty()).then(|| format!("{what} by {by}"))
    };
    let all: Vec<_> = ["duty", "weight"]
        .iter()
        .filter_map(|what| of(what))
        .collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_told_in_one_line_with_what_is_not_well() {
        let lane =
            |traffic: &str, standing: &str| json!({ "traffic": traffic, "standing": standing });
        let node = |lanes: Value, orders: Value| {
            json!({
                "id": "harbor-1", "address": "http://10.0.0.11:80", "duty": "draining",
                "weight": 50, "requests_in_flight": 3, "bytes_in_flight": 2048,
                "health": { "traffic": lanes }, "orders": orders,
            })
        };
        let orders =
            json!({ "duty": { "value": "draining", "by": "token ann", "at": 7 }, "weight": null });
        let told = row(&node(
            json!([lane("pull", "up"), lane("push", "down")]),
            orders,
        ));
        let told = told.join("|");
        assert_eq!(
            told,
            "harbor-1|http://10.0.0.11:80|draining|50|push down|3|2.0 KiB|duty by token ann"
        );
        let down = node(
            json!([lane("pull", "down"), lane("push", "down")]),
            json!({}),
        );
        assert_eq!(row(&down)[4], "down");
        let up = node(json!([lane("pull", "up")]), json!({}));
        assert_eq!((row(&up)[4].as_str(), row(&up)[7].as_str()), ("up", ""));
    }

    #[test]
    fn below_the_nodes_stands_why_they_are_not_up() {
        let lane = |traffic: &str, standing: &str, why: &str| json!({ "traffic": traffic, "standing": standing, "why": why });
        let node = |id: &str, lanes: Value| json!({ "id": id, "health": { "traffic": lanes } });
        let page = json!({
            "nodes": [
                node("a", json!([lane("pull", "down", "refused"), lane("push", "down", "refused")])),
                node("b", json!([lane("pull", "up", "well"), lane("push", "suspect", "late")])),
                node("c", json!([lane("pull", "up", "well")])),
            ],
            "cluster_faults": ["redis"],
            "maintenance": "back at 18:00",
        });
        let told = tell_all(&page);
        let expected = [
            "a is down: refused",
            "b is suspect for push: late",
            "all nodes report that redis fails, so that none is taken out for it",
            "maintenance: pushes are refused with: back at 18:00",
        ];
        assert_eq!(told[4..], expected);
        let well = json!({ "nodes": [], "cluster_faults": [], "maintenance": null });
        assert_eq!(tell_all(&well).len(), 1);
    }

    #[test]
    fn a_weight_is_a_number_or_the_files() {
        assert!(matches!(weight("50"), Ok(Share::Number(50))));
        assert!(matches!(weight("file"), Ok(Share::OfFile)));
        for wrong in ["0", "1001", "-1", "half", ""] {
            assert!(weight(wrong).is_err(), "{wrong}");
        }
    }
}
