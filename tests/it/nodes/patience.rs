//! No node is there: requests wait, for a while.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::scene::{Scene, agreeable, name, probed_once};
use super::work::{admin, assert_unavailable, next, patch, publish, start_upload};
use crate::harness::balancer::Balancer;
use crate::harness::balancer::config::Config;
use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;
use crate::harness::link::{Door, Link};
use crate::harness::wait::{SOON, found, until};

/// Nobody gives up while a test looks.
fn patient(config: &mut Config) {
    config.set("retry", "patience", "5m");
}

async fn refuse(scene: &mut Scene) {
    for link in &mut scene.links {
        link.vanish().await;
    }
}

/// One waiting request of each kind.
async fn waiting(balancer: &Balancer, upload: &str) -> Vec<JoinHandle<Answer>> {
    let all = [
        admin("GET", "/v2/lab/app/manifests/v1"),
        Request::get("/v2/"),
        Request::get("/harbor/projects"),
        start_upload("lab/app"),
        publish("lab/app", "v1", b"{}"),
        patch(upload, b"some bytes"),
        admin("DELETE", "/v2/lab/app/manifests/v1"),
    ];
    let target = balancer.target(Offer::Http1);
    let all = all.map(|request| {
        let target = target.clone();
        tokio::spawn(async move { target.send(request).await })
    });
    let brief = Duration::from_millis(400);
    let early = found(brief, async || all.iter().find(|one| one.is_finished())).await;
    assert!(early.is_none(), "somebody did not wait");
    all.into()
}

async fn assert_served(all: Vec<JoinHandle<Answer>>) {
    for one in all {
        let answer = one.await.unwrap();
        assert!((200..300).contains(&answer.status), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_a_node_and_are_served_when_one_returns() {
    let mut scene = Scene::new(3, agreeable).await;
    let balancer = scene.balancer(patient).await;
    let target = balancer.target(Offer::Http1);
    let upload = next(&target.send(start_upload("lab/app")).await.expect(202));
    refuse(&mut scene).await;
    for number in 0..3 {
        balancer.node_is(&name(number), "pull", "down").await;
    }
    assert_eq!(balancer.admin("/readyz").await.status, 503);
    let all = waiting(&balancer, &upload).await;
    scene.links[1].heal().await;
    assert_served(all).await;
    assert_eq!(balancer.admin("/readyz").await.status, 200);
    assert!(
        balancer
            .metric("pilotage_placement_waits_total{outcome=\"placed\"")
            .await
            > Some(0.0)
    );
}

/// Nobody has told the balancer yet that its nodes are gone.
#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_as_well_for_nodes_that_are_gone_without_a_word() {
    let mut scene = Scene::new(3, agreeable).await;
    let balancer = scene
        .balancer(|config| {
            patient(config);
            probed_once(config);
        })
        .await;
    let target = balancer.target(Offer::Http1);
    let upload = next(&target.send(start_upload("lab/app")).await.expect(202));
    refuse(&mut scene).await;
    until("the balancer has lost its connections", SOON, async || {
        let open = scene.links.iter().map(Link::open_connections).sum::<u64>();
        (open == 0).then_some(())
    })
    .await;
    let all = waiting(&balancer, &upload).await;
    for link in &mut scene.links {
        link.set_door(Door::Open).await;
    }
    assert_served(all).await;
}

/// Waiting means to look from time to time, not to knock without a pause.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_request_does_not_storm_the_nodes() {
    let mut scene = Scene::new(1, agreeable).await;
    let balancer = scene
        .balancer(|config| {
            probed_once(config);
            config.set("retry", "patience", "2s");
        })
        .await;
    refuse(&mut scene).await;
    let began = tokio::time::Instant::now();
    let target = balancer.target(Offer::Http1);
    assert_unavailable(&target.send(admin("GET", "/v2/lab/app/manifests/v1")).await);
    assert!(
        began.elapsed() >= Duration::from_millis(1_900),
        "{:?}",
        began.elapsed()
    );
    let tried = "pilotage_upstream_attempts_total{node=\"node-1\",outcome=\"connect_failed\"";
    let tried = balancer.metric(tried).await.unwrap();
    assert!((2.0..30.0).contains(&tried), "{tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_patience_clients_read_when_to_come_again() {
    let mut scene = Scene::new(2, agreeable).await;
    let patience = Duration::from_millis(400);
    let balancer = scene
        .balancer(|config| {
            config.set("retry", "patience", "400ms");
        })
        .await;
    let target = balancer.target(Offer::Http1);
    let upload = next(&target.send(start_upload("lab/app")).await.expect(202));
    refuse(&mut scene).await;
    for number in 0..2 {
        balancer.node_is(&name(number), "pull", "down").await;
    }
    for request in [
        Request::get("/v2/"),
        Request::get("/service/token"),
        publish("lab/app", "v1", b"{}"),
        start_upload("lab/app"),
        patch(&upload, b"some bytes"),
    ] {
        let began = tokio::time::Instant::now();
        assert_unavailable(&target.send(request).await);
        assert!(began.elapsed() >= patience, "{:?}", began.elapsed());
    }
    let page = target
        .send(Request::get("/harbor/projects"))
        .await
        .expect(503);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(page.header("retry-after").is_some());
    assert!(page.text().contains("<html") && !page.text().contains("127."));
    let timeouts = balancer
        .metric("pilotage_placement_waits_total{outcome=\"timeout\"")
        .await;
    assert_eq!(timeouts, Some(6.0));
}
