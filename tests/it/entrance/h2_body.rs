//! Bodies over HTTP/2: how they end, and how much may be under way.

use bytes::Bytes;

use super::raw_h2;
use crate::harness::balancer::config::Config;
use crate::harness::front::Front;
use crate::harness::http::{Request, h2};
use crate::harness::image::digest;
use crate::harness::uploads;

/// Sends a body of unknown length whose last frame is empty, as clients written in Go do.
async fn send(client: &h2::Client, method: &str, path: &str, body: &'static [u8]) -> u16 {
    let sender = client.sender.clone();
    let mut sender = sender.ready().await.unwrap();
    let (response, mut stream) = sender
        .send_request(client.head(method, path), false)
        .unwrap();
    for piece in body.chunks(3) {
        stream.send_data(Bytes::from_static(piece), false).unwrap();
    }
    stream.send_data(Bytes::new(), true).unwrap();
    response.await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_in_an_empty_frame_ends_once_and_leaves_its_node_connection_clean() {
    // One thread has one pool, so every request finds the connection of the one before.
    let change = |config: &mut Config| {
        config.set("", "threads", 1);
        config.set("health", "interval", "60s");
    };
    let front = Front::scripted(1, change, uploads::script).await;
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    let push = uploads::begin(&front.balancer).await;
    let get = Request::get("/v2/_catalog");
    client.send(&get).await.unwrap().expect(200);
    let (seen, before) = (front.seen().len(), front.nodes[0].connections());
    let mut wanted = Vec::new();
    for round in 0..5 {
        let path = format!("/api/v2.0/projects/{round}");
        assert_eq!(send(&client, "PUT", &path, b"0123456789").await, 200);
        let next = format!("/v2/lab/app/tags/list?n={round}");
        client.send(&Request::get(&next)).await.unwrap().expect(200);
        wanted.extend([format!("PUT {path}"), format!("GET {next}")]);
    }
    assert_eq!(send(&client, "PUT", "/api/v2.0/empty", b"").await, 200);
    client.send(&get).await.unwrap().expect(200);
    wanted.extend([
        "PUT /api/v2.0/empty".to_owned(),
        "GET /v2/_catalog".to_owned(),
    ]);
    assert_eq!(
        front.nodes[0].connections(),
        before,
        "the connection is used again"
    );
    // What we carry ourselves has connections of its own, and ends in the same way.
    assert_eq!(
        send(&client, "PUT", "/v2/lab/app/manifests/v1", b"0123456789").await,
        201
    );
    assert_eq!(send(&client, "PATCH", &push, b"0123456789").await, 202);
    client.send(&get).await.unwrap().expect(200);
    let own = "/v2/lab/app/blobs/uploads/own-1?_state=node-state-1";
    wanted.extend([
        "PUT /v2/lab/app/manifests/v1".to_owned(),
        format!("PATCH {own}"),
    ]);
    wanted.push("GET /v2/_catalog".to_owned());
    let seen = front.seen().split_off(seen);
    let lines = seen
        .iter()
        .map(|one| format!("{} {}", one.method, one.target));
    assert_eq!(
        lines.collect::<Vec<_>>(),
        wanted,
        "nothing stands between requests"
    );
    for request in seen.iter().filter(|one| one.method != "GET") {
        let ends = request.body.windows(5).filter(|five| five == b"0\r\n\r\n");
        assert!(ends.count() <= 1, "{}", request.body.escape_ascii());
        let empty = request.target.ends_with("empty");
        let content: &[u8] = if empty { b"" } else { b"0123456789" };
        assert_eq!(request.content(), content, "{}", request.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_over_h2_has_a_window_of_mebibytes_and_arrives_whole() {
    let front = Front::scripted(1, |_| (), uploads::script).await;
    let windows = raw_h2::windows(&front.h2()).await;
    assert!(windows.stream >= 4 << 20, "{windows:?}");
    assert!(windows.connection >= 4 << 20, "{windows:?}");
    let mut body = vec![0; 64 << 20];
    fastrand::fill(&mut body);
    let wanted = digest(&body);
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    for path in [
        uploads::begin(&front.balancer).await,
        "/api/v2.0/large".to_owned(),
    ] {
        let before = front.seen().len();
        let method = if path.contains("uploads") {
            "PATCH"
        } else {
            "PUT"
        };
        let request = Request::new(method, &path)
            .header("Content-Length", &body.len().to_string())
            .body(body.clone());
        let answer = client.send(&request).await.unwrap();
        assert!(
            matches!(answer.status, 200 | 202),
            "{method}: {}",
            answer.text()
        );
        let seen = front.seen().split_off(before);
        assert_eq!(seen.len(), 1, "{method}");
        assert_eq!(digest(&seen[0].content()), wanted, "{method}");
    }
}
