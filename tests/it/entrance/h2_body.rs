//! Bodies over HTTP/2: how they end, and how much may be under way.

use bytes::Bytes;

use super::raw_h2;
use crate::harness::front::Front;
use crate::harness::http::{Request, h2};
use crate::harness::image::digest;

/// Sends an upload of unknown length whose last frame is empty, as clients written in Go do.
async fn upload(client: &h2::Client, path: &str, body: &'static [u8]) -> u16 {
    let sender = client.sender.clone();
    let mut sender = sender.ready().await.unwrap();
    let (response, mut stream) = sender
        .send_request(client.head("PUT", path), false)
        .unwrap();
    for piece in body.chunks(3) {
        stream.send_data(Bytes::from_static(piece), false).unwrap();
    }
    stream.send_data(Bytes::new(), true).unwrap();
    response.await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_ends_in_an_empty_frame_ends_once_and_leaves_its_node_connection_clean() {
    // One thread has one pool, so every request finds the connection of the one before.
    let front = Front::start(|config| {
        config.set("", "threads", 1);
        config.set("health", "interval", "60s");
    })
    .await;
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    client
        .send(&Request::get("/v2/_catalog"))
        .await
        .unwrap()
        .expect(200);
    let before = front.nodes[0].connections();
    let mut wanted = vec!["GET /v2/_catalog".to_owned()];
    for round in 0..5 {
        let path = format!("/v2/lab/app/manifests/v{round}");
        assert_eq!(upload(&client, &path, b"0123456789").await, 200);
        let next = format!("/v2/lab/app/tags/list?n={round}");
        client.send(&Request::get(&next)).await.unwrap().expect(200);
        wanted.extend([format!("PUT {path}"), format!("GET {next}")]);
    }
    assert_eq!(
        upload(&client, "/v2/lab/app/manifests/empty", b"").await,
        200
    );
    wanted.push("PUT /v2/lab/app/manifests/empty".to_owned());
    client
        .send(&Request::get("/v2/_catalog"))
        .await
        .unwrap()
        .expect(200);
    wanted.push("GET /v2/_catalog".to_owned());
    let seen = front.seen();
    let lines = seen
        .iter()
        .map(|one| format!("{} {}", one.method, one.target));
    assert_eq!(
        lines.collect::<Vec<_>>(),
        wanted,
        "nothing stands between requests"
    );
    assert_eq!(
        front.nodes[0].connections(),
        before,
        "the connection is used again"
    );
    for request in seen.iter().filter(|one| one.method == "PUT") {
        let ends = request.body.windows(5).filter(|five| five == b"0\r\n\r\n");
        if request.target.ends_with("empty") {
            assert_eq!(request.content(), b"");
        } else {
            assert_eq!(ends.count(), 1, "{}", request.body.escape_ascii());
            assert_eq!(request.content(), b"0123456789");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_over_h2_has_a_window_of_mebibytes_and_arrives_whole() {
    let front = Front::start(|_| ()).await;
    let windows = raw_h2::windows(&front.h2()).await;
    assert!(windows.stream >= 4 << 20, "{windows:?}");
    assert!(windows.connection >= 4 << 20, "{windows:?}");
    let mut body = vec![0; 64 << 20];
    fastrand::fill(&mut body);
    let wanted = digest(&body);
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    let request = Request::new("PUT", "/v2/lab/app/manifests/large")
        .header("Content-Length", &body.len().to_string())
        .body(body);
    client.send(&request).await.unwrap().expect(200);
    let seen = front.seen();
    assert_eq!(seen[0].values("content-length"), [(64 << 20).to_string()]);
    assert_eq!(digest(&seen[0].content()), wanted);
}
