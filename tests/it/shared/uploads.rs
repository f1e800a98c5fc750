//! One upload over several instances, whatever becomes of them and of its node.

use crate::harness::certs::Offer;
use crate::harness::cluster::{Builder, Cluster};
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;
use crate::harness::image::digest;
use crate::harness::link::Door;
use crate::harness::node::Common;
use crate::harness::scripted::location;
use crate::harness::wait::{SOON, until};
use crate::registry::stage::{blob, strangers};
use crate::takeover::courier::Courier;

use super::scene::Scene;

const SIZE: usize = 1_500_000;

fn random(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::fill(&mut bytes);
    bytes
}

fn fresh() -> String {
    format!("lab/t{:012x}", fastrand::u64(..1 << 48))
}

fn patch(upload: &str, content: &[u8]) -> Request {
    Request::new("PATCH", upload).body(content)
}

fn commit(upload: &str, content: &[u8]) -> Request {
    Request::new("PUT", &format!("{upload}&digest={}", digest(content)))
}

/// A node dies with everything it has, and the instances have not heard of it.
async fn kill(scene: &mut Scene, node: usize) {
    scene.cluster.nodes[node].kill();
    scene.cluster.nodes[node]
        .link()
        .set_door(Door::Refusing)
        .await;
}

async fn couriers(scene: &Scene, offer: Offer) -> [Courier; 2] {
    [scene.courier(0, offer).await, scene.courier(1, offer).await]
}

/// What is stored under the digest is the content, and every instance says so.
async fn expect_stored(scene: &Scene, couriers: &[Courier], repository: &str, content: &[u8]) {
    let storage = scene.cluster.scratch.path().join("storage");
    assert!(blob(&storage, &digest(content)) == content);
    let path = format!("/v2/{repository}/blobs/{}", digest(content));
    for courier in couriers {
        courier.send(Request::new("HEAD", &path)).await.expect(200);
    }
}

/// An upload that the first instance began: clients of both, its repository, what is to be sent, and the answer.
async fn begin(scene: &Scene, offer: Offer) -> ([Courier; 2], String, Vec<u8>, Answer) {
    let both = couriers(scene, offer).await;
    let (repository, content) = (fresh(), random(SIZE));
    let begun = both[0].start(&repository).await.expect(202);
    (both, repository, content, begun)
}

