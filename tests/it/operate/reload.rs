//! New settings while everything runs.

use std::collections::BTreeSet;

use serde_json::json;

use super::reloads;
use crate::harness::balancer::config::Config;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::load::{Load, Trickle};
use crate::harness::uploads::{begin, blob, go_on, script, with_blob};

/// Something else in each round: nodes, weights, limits, log.
fn change(config: &mut Config, round: usize, spare: &str) {
    config.nodes.retain(|node| node["name"] != "node-3");
    if round.is_multiple_of(2) {
        config.node("node-3", spare);
    }
    config.set_node("node-1", "weight", 50 + round);
    config.set_node("node-2", "drain", round.is_multiple_of(3));
    config.set("limits", "header_size", format!("{}KiB", 16 + round));
    config.set("limits", "connections", 1_000 + round);
    config.set("health", "down_after", 2 + round);
    let level = ["info", "debug"][round % 2];
    config.set("log", "level", level);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_reloads_under_load_fail_no_request_and_cut_no_transfer() {
    let mut front = Front::scripted(3, |_| (), with_blob(32 << 20)).await;
    let load = Load::start(&front.h1(), &front.h2(), "/v2/lab/app/tags/list");
    let down = Trickle::download(&front.h1(), &blob());
    let up = Trickle::upload(&front.h1(), &begin(&front.balancer).await);
    down.goes_on().await;
    up.goes_on().await;
    let spare = front.nodes[2].url();
    for round in 1..=10 {
        front
            .balancer
            .reload(|config| change(config, round, &spare));
        reloads(&front.balancer, "done", round as f64).await;
        load.goes_on(10).await;
    }
    assert_eq!(down.finish().await.bytes, 32 << 20);
    assert_eq!(up.finish().await.status, 202);
    load.finish_without_failure().await;
}

/// The nodes that answer a few dozen requests.
async fn asked(front: &Front) -> BTreeSet<usize> {
    let before = front.nodes.iter().map(|node| node.requests().len());
    let before = before.collect::<Vec<_>>();
    for number in 0..40 {
        let path = format!("/v2/lab/app-{number}/tags/list");
        front.h1().send(Request::get(&path)).await.expect(200);
    }
    let now = front.nodes.iter().zip(before);
    let grown = now.map(|(node, before)| node.requests().len() > before);
    (1..)
        .zip(grown)
        .filter(|(_, grown)| *grown)
        .map(|(number, _)| number)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_added_removed_or_drained_counts_from_the_next_request_on() {
    let mut front = Front::scripted(2, |_| (), script).await;
    let second = front.nodes[1].url();
    assert_eq!(asked(&front).await, BTreeSet::from([1, 2]));
    front
        .balancer
        .reload(|config| config.nodes.retain(|node| node["name"] == "node-1"));
    reloads(&front.balancer, "done", 1.0).await;
    assert_eq!(asked(&front).await, BTreeSet::from([1]));
    let upload = begin(&front.balancer).await;
    front.balancer.reload(|config| {
        config.node("node-2", &second);
    });
    reloads(&front.balancer, "done", 2.0).await;
    front.balancer.all_up(2).await;
    assert_eq!(asked(&front).await, BTreeSet::from([1, 2]));
    front.balancer.reload(|config| {
        config.set_node("node-1", "drain", true);
    });
    reloads(&front.balancer, "done", 3.0).await;
    assert_eq!(asked(&front).await, BTreeSet::from([2]));
    // What runs on a draining node goes on there.
    let parts = front.nodes[0].requests().len();
    go_on(&front.balancer, &upload).await.expect("it goes on");
    assert_eq!(front.nodes[0].requests().len(), parts + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_names_and_tls_of_a_listener_change_with_a_reload() {
    let mut front = Front::start(|_| ()).await;
    let large = || Request::get("/v2/_catalog").header("X-Large", &"x".repeat(20_000));
    front.h1().send(large()).await.expect(200);
    let foreign = || Request::get("/v2/_catalog").header("Host", "second.test");
    front.h1().send(foreign()).await.expect(421);
    crate::harness::http::h2::Client::connect(&front.h2())
        .await
        .unwrap();
    front.balancer.reload(|config| {
        config.set("limits", "header_size", "16KiB");
        config.set(
            "public",
            "names",
            json!(["registry.pilotage.test", "second.test"]),
        );
        config.set_listener("http2", false);
    });
    reloads(&front.balancer, "done", 1.0).await;
    front.h1().send(large()).await.expect(400);
    front.h1().send(foreign()).await.expect(200);
    crate::harness::http::h2::Client::connect(&front.h2())
        .await
        .unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_changes_nothing_and_is_told_in_one_line() {
    let mut front = Front::start(|_| ()).await;
    front.balancer.reload(|config| {
        config.extra = "[retry]\nattempts = \"three\"\n[limitz]\n".to_owned();
        config.nodes.clear();
        config.set("public", "names", json!(["other.test"]));
    });
    reloads(&front.balancer, "refused", 1.0).await;
    let line = front
        .balancer
        .says("reload refused: the settings of before stay in force")
        .await;
    assert_eq!(line["level"], "ERROR");
    let file =
        std::fs::read_to_string(front.scratch.path().join("balancer/pilotage.toml")).unwrap();
    let at = file
        .lines()
        .position(|line| line.starts_with("attempts"))
        .unwrap()
        + 1;
    for said in [&format!("line {at}: retry.attempts"), "limitz", "node"] {
        assert!(line.to_string().contains(said), "{said}: {line}");
    }
    let refusals = front.balancer.log();
    let refusals = refusals.iter().filter(|line| line["level"] == "ERROR");
    assert_eq!(refusals.count(), 1);
    front.serves().await;
    std::fs::write(
        front.scratch.path().join("balancer/pilotage.toml"),
        "[public\n",
    )
    .unwrap();
    front.balancer.process.signal(rustix::process::Signal::HUP);
    reloads(&front.balancer, "refused", 2.0).await;
    front.serves().await;
    let url = front.nodes[0].url();
    front.balancer.reload(|config| {
        config.extra = String::new();
        config.node("node-1", &url);
        config.set("public", "names", json!(["registry.pilotage.test"]));
    });
    reloads(&front.balancer, "done", 1.0).await;
    front.serves().await;
    assert!(
        front
            .balancer
            .metric("pilotage_config_last_reload_success_seconds")
            .await
            > Some(1e9)
    );
}
