//! A node has all it can take: the excess waits, in a bounded queue and for a bounded time.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::scene::{Scene, agreeable, number, probed_once};
use super::work::{admin, ask, assert_unavailable, next, node, patch, some_blob, start_upload};
use crate::harness::balancer::Balancer;
use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;
use crate::harness::link::Flow;
use crate::harness::wait::{SOON, found, until};

fn send(balancer: &Balancer, request: Request) -> JoinHandle<Answer> {
    let target = balancer.target(Offer::Http1);
    tokio::spawn(async move { target.send(request).await })
}

fn read(balancer: &Balancer, number: usize) -> JoinHandle<Answer> {
    let path = format!("/v2/lab/app/blobs/{}", some_blob(number));
    send(balancer, admin("GET", &path))
}

async fn in_flight(balancer: &Balancer, number: usize, count: u64) {
    until("so many requests are under way", SOON, async || {
        let nodes = balancer.nodes().await;
        (nodes[number]["requests_in_flight"] == count).then_some(())
    })
    .await;
}

/// Two nodes that take one request each; others wait for so long.
async fn crowded(queue_timeout: &str) -> (Scene, Balancer) {
    let scene = Scene::new(2, agreeable).await;
    let balancer = scene
        .balancer(|config| {
            probed_once(config);
            config.set("placement", "node_in_flight", 1);
            config.set("placement", "queue_timeout", queue_timeout);
        })
        .await;
    (scene, balancer)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_excess_waits_in_a_queue_and_what_finds_it_full_is_refused_at_once() {
    let scene = Scene::new(1, agreeable).await;
    let balancer = scene
        .balancer(|config| {
            probed_once(config);
            config.set("placement", "node_in_flight", 2);
            config.set("placement", "queue_length", 3);
            config.set("placement", "queue_timeout", "2m");
        })
        .await;
    scene.links[0].set_flow(Flow::Stalled);
    // Many at once: only who looks and takes in one step keeps to the limit.
    let all = (0..40)
        .map(|number| read(&balancer, number))
        .collect::<Vec<_>>();
    until("all but five are refused", SOON, async || {
        (all.iter().filter(|one| one.is_finished()).count() == 35).then_some(())
    })
    .await;
    in_flight(&balancer, 0, 2).await;
    let brief = Duration::from_millis(200);
    let more = found(brief, async || {
        (all.iter().filter(|one| one.is_finished()).count() > 35).then_some(())
    });
    assert!(more.await.is_none(), "one more did not wait");
    scene.links[0].set_flow(Flow::Open);
    let (mut served, mut refused) = (0, 0);
    for one in all {
        let answer = one.await.unwrap();
        if answer.status == 200 {
            served += 1;
        } else {
            assert_unavailable(&answer);
            refused += 1;
        }
    }
    assert_eq!((served, refused), (5, 35));
    assert_eq!(scene.counts(), [5]);
    let full = balancer
        .metric("pilotage_placement_waits_total{outcome=\"queue_full\"")
        .await;
    assert_eq!(full, Some(35.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_room_has_an_end_and_the_others_are_served() {
    // Long enough that room which is given at once is taken in time.
    let patience = Duration::from_secs(3);
    let (scene, balancer) = crowded("3s").await;
    for link in &scene.links {
        link.set_flow(Flow::Stalled);
    }
    let taken = [read(&balancer, 0), read(&balancer, 1)];
    in_flight(&balancer, 0, 1).await;
    in_flight(&balancer, 1, 1).await;
    let began = tokio::time::Instant::now();
    assert_unavailable(&read(&balancer, 2).await.unwrap());
    let took = began.elapsed();
    assert!(took >= patience && took < patience * 6, "{took:?}");
    let waiting = read(&balancer, 3);
    // One that is free again is enough.
    scene.links[0].set_flow(Flow::Open);
    waiting.await.unwrap().expect(200);
    scene.links[1].set_flow(Flow::Open);
    for one in taken {
        one.await.unwrap().expect(200);
    }
}

/// Its node alone knows an upload: it waits there while others would be free.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_waits_for_its_own_node() {
    let (scene, balancer) = crowded("2m").await;
    let (started, record) = ask(&balancer, start_upload("lab/app")).await;
    let (upload, home) = (next(&started.expect(202)), number(&node(&record)));
    scene.links[home].set_flow(Flow::Stalled);
    let first = send(&balancer, patch(&upload, b"some bytes"));
    in_flight(&balancer, home, 1).await;
    let second = send(&balancer, patch(&upload, b"more bytes"));
    let brief = Duration::from_millis(300);
    assert!(
        found(brief, async || second.is_finished().then_some(()))
            .await
            .is_none()
    );
    scene.links[home].set_flow(Flow::Open);
    first.await.unwrap().expect(202);
    second.await.unwrap().expect(202);
    assert_eq!(scene.counts()[1 - home], 0);
}

/// The cap counts what an upload sends as well as what is read.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_wait_for_room_on_their_own_node() {
    let (scene, balancer) = crowded("2m").await;
    let mut uploads = Vec::new();
    for _ in 0..2 {
        // Of one repository, so that both live on the node that it is drawn to.
        let (started, record) = ask(&balancer, start_upload("lab/app")).await;
        uploads.push((next(&started.expect(202)), number(&node(&record))));
    }
    let home = uploads[0].1;
    assert_eq!(uploads[1].1, home);
    scene.links[home].set_flow(Flow::Stalled);
    let first = send(&balancer, patch(&uploads[0].0, b"some bytes"));
    in_flight(&balancer, home, 1).await;
    let second = send(&balancer, patch(&uploads[1].0, b"more bytes"));
    let brief = Duration::from_millis(300);
    let two = async || {
        let nodes = balancer.nodes().await;
        (nodes[home]["requests_in_flight"] != 1).then_some(())
    };
    assert!(found(brief, two).await.is_none(), "the second did not wait");
    scene.links[home].set_flow(Flow::Open);
    first.await.unwrap().expect(202);
    second.await.unwrap().expect(202);
    assert_eq!(scene.counts()[1 - home], 0);
}