/// Every request goes to the other instance than the one before.
#[tokio::test(flavor = "multi_thread")]
async fn any_instance_takes_any_next_request() {
    let scene = Scene::set(2).await;
    for offer in [Offer::Http1, Offer::Http2] {
        let both = couriers(&scene, offer).await;
        let (repository, content) = (fresh(), random(SIZE));
        let mut answer = both[0].start(&repository).await.expect(202);
        for (number, part) in content.chunks(SIZE / 5).enumerate() {
            let turn = &both[(number + 1) % 2];
            answer = turn.send(patch(&location(&answer), part)).await.expect(202);
        }
        let put = commit(&location(&answer), &content);
        both[1].send(put).await.expect(201);
        expect_stored(&scene, &both, &repository, &content).await;
    }
    // The first instance knows the upload from its second PATCH on, the second one from the first.
    let asked = scene.calls(0, "find_upload", "missing").await;
    assert!(asked <= 4.0, "{asked}");
    for instance in 0..2 {
        assert_eq!(scene.calls(instance, "move_upload", "done").await, 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_took_over_is_committed_through_another() {
    let mut scene = Scene::set(2).await;
    let (both, repository, content, begun) = begin(&scene, Offer::Http1).await;
    let holder = scene.holder(0, &repository).await;
    kill(&mut scene, holder).await;
    let taken = both[0]
        .send(patch(&location(&begun), &content))
        .await
        .expect(202);
    assert_eq!(scene.calls(0, "move_upload", "done").await, 1.0);
    let all = scene.redis.everything().await;
    let moved = all.iter().find(|(key, ..)| key.contains(":u:"));
    let (key, value, left) = moved.expect("others are told");
    let size = key.len() + value.len();
    println!("a moved upload takes {size} bytes");
    assert!(
        size < 1000 && (1..=3_600_000).contains(left),
        "{size} {left}"
    );
    assert!(
        !value.contains("node-") && !value.contains("lab/"),
        "{value}"
    );
    both[1]
        .send(commit(&location(&taken), &content))
        .await
        .expect(201);
    expect_stored(&scene, &both, &repository, &content).await;
}

/// The answer that told of the takeover never reached the client.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_address_at_another_instance_gets_a_fresh_session() {
    let mut scene = Scene::set(2).await;
    let (both, repository, content, begun) = begin(&scene, Offer::Http1).await;
    let old = location(&begun);
    let holder = scene.holder(0, &repository).await;
    kill(&mut scene, holder).await;
    both[0].send(patch(&old, &content)).await.expect(202);
    // The first node comes back, with its session as empty as it was: nobody may write it now.
    scene.cluster.nodes[holder].start_again().await;
    scene.cluster.nodes[holder].link().heal().await;
    for instance in &scene.instances {
        instance.all_up(3).await;
    }
    let again = both[1].send(patch(&old, &content)).await.expect(202);
    let id = |answer: &Answer| answer.header("docker-upload-uuid").unwrap().to_owned();
    assert_eq!(id(&again), id(&begun), "behind the same id");
    assert_eq!(scene.calls(1, "find_upload", "done").await, 1.0);
    let taken = until("the other instance opened a session", SOON, async || {
        let log = scene.instances[1].log();
        let line = log
            .into_iter()
            .find(|line| line.to_string().contains("upload taken over"));
        line.map(|line| line.to_string())
    })
    .await;
    assert!(taken.contains("\"reason\":\"address\""), "{taken}");
    both[0]
        .send(commit(&location(&again), &content))
        .await
        .expect(201);
    expect_stored(&scene, &both, &repository, &content).await;
}

/// A client that asks how far it came hears of what another instance has done.
#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_a_moved_upload_is_known_to_all() {
    let mut scene = Scene::set(2).await;
    let both = couriers(&scene, Offer::Http1).await;
    let (repository, content) = (fresh(), random(SIZE));
    let half = &content[..SIZE / 2];
    let begun = both[0].start(&repository).await.expect(202);
    let holder = scene.holder(0, &repository).await;
    kill(&mut scene, holder).await;
    both[0]
        .send(patch(&location(&begun), half))
        .await
        .expect(202);
    let told = both[1]
        .send(Request::get(&location(&begun)))
        .await
        .expect(204);
    let range = format!("0-{}", SIZE / 2 - 1);
    assert_eq!(told.header("range"), Some(range.as_str()));
}

async fn killed_between(scene: &mut Scene, offer: Offer) {
    let (both, repository, content, begun) = begin(scene, offer).await;
    let patched = both[0]
        .send(patch(&location(&begun), &content))
        .await
        .expect(202);
    scene.instances[0].process.kill();
    both[1]
        .send(commit(&location(&patched), &content))
        .await
        .expect(201);
    let rest = std::slice::from_ref(&both[1]);
    expect_stored(scene, rest, &repository, &content).await;
    scene.instances[0].restart().await;
    scene.instances[0].all_up(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_killed_between_two_requests_is_not_missed() {
    let mut scene = Scene::set(2).await;
    for offer in [Offer::Http1, Offer::Http2] {
        killed_between(&mut scene, offer).await;
    }
}

/// The client's connection dies with the instance; it sends the same request again, from its first byte.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_instance_was_killed_in_mid_patch_the_client_goes_on_elsewhere() {
    let mut scene = Scene::set(2).await;
    let (both, repository, content, begun) = begin(&scene, Offer::Http1).await;
    let upload = location(&begun);
    let mut sending = both[0]
        .begin(Request::new("PATCH", &upload), Some(SIZE))
        .await;
    sending.send(&content[..SIZE / 2]).await;
    scene.instances[0].process.kill();
    sending.try_answer().await.unwrap_err();
    let again = both[1].send(patch(&upload, &content)).await.expect(202);
    both[1]
        .send(commit(&location(&again), &content))
        .await
        .expect(201);
    let rest = std::slice::from_ref(&both[1]);
    expect_stored(&scene, rest, &repository, &content).await;
}

/// The instance with the bytes is gone, and so is the node with the session.
async fn both_lost(nodes: Builder, shared: bool) -> (Scene, [Courier; 2], Answer, Vec<u8>) {
    let mut scene = Scene::with(2, nodes, |config| {
        config.set("affinity", "shared_storage", shared);
        config.set("retry", "patience", "2s");
    })
    .await;
    let (both, repository, content, begun) = begin(&scene, Offer::Http1).await;
    let patched = both[0]
        .send(patch(&location(&begun), &content))
        .await
        .expect(202);
    let holder = scene.holder(0, &repository).await;
    scene.instances[0].process.kill();
    kill(&mut scene, holder).await;
    (scene, both, patched, content)
}

#[tokio::test(flavor = "multi_thread")]
async fn where_storage_is_shared_another_node_goes_on_with_the_same_session() {
    let (scene, both, patched, content) = both_lost(Cluster::builder(), true).await;
    both[1]
        .send(commit(&location(&patched), &content))
        .await
        .expect(201);
    let storage = scene.cluster.scratch.path().join("storage");
    assert!(blob(&storage, &digest(&content)) == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn else_each_client_reads_what_makes_it_begin_again() {
    for (nodes, shared) in [
        (Cluster::builder(), false),
        (strangers(Common::Own), false),
        // Declared, and not true: the other node says that it does not know the upload.
        (strangers(Common::Own), true),
    ] {
        let (_scene, both, patched, content) = both_lost(nodes, shared).await;
        for (agent, status, code) in [
            ("skopeo/1.9.3", 503, "UNAVAILABLE"),
            ("docker/20.10.24 go/go1.19", 404, "BLOB_UPLOAD_UNKNOWN"),
        ] {
            let put = commit(&location(&patched), &content).header("User-Agent", agent);
            let refused = both[1].send(put).await.expect(status);
            assert_eq!(refused.error_code(), code);
        }
    }
}

/// Each node shows only what it took itself; the reader asks the instance that did not carry the push.
#[tokio::test(flavor = "multi_thread")]
async fn who_wrote_what_just_now_is_known_to_all() {
    let scene = Scene::with(2, strangers(Common::Own), |_| ()).await;
    let both = couriers(&scene, Offer::Http1).await;
    for number in 0..6 {
        let (repository, content) = (fresh(), random(2_000));
        let begun = both[0].start(&repository).await.expect(202);
        let put = commit(&location(&begun), &content).body(content.clone());
        both[0].send(put).await.expect(201);
        until("it is noted", SOON, async || {
            let noted = scene.calls(0, "note_write", "done").await;
            (noted >= f64::from(number + 1)).then_some(())
        })
        .await;
        let path = format!("/v2/{repository}/blobs/{}", digest(&content));
        for request in [Request::new("HEAD", &path), Request::get(&path)] {
            both[1].send(request).await.expect(200);
        }
    }
    // What nobody has is not there, and one question tells.
    let before = scene.calls(1, "find_write", "missing").await;
    let path = format!("/v2/lab/none/blobs/{}", digest(b"nothing"));
    both[1].send(Request::new("HEAD", &path)).await.expect(404);
    assert_eq!(scene.calls(1, "find_write", "missing").await, before + 1.0);
}
