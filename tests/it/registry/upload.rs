//! Whole pushes of a blob, in each form a client may choose.

use super::hand::Hand;
use super::stage::{Stage, blob};
use crate::harness::core::Account;
use crate::harness::http::Request;
use crate::harness::image::digest;

fn content(size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    fastrand::fill(&mut content);
    content
}

/// What every finished push has to come to.
async fn expect_blob(stage: &Stage, hand: &Hand, repository: &str, content: &[u8]) {
    let digest = digest(content);
    assert_eq!(blob(&stage.storage(), &digest), content);
    let booked = stage.cluster.database.booked_size(&digest);
    assert_eq!(booked, u64::try_from(content.len()).ok());
    let path = format!("/v2/{repository}/blobs/{digest}");
    let head = hand.send(Request::new("HEAD", &path)).await.expect(200);
    let length = content.len().to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    let answer = hand.get(&path).await.expect(200);
    assert_eq!(answer.body, content);
    assert!(answer.complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_pushed_by_post_patch_and_put() {
    let stage = Stage::set().await;
    for hand in Hand::both(&stage.balancer, Account::BUILDER, &["lab/patch"]).await {
        let content = content(3_000_000);
        let digest = digest(&content);
        let started = hand.start("lab/patch").await;
        let patch = Request::new("PATCH", &started.path).body(content.clone());
        let answer = hand.send(patch).await.expect(202);
        assert_eq!(answer.header("range"), Some("0-2999999"));
        let patched = hand.next(&started, &answer);
        let answer = hand.send(patched.put(&digest)).await.expect(201);
        assert_eq!(hand.path(&answer), format!("/v2/lab/patch/blobs/{digest}"));
        assert_eq!(
            answer.header("docker-content-digest"),
            Some(digest.as_str())
        );
        expect_blob(&stage, &hand, "lab/patch", &content).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_pushed_by_post_and_a_single_put() {
    let stage = Stage::set().await;
    for hand in Hand::both(&stage.balancer, Account::BUILDER, &["lab/single"]).await {
        for content in [content(2_000_000), content(1)] {
            let digest = digest(&content);
            let upload = hand.start("lab/single").await;
            let put = upload.put(&digest).body(content.clone());
            let answer = hand.send(put).await.expect(201);
            let path = format!("/v2/lab/single/blobs/{digest}");
            assert_eq!(hand.path(&answer), path);
            expect_blob(&stage, &hand, "lab/single", &content).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_pieces_keeps_its_id_and_tells_its_progress() {
    let stage = Stage::set().await;
    for hand in Hand::both(&stage.balancer, Account::BUILDER, &["lab/pieces"]).await {
        let content = content(500_000);
        let mut upload = hand.start("lab/pieces").await;
        let mut states = vec![upload.state().to_owned()];
        let mut sent = 0;
        for piece in content.chunks(200_000) {
            let last = sent + piece.len() - 1;
            let patch = Request::new("PATCH", &upload.path)
                .header("Content-Type", "application/octet-stream")
                .header("Content-Range", &format!("{sent}-{last}"))
                .body(piece);
            let answer = hand.send(patch).await.expect(202);
            let range = format!("0-{last}");
            assert_eq!(answer.header("range"), Some(range.as_str()));
            upload = hand.next(&upload, &answer);
            for method in ["GET", "HEAD"] {
                let question = Request::new(method, &upload.path);
                let answer = hand.send(question).await.expect(204);
                assert_eq!(answer.header("range"), Some(range.as_str()));
                upload = hand.next(&upload, &answer);
            }
            states.push(upload.state().to_owned());
            sent = last + 1;
        }
        states.dedup();
        assert_eq!(states.len(), 4, "an old address was given again");
        let digest = digest(&content);
        hand.send(upload.put(&digest)).await.expect(201);
        expect_blob(&stage, &hand, "lab/pieces", &content).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_of_unknown_length_arrives_whole() {
    let stage = Stage::set().await;
    let [hand, _] = Hand::both(&stage.balancer, Account::BUILDER, &["lab/chunked"]).await;
    let content = content(700_000);
    let mut framed = Vec::new();
    for piece in content.chunks(99_999) {
        framed.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        framed.extend_from_slice(piece);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    let started = hand.start("lab/chunked").await;
    let patch = Request::new("PATCH", &started.path)
        .header("Transfer-Encoding", "chunked")
        .body(framed);
    let answer = hand.send(patch).await.expect(202);
    assert_eq!(answer.header("range"), Some("0-699999"));
    let patched = hand.next(&started, &answer);
    hand.send(patched.put(&digest(&content))).await.expect(201);
    expect_blob(&stage, &hand, "lab/chunked", &content).await;
}
