//! What clients are told when their connection has to end.

use rustix::process::Signal;

use crate::entrance::raw_h2::{GENTLE, farewells};
use crate::harness::http::{Request, h2};
use crate::harness::load::Trickle;
use crate::harness::uploads::blob;
use crate::harness::wait::{SOON, until};

use super::{GONE, LONG, front};

fn request() -> Request {
    Request::get("/v2/_catalog").header("Connection", "keep-alive")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_leaves_says_so_and_serves_until_its_doors_close() {
    let mut front = front(1, |config| {
        config.set("", "drain_delay", "1h");
    })
    .await;
    let pull = Trickle::download(&front.h1(), &blob());
    pull.goes_on().await;
    let mut kept = front.h1().connect().await.unwrap();
    let bytes = request().bytes(&front.h1().authority);
    kept.write(&bytes).await.unwrap();
    let first = kept.answer("GET").await.unwrap().expect(200);
    assert_ne!(first.header("connection"), Some("close"));
    front.balancer.admin("/readyz").await.expect(200);
    let heard = farewells(&front.h2(), async || {
        front.balancer.process.signal(Signal::TERM);
    })
    .await;
    assert_eq!(heard, GENTLE);
    let ready = front.balancer.admin("/readyz").await.expect(503);
    assert!(ready.text().starts_with("draining"), "{}", ready.text());
    front.balancer.admin("/livez").await.expect(200);
    // One more answer for who was there, and one for who comes now.
    kept.write(&bytes).await.unwrap();
    let last = kept.answer("GET").await.unwrap().expect(200);
    assert_eq!(last.header("connection"), Some("close"));
    let late = front.h1().send(request()).await.expect(200);
    assert_eq!(late.header("connection"), Some("close"));
    assert_eq!(farewells(&front.h2(), async || ()).await, GENTLE);
    pull.goes_on().await;
    front.balancer.process.signal(Signal::TERM);
    until("new connections are refused", SOON, async || {
        front.h1().connect().await.err()
    })
    .await;
    assert!(
        front
            .balancer
            .admin("/readyz")
            .await
            .expect(503)
            .text()
            .starts_with("stopping")
    );
    assert_eq!(pull.finish().await.bytes, LONG as u64);
    assert!(front.balancer.process.ended(GONE).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_just_come_may_ask_once_when_the_doors_close() {
    let mut front = front(1, |_| ()).await;
    let mut fresh = front.h1().connect().await.unwrap();
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    front.balancer.process.signal(Signal::TERM);
    front
        .balancer
        .says("stopping: no new connections, running requests go on")
        .await;
    let bytes = request().bytes(&front.h1().authority);
    fresh.write(&bytes).await.unwrap();
    let catalog = Request::get("/v2/_catalog");
    let (one, two) = tokio::join!(fresh.answer("GET"), client.send(&catalog));
    one.unwrap().expect(200);
    two.unwrap().expect(200);
    assert!(front.balancer.process.ended(GONE).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_old_is_told_gently_that_it_ends() {
    let front = front(1, |config| {
        config.set("limits", "connection_age", "2s");
        config.set("limits", "idle_timeout", "60s");
    })
    .await;
    assert_eq!(farewells(&front.h2(), async || ()).await, GENTLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_tells_clients_of_http2_to_come_anew() {
    let mut front = front(1, |_| ()).await;
    let target = front.h2();
    let mut old = None;
    let heard = farewells(&target, async || {
        old = Some(front.balancer.upgrade().await);
    })
    .await;
    assert_eq!(heard, GENTLE);
    assert!(old.unwrap().ended(GONE).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_let_in_by_the_system_before_the_doors_closed_is_served() {
    let mut front = front(1, |_| ()).await;
    let target = front.plain();
    let asks = Request::get("/harbor/projects").bytes(&target.authority);
    front.balancer.process.pause();
    let mut connections = Vec::new();
    for _ in 0..QUEUE {
        let mut connection = target.connect().await.unwrap();
        connection.write(&asks).await.unwrap();
        connections.push(connection);
    }
    front.balancer.process.signal(Signal::TERM);
    front.balancer.process.resume();
    for mut connection in connections {
        let answer = connection.answer("GET").await.unwrap();
        assert!((300..400).contains(&answer.status), "{}", answer.status);
    }
    assert!(front.balancer.process.ended(GONE).await.success());
}

/// So many that the doors close while most of them still wait to be taken in.
const QUEUE: usize = 500;
