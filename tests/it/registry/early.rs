//! Answers that come before the body was sent, and bodies that wait to be asked for.

use bytes::Bytes;

use super::hand::Hand;
use super::stage::Stage;
use crate::harness::certs::Offer;
use crate::harness::core::{Account, Injection, RequestBody};
use crate::harness::http::Request;
use crate::harness::image::digest;

const RUNS: usize = 8;
const LARGE: usize = 24 << 20;

/// An upload whose credentials ran out, and its large body.
fn unauthorized(path: &str) -> Request {
    Request::new("PATCH", path)
        .header("Authorization", "Bearer expired")
        .header("Content-Type", "application/octet-stream")
        .body(Bytes::from(vec![7; LARGE]))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_401_reaches_a_client_that_is_still_sending() {
    let stage = Stage::set().await;
    for hand in Hand::both(&stage.balancer, Account::BUILDER, &["lab/early"]).await {
        let upload = hand.start("lab/early").await;
        for run in 0..RUNS {
            let answer = hand.send(unauthorized(&upload.path)).await;
            let about = format!("run {run}, h2: {}", hand.is_http2());
            assert_eq!(answer.status, 401, "{about}: {}", answer.text());
            assert_eq!(answer.error_code(), "UNAUTHORIZED", "{about}");
            assert!(answer.complete, "{about}");
            assert!(answer.header("www-authenticate").is_some());
        }
        // The upload, and over HTTP/2 the connection, is as it was.
        let upload = hand.patch(&upload, b"bytes").await;
        hand.send(upload.put(&digest(b"bytes"))).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_404_of_ours_reaches_a_client_that_is_still_sending() {
    let stage = Stage::set().await;
    for hand in Hand::both(&stage.balancer, Account::BUILDER, &["lab/early"]).await {
        let upload = hand.start("lab/early").await;
        for run in 0..RUNS {
            let patch = unauthorized(&upload.forged("stale").path);
            let answer = hand.send(patch).await;
            assert_eq!(answer.status, 404, "run {run}: {}", answer.text());
            assert_eq!(answer.error_code(), "BLOB_UPLOAD_UNKNOWN");
        }
        hand.get(&upload.path).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_refuses_without_reading_is_heard() {
    let stage = Stage::set().await;
    let refusal = r#"{"errors":[{"code":"DENIED","message":"the quota is used up"}]}"#;
    for hand in Hand::both(&stage.balancer, Account::BUILDER, &["lab/full"]).await {
        for run in 0..RUNS {
            let upload = hand.start("lab/full").await;
            for node in &stage.cluster.nodes {
                let mut injection = Injection::once("PATCH", "/v2/lab/full/", 403, refusal);
                injection.request_body = RequestBody::Ignored;
                node.inject(injection).await;
            }
            let patch = Request::new("PATCH", &upload.path).body(vec![7; LARGE]);
            let answer = hand.send(patch).await;
            assert_eq!(answer.status, 403, "run {run}: {}", answer.text());
            assert_eq!(answer.text(), refusal);
            for node in &stage.cluster.nodes {
                node.switch(|switches| switches.injections.clear()).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_for_100_continue_gets_it_and_is_served() {
    let stage = Stage::set().await;
    let [hand, _] = Hand::both(&stage.balancer, Account::BUILDER, &["lab/expects"]).await;
    let target = stage.balancer.target(Offer::Http1);
    let content = vec![7; 100_000];
    let upload = hand.start("lab/expects").await;
    let path = upload.put(&digest(&content)).path;
    let put = |length: usize| {
        Request::new("PUT", &path)
            .header("Expect", "100-continue")
            .header("Content-Length", &length.to_string())
    };
    // Without credentials the answer comes at once, and instead of the body.
    let mut connection = target.connect().await.unwrap();
    let head = put(LARGE).head(&target.authority);
    connection.write(head.as_bytes()).await.unwrap();
    let refused = connection.answer("PUT").await.unwrap();
    assert_eq!(refused.status, 401, "{}", refused.text());
    // Whatever ends the connection, nothing more is said on it.
    let rest = connection.body(1).await.unwrap_or_default();
    assert_eq!(rest, b"");

    let mut connection = target.connect().await.unwrap();
    let head = put(content.len()).basic("builder", "Builder12345");
    let head = head.head(&target.authority);
    connection.write(head.as_bytes()).await.unwrap();
    let interim = connection.answer_head().await.unwrap();
    assert_eq!(interim.status, 100);
    connection.write(&content).await.unwrap();
    connection.answer("PUT").await.unwrap().expect(201);
    let blob = format!("/v2/lab/expects/blobs/{}", digest(&content));
    assert_eq!(hand.get(&blob).await.expect(200).body, content);
}
