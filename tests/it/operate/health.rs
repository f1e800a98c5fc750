//! `pilotage health`: what a container engine asks.

use rustix::process::Signal;
use serde_json::json;

use crate::harness::balancer::program;
use crate::harness::front::Front;
use crate::harness::load::Trickle;
use crate::harness::process::{self, Outcome, Spec};
use crate::harness::uploads::{blob, with_blob};
use crate::harness::wait::{SOON, until};

/// The command with the file of this balancer, as it would be if its port were a fixed one.
async fn health(front: &Front, more: &[&str]) -> Outcome {
    health_by(front, more, |text| text).await
}

/// The same with another text in that file.
async fn health_by(front: &Front, more: &[&str], edit: impl FnOnce(String) -> String) -> Outcome {
    let ready: serde_json::Value =
        serde_json::from_str(front.balancer.process.stdout().lines().next().unwrap()).unwrap();
    let mut config = front.balancer.config.clone();
    config.set("admin", "address", ready["admin"].clone());
    // Listeners on port 0 are no two on one port.
    let file = front.scratch.write("health.toml", edit(config.text()));
    let spec = Spec::new("health", program(), front.scratch.path());
    let spec = spec.arguments(["health", "--config"]).argument(file);
    process::run(&spec.arguments(more), b"", SOON).await
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_good_while_a_pull_would_find_a_node() {
    let front = Front::start(|_| ()).await;
    let well = health(&front, &[]).await.expect_success();
    assert_eq!(
        (well.stdout.as_str(), well.stderr.as_str()),
        ("ready\n", "")
    );
    let json = health(&front, &["--json"]).await.expect_success().stdout;
    assert_eq!(json, "{\"ok\":true,\"said\":\"ready\"}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_being_edited_makes_no_healthy_process_ill() {
    let front = Front::start(|_| ()).await;
    for mistake in [
        "[nonsense]\n",
        "[guard]\nlogin_pause = \"long\"\n",
        "[guard]\nlogin_pause =\n",
        "[gua",
    ] {
        let well = health_by(&front, &[], |text| format!("{text}\n{mistake}")).await;
        let well = well.expect_success();
        assert_eq!(well.stdout, "ready\n", "{mistake}");
    }
    // Without a place to ask there is no answer.
    let wrong = health_by(&front, &[], |text| {
        text.replace("[admin]", "[admin]\nport = 1")
    })
    .await;
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("admin.port"), "{}", wrong.stderr);
    assert!(wrong.stderr.contains(": 1 problem\n"), "{}", wrong.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_of_which_all_is_drained_or_off_is_not_ready() {
    let front = Front::start(|_| ()).await;
    let nodes = front.balancer.nodes().await;
    let names: Vec<_> = nodes
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    for (number, name) in names.iter().enumerate() {
        let word = ["drain", "off"][number % 2];
        let path = format!("/v1/nodes/{name}/{word}");
        let order = front
            .balancer
            .order("POST", &path, json!({ "force": true }));
        order.await.expect(200);
    }
    let ill = health(&front, &[]).await;
    assert_eq!(ill.code, Some(1));
    assert!(ill.stderr.contains("draining or off"), "{}", ill.stderr);
    let page = front.balancer.admin("/").await.expect(200).text();
    assert!(page.contains("Not ready: no node takes requests"), "{page}");
    let up = format!(
        "pilotage_fleet_node_up{{node=\"{}\",traffic=\"pull\"}}",
        names[0]
    );
    assert_eq!(front.balancer.metric(&up).await, Some(0.0));
    let path = format!("/v1/nodes/{}/undrain", names[0]);
    front
        .balancer
        .order("POST", &path, json!({}))
        .await
        .expect(200);
    health(&front, &[]).await.expect_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_process_is_alive_and_not_ready_and_an_ended_one_neither() {
    let mut front = Front::scripted(1, |_| (), with_blob(32 << 20)).await;
    let down = Trickle::download(&front.h1(), &blob());
    down.goes_on().await;
    front.balancer.process.signal(Signal::TERM);
    until("health tells of the stop", SOON, async || {
        let stopping = health(&front, &[]).await;
        (stopping.code == Some(1) && stopping.stderr.contains("stopping")).then_some(())
    })
    .await;
    let alive = health(&front, &["--live"]).await.expect_success();
    assert_eq!(alive.stdout, "alive\n");
    front.balancer.process.kill();
    drop(down);
    let ended = health(&front, &["--live"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("refused"), "{}", ended.stderr);
}
