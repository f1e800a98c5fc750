//! Nodes that do not share what Harbor's nodes should share: a push that stays on its node works.

use super::hand::Hand;
use super::stage::{Stage, blob, strangers};
use crate::harness::balancer::field;
use crate::harness::core::Account;
use crate::harness::image::{Image, digest};
use crate::harness::node::Common;

/// So many that they are drawn to more than one node.
const REPOSITORIES: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_secrets_of_their_own_take_pushes() {
    let stage = Stage::with(strangers(Common::Shared), |_| ()).await;
    for number in 0..REPOSITORIES {
        let name = format!("lab/secret-{number}");
        for hand in Hand::both(&stage.balancer, Account::BUILDER, &[&name]).await {
            let content = format!("content of {name}, over h2: {}", hand.is_http2());
            let (first, second) = content.as_bytes().split_at(7);
            let mut upload = hand.start(&name).await;
            for part in [first, second] {
                upload = hand.patch(&upload, part).await;
                let status = hand.get(&upload.path).await.expect(204);
                upload = hand.next(&upload, &status);
            }
            let digest = digest(content.as_bytes());
            hand.send(upload.put(&digest)).await.expect(201);
            assert_eq!(blob(&stage.storage(), &digest), content.as_bytes());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_to_a_node_of_its_own_storage_is_found_at_once() {
    let stage = Stage::of_strangers().await;
    let mut writers = std::collections::BTreeSet::new();
    for number in 0..REPOSITORIES {
        let name = format!("lab/own-{number}");
        for hand in Hand::both(&stage.balancer, Account::BUILDER, &[&name]).await {
            let image = Image::random(&[1_000, 100]);
            let digest = hand.push_image(&name, "v1", &image).await;
            for reference in ["v1", &digest] {
                for method in ["HEAD", "GET"] {
                    let answer = hand.manifest(method, &name, reference).await;
                    answer.expect(200);
                }
            }
            for layer in &image.layers {
                let layer = crate::harness::image::digest(layer);
                let path = format!("/v2/{name}/blobs/{layer}");
                hand.get(&path).await.expect(200);
            }
            let writer = stage.writer("manifest", &name).await;
            blob(&stage.storage_of(&writer), &digest);
            writers.insert(writer);
        }
    }
    assert!(writers.len() > 1, "all pushes went to {writers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_asked_of_the_node_that_wrote_it_even_when_that_drains() {
    let mut stage = Stage::of_strangers().await;
    let name = "lab/drained";
    let [hand, other] = Hand::both(&stage.balancer, Account::BUILDER, &[name]).await;
    let digest = hand.push_image(name, "v1", &Image::small()).await;
    let writer = stage.writer("manifest", name).await;
    stage.drain(&writer).await;
    for hand in [&hand, &other] {
        for reference in ["v1", &digest] {
            hand.manifest("HEAD", name, reference).await.expect(200);
        }
    }
    for record in stage.balancer.access_log() {
        if field(&record, "method") == "HEAD" && field(&record, "route") == "manifest" {
            assert_eq!(field(&record, "node"), writer.as_str(), "{record}");
        }
    }
    // Nothing remembers another tag, and nothing draws it to a node that drains.
    hand.manifest("HEAD", name, "v2").await.expect(404);
    let asked = stage
        .record("the last question", |record| {
            field(record, "reference") == "v2"
        })
        .await;
    assert_ne!(field(&asked, "node"), writer.as_str());
}
