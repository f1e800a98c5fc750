//! Nothing stays open for ever: each way of doing nothing ends within its limit, and whoever goes
//! on, however slowly, is left alone.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};

use super::{SLACK, closed, counts};
use crate::harness::balancer::field;
use crate::harness::front::Front;
use crate::harness::http::{Connection, Request, Target, h2};
use crate::harness::load::Trickle;
use crate::harness::uploads::{begin, blob, with_blob};
use crate::harness::wait::until;

const HANDSHAKE: Duration = Duration::from_secs(2);
const HEADER: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(2);
const CLIENT: Duration = Duration::from_secs(2);

/// Short limits, and a node with a long blob.
async fn front(length: usize) -> Front {
    patient(length, 1).await
}

/// The same with so many times as much patience.
async fn patient(length: usize, times: u32) -> Front {
    let change = |config: &mut crate::harness::balancer::config::Config| {
        let limits = [
            ("handshake_timeout", HANDSHAKE),
            ("header_timeout", HEADER),
            ("idle_timeout", IDLE),
            ("client_timeout", CLIENT),
        ];
        for (key, limit) in limits {
            config.set("limits", key, format!("{}s", (limit * times).as_secs()));
        }
    };
    Front::scripted(1, change, with_blob(length)).await
}

/// It ended when its time was over, and not before. The time is taken from before the last thing that the client
/// did, so that no pause of the client's own makes it shorter. The exact limits are tried on a clock that tests hold.
#[track_caller]
fn assert_limit(what: &str, took: Duration, limit: Duration) {
    let (least, most) = (limit.mul_f64(0.9), limit + Duration::from_secs(8));
    assert!(
        least <= took && took <= most,
        "{what}: {took:?} for a limit of {limit:?}"
    );
}

/// Writes one byte at a time until the other side has had enough.
async fn drip(connection: &mut Connection, bytes: &[u8]) -> Duration {
    let begin = Instant::now();
    let mut ticks = interval(Duration::from_millis(300));
    for byte in bytes.iter().cycle() {
        ticks.tick().await;
        let gone = connection.write(&[*byte]).await.is_err();
        let quiet = timeout(Duration::from_millis(1), connection.body(1)).await;
        if gone || quiet.is_ok() {
            break;
        }
        assert!(begin.elapsed() < SLACK, "still open");
    }
    begin.elapsed()
}

