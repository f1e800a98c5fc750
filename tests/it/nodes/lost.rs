//! Nodes that are dead, die or hang: nobody notices who has another node to go to.

use std::time::Duration;

use super::scene::{Scene, agreeable, name};
use super::work::{
    admin, ask, commit, next, node, patch, publish, push_blob, push_image, some_blob, start_upload,
};
use crate::harness::balancer::Balancer;
use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::http::{Request, Target};
use crate::harness::image::{Image, digest};
use crate::harness::link::{Door, End, Flow};
use crate::harness::wait::{SOON, until};

/// One request of every kind, on connections of their own; each must be served.
async fn one_of_each(target: &Target, round: usize) {
    let repository = format!("lab/round-{round}");
    let blob = format!("/v2/{repository}/blobs/{}", some_blob(round));
    let manifest = format!("/v2/{repository}/manifests/v1");
    target.send(Request::get("/v2/")).await.expect(200);
    target
        .send(Request::get("/service/token"))
        .await
        .expect(200);
    target.send(admin("GET", &blob)).await.expect(200);
    target.send(admin("HEAD", &blob)).await.expect(200);
    target.send(admin("GET", &manifest)).await.expect(200);
    let started = target.send(start_upload(&repository)).await.expect(202);
    let patched = target
        .send(patch(&next(&started), b"some bytes"))
        .await
        .expect(202);
    let done = commit(&next(&patched), &digest(b"some bytes"));
    target.send(done).await.expect(201);
    target
        .send(publish(&repository, "v1", b"{}"))
        .await
        .expect(201);
    target.send(admin("DELETE", &manifest)).await.expect(202);
    target
        .send(admin("POST", "/api/v2.0/projects"))
        .await
        .expect(200);
    target
        .send(Request::get("/harbor/projects"))
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_dead_at_the_start_is_nobodys_trouble() {
    let mut scene = Scene::new(3, agreeable).await;
    scene.links[1].set_door(Door::Refusing).await;
    let balancer = scene.starting(|_| ()).await;
    for round in 0..10 {
        one_of_each(&balancer.target(Offer::Http1), round).await;
    }
    balancer.node_is(&name(1), "pull", "down").await;
    one_of_each(&balancer.target(Offer::Http1), 10).await;
    assert_eq!(scene.counts()[1], 0);
    assert_eq!(scene.counts().iter().sum::<usize>(), 11 * 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_between_two_requests_is_nobodys_trouble() {
    let mut scene = Scene::new(3, agreeable).await;
    // Requests have to find out by themselves.
    let balancer = scene.balancer(super::scene::probed_once).await;
    let target = balancer.target(Offer::Http1);
    for round in 0..4 {
        one_of_each(&target, round).await;
    }
    scene.links[2].set_door(Door::Refusing).await;
    scene.links[2].cut_all(End::Close);
    until("its connections are gone", SOON, async || {
        (scene.links[2].open_connections() == 0).then_some(())
    })
    .await;
    let before = scene.counts()[2];
    for round in 4..12 {
        one_of_each(&target, round).await;
    }
    assert_eq!(scene.counts()[2], before);
    let tried = "pilotage_upstream_attempts_total{node=\"node-3\",outcome=\"connect_failed\"";
    assert!(balancer.metric(tried).await.unwrap() > 0.0);
}

/// Accepted and reset at once: a request may have got through, as far as anybody can tell.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_resets_every_connection_costs_no_read_and_no_start() {
    let mut scene = Scene::new(3, agreeable).await;
    let balancer = scene.balancer(super::scene::probed_once).await;
    scene.links[0].set_door(Door::Resetting).await;
    let target = balancer.target(Offer::Http1);
    for round in 0..30 {
        let repository = format!("lab/reset-{round}");
        let blob = format!("/v2/{repository}/blobs/{}", some_blob(round));
        target.send(admin("GET", &blob)).await.expect(200);
        target.send(admin("HEAD", &blob)).await.expect(200);
        target.send(start_upload(&repository)).await.expect(202);
    }
    assert_eq!(scene.counts()[0], 0);
    let nodes = balancer.nodes().await;
    let standing = &nodes[0]["health"]["traffic"][0]["standing"];
    assert_ne!(standing, "up", "requests tell what they met");
}

/// Real nodes, killed and started between requests. The number counts requests.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_meet_no_error_while_nodes_are_killed_and_started() {
    let builder = Cluster::builder().without_links();
    let mut cluster = builder.start().await;
    let balancer = Balancer::before(&mut cluster, |_| ()).await;
    let target = balancer.target(Offer::Http1);
    let image = Image::random(&[40_000]);
    push_image(&target, "lab/first", "v1", &image).await;
    let (mut requests, mut round) = (0, 0);
    while requests < 200 {
        let victim = round % 3;
        match round % 4 {
            1 => cluster.nodes[victim].kill(),
            3 => {
                for node in &mut cluster.nodes {
                    node.start_again().await;
                }
                // Two of three may not be away at a time.
                balancer.all_up(3).await;
            }
            _ => {}
        }
        requests += mixed(&target, &image, round).await;
        round += 1;
    }
    let records = balancer.access_log();
    let failed = records
        .iter()
        .filter(|record| record["status"].as_u64() >= Some(500));
    assert_eq!(failed.count(), 0);
}

/// What clients do with a registry; says how many requests that was.
async fn mixed(target: &Target, image: &Image, round: usize) -> usize {
    let repository = format!("lab/mixed-{}", round % 5);
    let bytes = format!("layer of round {round}");
    let layer = format!("/v2/lab/first/blobs/{}", digest(&image.layers[0]));
    let head = target
        .send(admin("HEAD", "/v2/lab/first/manifests/v1"))
        .await;
    head.expect(200);
    let got = target.send(admin("GET", &layer)).await.expect(200);
    assert!(got.body == image.layers[0], "wrong bytes");
    let blob = push_blob(target, &repository, bytes.as_bytes()).await;
    let path = format!("/v2/{repository}/blobs/{blob}");
    assert_eq!(
        target.send(admin("GET", &path)).await.expect(200).text(),
        bytes
    );
    push_blob(target, &repository, &image.config).await;
    push_blob(target, &repository, &image.layers[0]).await;
    target
        .send(publish(&repository, "v1", &image.manifest()))
        .await
        .expect(201);
    let path = format!("/v2/{repository}/manifests/{}", digest(&image.manifest()));
    target.send(admin("DELETE", &path)).await.expect(202);
    target.send(Request::get("/v2/")).await.expect(401);
    target
        .send(admin("GET", "/api/v2.0/systeminfo"))
        .await
        .expect(200);
    target
        .send(Request::get("/harbor/projects"))
        .await
        .expect(200);
    17
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stopped_in_its_tracks_delays_reads_and_is_left() {
    let mut cluster = Cluster::builder().without_links().start().await;
    let balancer = Balancer::before(&mut cluster, |config| {
        config.set("upstream", "read_timeout", "3s");
        config.set("health", "timeout", "2s");
    })
    .await;
    let target = balancer.target(Offer::Http1);
    let image = Image::random(&[1_000]);
    push_image(&target, "lab/app", "v1", &image).await;
    let manifest = admin("GET", "/v2/lab/app/manifests/v1");
    let (_, record) = ask(&balancer, manifest.clone()).await;
    let stopped = node(&record);
    let number = super::scene::number(&stopped);
    cluster.nodes[number].pause();
    let (answer, record) = ask(&balancer, manifest.clone()).await;
    answer.expect(200);
    assert_ne!(node(&record), stopped);
    for _ in 0..10 {
        target.send(manifest.clone()).await.expect(200);
    }
    balancer.node_is(&stopped, "push", "down").await;
    push_image(&target, "lab/app", "v2", &image).await;
    cluster.nodes[number].resume();
    balancer.node_is(&stopped, "push", "up").await;
    push_image(&target, "lab/app", "v3", &image).await;
}

/// A link that swallows everything: connections open, and nothing comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_swallows_requests_costs_a_read_its_timer_and_no_more() {
    let scene = Scene::new(3, agreeable).await;
    let (timer, most) = (Duration::from_secs(1), 5);
    let balancer = scene
        .balancer(|config| {
            super::scene::probed_once(config);
            config.set("upstream", "read_timeout", format!("{}s", timer.as_secs()));
            config.set("health", "passive_down_after", most);
        })
        .await;
    scene.links[0].set_flow(Flow::Stalled);
    let began = tokio::time::Instant::now();
    let target = balancer.target(Offer::Http1);
    for number in 0..20 {
        let blob = format!("/v2/lab/app/blobs/{}", some_blob(number));
        target.send(admin("GET", &blob)).await.expect(200);
    }
    // So many of them at the most wait for their timer: then the node is down.
    let metric = "pilotage_upstream_attempts_total{node=\"node-1\",outcome=\"stalled\"";
    let waited = balancer.metric(metric).await.unwrap();
    assert!((1.0..=f64::from(most)).contains(&waited), "{waited}");
    let slack = Duration::from_secs(15);
    assert!(
        began.elapsed() < timer * most + slack,
        "{:?}",
        began.elapsed()
    );
}
