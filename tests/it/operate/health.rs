//! `pilotage health`: what a container engine asks.

use rustix::process::Signal;

use crate::harness::balancer::program;
use crate::harness::front::Front;
use crate::harness::load::Trickle;
use crate::harness::process::{self, Outcome, Spec};
use crate::harness::uploads::{blob, with_blob};
use crate::harness::wait::{SOON, until};

/// The command with the file of this balancer, as it would be if its port were a fixed one.
async fn health(front: &Front, more: &[&str]) -> Outcome {
    let ready: serde_json::Value =
        serde_json::from_str(front.balancer.process.stdout().lines().next().unwrap()).unwrap();
    let mut config = front.balancer.config.clone();
    config.set("admin", "address", ready["admin"].clone());
    // Listeners on port 0 are no two on one port.
    let file = front.scratch.write("health.toml", config.text());
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