async fn silent_socket(target: &Target, first: &[u8]) -> Duration {
    let begin = Instant::now();
    let mut socket = TcpStream::connect(target.address).await.unwrap();
    socket.write_all(first).await.unwrap();
    let mut rest = Vec::new();
    let waiting = timeout(SLACK, socket.read_to_end(&mut rest)).await;
    assert!(waiting.is_ok(), "still open");
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_is_let_go() {
    let front = front(1).await;
    let (h1, h2, plain) = (front.h1(), front.h2(), front.plain());
    let idle = async |target: &Target, first: &[u8]| {
        let begin = Instant::now();
        let mut connection = target.connect().await.unwrap();
        connection.write(first).await.unwrap();
        closed(&mut connection).await;
        begin.elapsed()
    };
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let (tls, half_tls, h1_idle, h2_idle, h2_quiet, plain_idle) = tokio::join!(
        silent_socket(&h1, b""),
        silent_socket(&h1, b"\x16\x03\x01\x01"),
        idle(&h1, b""),
        idle(&h2, b""),
        idle(&h2, preface),
        silent_socket(&plain, b""),
    );
    assert_limit("silent before TLS", tls, HANDSHAKE);
    assert_limit("half a hello", half_tls, HANDSHAKE);
    assert_limit("silent after TLS", h1_idle, IDLE);
    assert_limit("silent after TLS for h2", h2_idle, IDLE);
    assert_limit("silent after the preface", h2_quiet, IDLE);
    assert_limit("silent on the plain port", plain_idle, IDLE);
    let timed_out = "pilotage_edge_tls_handshakes_total{outcome=\"timed_out\"}";
    counts(&front.balancer, timed_out, 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_request_is_let_go() {
    let front = front(1).await;
    let (h1, h2) = (front.h1(), front.h2());
    let request = Request::get("/v2/_catalog").header("Connection", "keep-alive");
    let after_one = async |then: &[u8]| {
        let mut connection = h1.connect().await.unwrap();
        let bytes = request.bytes(&h1.authority);
        let begin = Instant::now();
        connection.write(&bytes).await.unwrap();
        connection.answer("GET").await.unwrap().expect(200);
        connection.write(then).await.unwrap();
        closed(&mut connection).await;
        begin.elapsed()
    };
    let after_h2 = async || {
        let client = h2::Client::connect(&h2).await.unwrap();
        let begin = Instant::now();
        client
            .send(&Request::get("/v2/_catalog"))
            .await
            .unwrap()
            .expect(200);
        let mut sender = client.sender.clone();
        until("the connection ends", SLACK, async || {
            // A sender that is not ready any more says so only when it is asked.
            let ready = std::future::poll_fn(|cx| sender.poll_ready(cx));
            let ready = timeout(Duration::from_millis(50), ready).await;
            matches!(ready, Ok(Err(_))).then_some(())
        })
        .await;
        begin.elapsed()
    };
    let half = b"GET /v2/_catalog HTTP/1.1\r\nHost: regi";
    let (idle, half, h2) = tokio::join!(after_one(b""), after_one(half), after_h2());
    assert_limit("idle after a request", idle, IDLE);
    assert_limit("half of a second request", half, HEADER);
    assert_limit("idle after a request of h2", h2, IDLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_dripped_has_one_limit_for_the_whole() {
    let front = front(1).await;
    let head = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nX-Drip: ",
        front.h1().authority
    );
    let dripped = async |target: Target| {
        let mut connection = target.connect().await.unwrap();
        drip(&mut connection, head.as_bytes()).await
    };
    let (tls, plain) = tokio::join!(dripped(front.h1()), dripped(front.plain()));
    assert_limit("dripped header", tls, HEADER);
    assert_limit("dripped header on the plain port", plain, HEADER);
    assert_eq!(front.seen().len(), 0);
    let closed = "pilotage_edge_connections_closed_total{reason=\"header_timeout\"}";
    counts(&front.balancer, closed, 2.0).await;
}

/// Sends a part of a body, and nothing more, over HTTP/1.1.
async fn stall(target: &Target, method: &str, path: &str) -> Duration {
    let mut connection = target.connect().await.unwrap();
    let head = Request::new(method, path).header("Content-Length", "100");
    let bytes = head.body("only this much").bytes(&target.authority);
    let begin = Instant::now();
    connection.write(&bytes).await.unwrap();
    closed(&mut connection).await;
    begin.elapsed()
}

/// The same over HTTP/2.
async fn stall_h2(target: &Target, method: &str, path: &str) -> Duration {
    let client = h2::Client::connect(target).await.unwrap();
    let sender = client.sender.clone();
    let mut sender = sender.ready().await.unwrap();
    let head = client.head(method, path);
    let begin = Instant::now();
    let (response, mut stream) = sender.send_request(head, false).unwrap();
    let part = Bytes::from_static(b"only this much");
    stream.send_data(part, false).unwrap();
    let reply = timeout(SLACK, response).await;
    let reply = reply.unwrap_or_else(|_| panic!("{method} {path} is still open"));
    let good = reply.is_ok_and(|head| head.status().is_success());
    assert!(!good, "half an upload was taken for a whole one");
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_stalls_is_given_up() {
    let front = front(1).await;
    let (h1, h2) = (front.h1(), front.h2());
    let (first, second) = (begin(&front.balancer).await, begin(&front.balancer).await);
    let (manifest, api) = ("/v2/lab/app/manifests/v1", "/api/v2.0/projects/1");
    let started = front.seen().len();
    let took = tokio::join!(
        stall(&h1, "PUT", manifest),
        stall(&h1, "PUT", api),
        stall(&h1, "PATCH", &first),
        stall_h2(&h2, "PUT", manifest),
        stall_h2(&h2, "PUT", api),
        stall_h2(&h2, "PATCH", &second),
    );
    for (what, took) in [("manifest", took.0), ("api", took.1), ("push", took.2)] {
        assert_limit(what, took, CLIENT);
    }
    // What we carry ourselves we read ourselves.
    for (what, took) in [("manifest", took.3), ("push", took.5)] {
        assert_limit(&format!("{what} of h2"), took, CLIENT);
    }
    // Elsewhere a node that stalls holds the client up too, so HTTP/2 waits twice as long for the client.
    assert_limit("api of h2", took.4, CLIENT * 2);
    for request in front.seen().split_off(started) {
        let whole = request.content() == b"only this much";
        assert!(
            request.method.is_empty() || !whole,
            "{}",
            request.head.escape_ascii()
        );
    }
    for record in front.balancer.records(2 + 6, |_| true).await {
        let fault = field(&record, "fault");
        assert!(fault != "ours", "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_is_given_up() {
    // More than the buffers of two sockets hold.
    let front = front(48 << 20).await;
    let (h1, h2) = (front.h1(), front.h2());
    let mut connection = h1.connect().await.unwrap();
    let bytes = Request::get(&blob()).bytes(&h1.authority);
    connection.write(&bytes).await.unwrap();
    connection.answer_head().await.unwrap().expect(200);
    let client = h2::Client::connect(&h2).await.unwrap();
    let sender = client.sender.clone();
    let mut sender = sender.ready().await.unwrap();
    let begin = Instant::now();
    let (response, _) = sender
        .send_request(client.head("GET", &blob()), true)
        .unwrap();
    let held = response.await.unwrap();
    let gone = until("both are recorded as gone", SLACK, async || {
        let records = front.balancer.access_log();
        (records.len() == 2).then_some(records)
    })
    .await;
    assert_limit("download that nobody reads", begin.elapsed(), CLIENT);
    for record in gone {
        assert_eq!(field(&record, "outcome"), "client_left", "{record}");
        assert!(field(&record, "bytes_out").as_u64().unwrap() < 48 << 20);
    }
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_goes_on_slowly_outlives_every_limit() {
    // On a busy machine a client stands still for a second or two now and then.
    let times = 3;
    let front = patient(64 << 20, times).await;
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    let (first, second) = (begin(&front.balancer).await, begin(&front.balancer).await);
    let put = "/api/v2.0/projects/1";
    let downloads = [
        Trickle::download(&front.h1(), &blob()),
        Trickle::download_h2(&client, &blob()),
    ];
    for one in &downloads {
        one.goes_on().await;
    }
    let uploads = [
        Trickle::upload(&front.h1(), put),
        Trickle::upload(&front.h1(), &first),
        Trickle::upload_h2(&client, put),
        Trickle::upload_h2(&client, &second),
    ];
    for one in uploads.iter().chain(&downloads) {
        one.goes_on().await;
    }
    let longest = HEADER.max(IDLE).max(CLIENT * 2) * times;
    uploads[0]
        .goes_on_for(longest + Duration::from_secs(1))
        .await;
    for one in downloads {
        let moved = one.finish().await;
        assert_eq!((moved.status, moved.bytes), (200, 64 << 20));
    }
    let mut wanted = Vec::new();
    for one in uploads {
        let moved = one.finish().await;
        assert!(matches!(moved.status, 200 | 202), "{moved:?}");
        // The piece that was due when the upload was told to finish is counted, but not sent.
        wanted.push(moved.bytes - 100);
    }
    let seen = front.seen();
    let seen = seen
        .iter()
        .filter(|one| matches!(one.method.as_str(), "PUT" | "PATCH"));
    let mut lengths = seen
        .map(|one| one.content().len() as u64)
        .collect::<Vec<_>>();
    lengths.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(lengths, wanted);
}
