//! Who gets how much, and what is drawn to one node.

use super::scene::{Scene, agreeable, name, number};
use super::work::{admin, ask, commit, next, node, patch, publish, some_blob, start_upload};
use crate::harness::balancer::Balancer;
use crate::harness::certs::Offer;
use crate::harness::image::digest;

async fn read_blobs(balancer: &Balancer, count: usize) {
    let target = balancer.target(Offer::Http1);
    for number in 0..count {
        let path = format!("/v2/lab/app/blobs/{}", some_blob(number));
        target.send(admin("GET", &path)).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_of_one_repository_are_read_from_all_nodes_alike() {
    let scene = Scene::new(3, agreeable).await;
    let balancer = scene.balancer(|_| ()).await;
    read_blobs(&balancer, 300).await;
    let counts = scene.counts();
    assert_eq!(counts.iter().sum::<usize>(), 300);
    assert!(counts.iter().all(|count| *count >= 60), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_gets_as_much_as_its_weight_says() {
    let scene = Scene::new(2, agreeable).await;
    let balancer = scene
        .balancer(|config| {
            config.set_node(&name(0), "weight", 10);
            config.set_node(&name(1), "weight", 100);
        })
        .await;
    read_blobs(&balancer, 300).await;
    let counts = scene.counts();
    // One in eleven; five standard deviations to each side.
    assert!((3..=52).contains(&counts[0]), "{counts:?}");
    assert_eq!(counts[0] + counts[1], 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_just_written_is_read_from_its_writer() {
    let scene = Scene::new(3, agreeable).await;
    let balancer = scene.balancer(|_| ()).await;
    let mut writers = std::collections::BTreeSet::new();
    for round in 0..6 {
        let repository = format!("lab/app-{round}");
        let bytes = format!("bytes of {round}");
        let blob = digest(bytes.as_bytes());
        let (started, record) = ask(&balancer, start_upload(&repository)).await;
        let writer = node(&record);
        let (patched, _) = ask(&balancer, patch(&next(&started), bytes.as_bytes())).await;
        let (done, record) = ask(&balancer, commit(&next(&patched), &blob)).await;
        done.expect(201);
        assert_eq!(node(&record), writer);
        for method in ["HEAD", "GET", "GET", "GET", "GET"] {
            let path = format!("/v2/{repository}/blobs/{blob}");
            let (_, record) = ask(&balancer, admin(method, &path)).await;
            assert_eq!(node(&record), writer, "{method} of what {writer} wrote");
        }
        writers.insert(writer);
    }
    assert!(writers.len() > 1, "all repositories are drawn to one node");
}

/// The repository is drawn to one node, and another one wrote.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_just_written_is_looked_for_at_its_writer() {
    let mut scene = Scene::new(3, agreeable).await;
    let balancer = scene.balancer(|_| ()).await;
    let read = |tag: &str| admin("HEAD", &format!("/v2/lab/app/manifests/{tag}"));
    let (_, record) = ask(&balancer, read("v1")).await;
    let usual = node(&record);
    scene.links[number(&usual)].vanish().await;
    balancer.node_is(&usual, "push", "down").await;
    let (done, record) = ask(&balancer, publish("lab/app", "v1", b"{}")).await;
    done.expect(201);
    let writer = node(&record);
    scene.links[number(&usual)].heal().await;
    balancer.all_up(3).await;
    for reference in ["v1", &digest(b"{}"), "v1"] {
        let (_, record) = ask(&balancer, read(reference)).await;
        assert_eq!(node(&record), writer, "{reference}");
    }
    let (_, record) = ask(&balancer, read("v0")).await;
    assert_eq!(
        node(&record),
        usual,
        "what was not written is where it always was"
    );
}
