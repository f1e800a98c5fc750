//! Nodes that come back, and the last one that is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::scene::{Scene, agreeable, name};
use super::work::{admin, assert_unavailable, push_blob, some_blob, start_upload};
use crate::harness::balancer::Balancer;
use crate::harness::certs::Offer;
use crate::harness::link::Door;
use crate::harness::recorder::answer;
use crate::harness::wait::{SOON, until};

async fn pulls(balancer: &Balancer, number: usize) -> Value {
    balancer.nodes().await[number]["health"]["traffic"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_returns_is_on_probation_with_a_share_that_grows() {
    let mut scene = Scene::new(2, agreeable).await;
    let balancer = scene
        .balancer(|config| {
            config.set("health", "slow_start", "8s");
        })
        .await;
    assert_eq!(
        pulls(&balancer, 0).await["share_percent"],
        100,
        "nobody begins slowly"
    );
    scene.links[0].vanish().await;
    balancer.node_is(&name(0), "pull", "down").await;
    scene.links[0].heal().await;
    balancer.node_is(&name(0), "pull", "probation").await;
    let first = pulls(&balancer, 0).await["share_percent"].as_u64().unwrap();
    assert!((10..90).contains(&first), "{first}");
    until("its share grows", SOON, async || {
        let now = pulls(&balancer, 0).await;
        let share = now["share_percent"].as_u64().unwrap();
        (now["standing"] == "probation" && share > first).then_some(())
    })
    .await;
    balancer.node_is(&name(0), "pull", "up").await;
    assert_eq!(pulls(&balancer, 0).await["share_percent"], 100);
    let counted = "pilotage_fleet_transitions_total{node=\"node-1\",to=\"probation\"";
    assert!(balancer.metric(counted).await >= Some(1.0));
}

/// A node that answers probes well and fails everything else, until the switch is turned.
async fn failing(count: usize) -> (Scene, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let switch = well.clone();
    let scene = Scene::new(count, move |request| {
        if switch.load(Ordering::Relaxed) {
            return agreeable(request);
        }
        answer(502, &[("Content-Type", "text/html")], "<html>502</html>")
    })
    .await;
    (scene, well)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_alone_never_take_the_last_node_away() {
    let (mut scene, well) = failing(2).await;
    scene.links[1].set_door(Door::Refusing).await;
    let balancer = scene
        .starting(|config| {
            config.set("health", "passive_down_after", 3);
            config.set("health", "up_after", 1_000);
            config.set("retry", "patience", "200ms");
        })
        .await;
    balancer.node_is(&name(1), "pull", "down").await;
    let target = balancer.target(Offer::Http1);
    for number in 0..20 {
        let path = format!("/v2/lab/app/blobs/{}", some_blob(number));
        assert_unavailable(&target.send(admin("GET", &path)).await);
        assert_unavailable(&target.send(start_upload("lab/app")).await);
    }
    assert!(scene.counts()[0] >= 20, "{:?}", scene.counts());
    assert_eq!(
        pulls(&balancer, 0).await["standing"],
        "down",
        "it is down as far as requests say"
    );
    let up = "pilotage_fleet_node_up{node=\"node-1\",traffic=\"pull\"";
    assert_eq!(
        balancer.metric(up).await,
        Some(1.0),
        "and is asked all the same"
    );
    well.store(true, Ordering::Relaxed);
    target
        .send(admin("GET", "/v2/lab/app/manifests/v1"))
        .await
        .expect(200);
    push_blob(&target, "lab/app", b"some bytes").await;
    let now = pulls(&balancer, 0).await;
    assert_eq!(now["standing"], "down", "no probe has brought it back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_requests_meet_takes_a_node_down_when_others_are_left() {
    let (scene, _well) = failing(1).await;
    let good = Scene::new(1, agreeable).await;
    let balancer = scene
        .starting(|config| {
            super::scene::probed_once(config);
            config.set("health", "passive_down_after", 3);
            config.node("good", &good.nodes[0].url());
        })
        .await;
    balancer.all_up(2).await;
    let target = balancer.target(Offer::Http1);
    for number in 0..40 {
        let path = format!("/v2/lab/app/blobs/{}", some_blob(number));
        target.send(admin("GET", &path)).await.expect(200);
    }
    assert_eq!(scene.counts(), [3]);
    assert_eq!(good.counts(), [40]);
    let now = pulls(&balancer, 0).await;
    assert_eq!(now["standing"], "down");
    assert!(
        now["why"].as_str().unwrap().contains("gateway error"),
        "{now}"
    );
    let others = balancer.nodes().await[0]["health"]["traffic"].clone();
    for lane in others
        .as_array()
        .unwrap()
        .iter()
        .filter(|lane| lane["traffic"] != "pull")
    {
        assert_eq!(lane["standing"], "up", "only pulls met it: {lane}");
    }
}
