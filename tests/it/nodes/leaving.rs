//! What clients do never counts against a node.

use super::scene::{Scene, agreeable, probed_once};
use super::work::{admin, next, patch, publish, some_blob, start_upload};
use crate::harness::balancer::{Balancer, field};
use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::http::Target;
use crate::harness::recorder::answer;
use crate::harness::wait::{SOON, until};

/// So that a single wrong count shows.
fn touchy(config: &mut crate::harness::balancer::config::Config) {
    probed_once(config);
    config.set("health", "passive_down_after", 1);
}

async fn assert_untouched(balancer: &Balancer, count: usize) {
    balancer.all_up(count).await;
    let changed = balancer.log().into_iter().filter(|line| {
        field(line, "message") == "node standing changed" && field(line, "to") != "up"
    });
    assert_eq!(changed.collect::<Vec<_>>(), Vec::<serde_json::Value>::new());
}

async fn abort_download(target: &Target, number: usize) {
    let path = format!("/v2/lab/app/blobs/{}", some_blob(number));
    let mut connection = target.connect().await.unwrap();
    connection
        .write(&admin("GET", &path).bytes(&target.authority))
        .await
        .unwrap();
    assert_eq!(connection.answer_head().await.unwrap().status, 200);
    assert!(!connection.body(1_000).await.unwrap().is_empty());
}

async fn abort_upload(target: &Target, number: usize) {
    let request = if number.is_multiple_of(2) {
        publish("lab/app", "v1", b"")
    } else {
        let repository = format!("lab/app-{number}");
        let started = target.send(start_upload(&repository)).await.expect(202);
        patch(&next(&started), b"")
    };
    let mut connection = target.connect().await.unwrap();
    let head = request.header("Content-Length", "1000000");
    connection
        .write(head.head(&target.authority).as_bytes())
        .await
        .unwrap();
    connection.write(&vec![b' '; 100_000]).await.unwrap();
    if number.is_multiple_of(3) {
        connection.finish().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_clients_that_leave_in_mid_transfer_leave_their_nodes_up() {
    let body = "x".repeat(8_000_000);
    let scene = Scene::new(2, move |request| match request.method.as_str() {
        "GET" => answer(200, &[], &body),
        _ => agreeable(request),
    })
    .await;
    let balancer = scene.balancer(touchy).await;
    let target = balancer.target(Offer::Http1);
    for number in 0..50 {
        abort_download(&target, number).await;
        abort_upload(&target, number).await;
    }
    until("a hundred clients have left", SOON, async || {
        let records = balancer.access_log();
        let left = records
            .iter()
            .filter(|record| field(record, "outcome") == "client_left");
        (left.count() == 100).then_some(())
    })
    .await;
    assert_untouched(&balancer, 2).await;
    assert!(
        scene.counts().iter().all(|count| *count > 5),
        "{:?}",
        scene.counts()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_500_for_what_is_no_manifest_is_passed_on_and_counts_against_nobody() {
    let refusal = "{\"errors\":[{\"code\":\"UNKNOWN\",\"message\":\"internal server error\"}]}";
    let json = ("Content-Type", "application/json; charset=utf-8");
    let scene = Scene::new(2, move |_| answer(500, &[json], refusal)).await;
    let balancer = scene.balancer(touchy).await;
    let target = balancer.target(Offer::Http1);
    for number in 0..30 {
        let request = publish(&format!("lab/app-{number}"), "v1", b"no manifest");
        let answer = target.send(request).await.expect(500);
        assert_eq!(answer.text(), refusal);
    }
    // Another node may be asked whether it says the same.
    let asked = scene.counts().iter().sum::<usize>();
    assert!((30..=120).contains(&asked), "{asked}");
    assert_untouched(&balancer, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_for_real_nodes_counts_against_nobody() {
    let mut cluster = Cluster::builder().nodes(2).start().await;
    let balancer = Balancer::before(&mut cluster, touchy).await;
    let target = balancer.target(Offer::Http1);
    // At one time, because a manifest of blobs that no node knows is tried for seconds.
    let all = (0..10).map(async |number| {
        let repository = format!("lab/app-{number}");
        for body in ["", "{}", "no manifest", "{\"schemaVersion\":2}"] {
            let status = target
                .send(publish(&repository, "v1", body.as_bytes()))
                .await
                .status;
            assert!((400..=500).contains(&status), "{body}: {status}");
        }
        for path in [
            "/v2/nothing/here/manifests/v1",
            "/v2/lab/nothing/blobs/sha256:1",
        ] {
            let status = target.send(admin("GET", path)).await.status;
            assert!((400..500).contains(&status), "{path}: {status}");
        }
    });
    futures_util::future::join_all(all).await;
    assert_untouched(&balancer, 2).await;
}
