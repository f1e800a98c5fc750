//! How it stops: what runs ends well, and nothing else holds the process.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::harness::front::Front;
use crate::harness::http::{Request, h2};
use crate::harness::load::Trickle;
use crate::harness::uploads::{begin, blob, with_blob};
use crate::harness::wait::{SOON, until};

/// The usual grace period of these tests.
const GRACE: &str = "10m";
/// Far below it.
const AT_ONCE: Duration = SOON;

async fn front(grace_period: &'static str) -> Front {
    Front::scripted(
        1,
        move |config| {
            config.set("", "grace_period", grace_period);
        },
        with_blob(32 << 20),
    )
    .await
}

async fn refuses_new_clients(front: &Front) {
    for target in [front.h1(), front.plain()] {
        until("new connections are refused", SOON, async || {
            let refused = tokio::net::TcpStream::connect(target.address).await.err()?;
            (refused.kind() == std::io::ErrorKind::ConnectionRefused).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn running_transfers_end_whole_and_the_process_ends_with_the_last_of_them() {
    let mut front = front(GRACE).await;
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    let transfers = [
        Trickle::upload(&front.h1(), &begin(&front.balancer).await),
        Trickle::download(&front.h1(), &blob()),
        Trickle::upload_h2(&client, "/api/v2.0/projects/1"),
        Trickle::download_h2(&client, &blob()),
    ];
    for one in &transfers {
        one.goes_on().await;
    }
    // Clients that keep a connection without a request are no reason to wait.
    let mut idle = front.h1().connect().await.unwrap();
    let request = Request::get("/v2/_catalog").header("Connection", "keep-alive");
    idle.write(&request.bytes(&front.h1().authority))
        .await
        .unwrap();
    idle.answer("GET").await.unwrap().expect(200);
    let _idle = front.h1().connect().await.unwrap();
    let idle_h2 = h2::Client::connect(&front.h2()).await.unwrap();
    idle_h2
        .send(&Request::get("/v2/_catalog"))
        .await
        .unwrap()
        .expect(200);
    front.balancer.process.signal(Signal::TERM);
    refuses_new_clients(&front).await;
    let ready = front.balancer.admin("/readyz").await.expect(503);
    assert!(ready.text().contains("stopping"), "{}", ready.text());
    front.balancer.admin("/livez").await.expect(200);
    for one in &transfers {
        one.goes_on().await;
    }
    transfers[0].goes_on_for(Duration::from_secs(2)).await;
    assert!(front.balancer.process.running());
    let [up, down, up_h2, down_h2] = transfers;
    for moved in [down.finish().await, down_h2.finish().await] {
        assert_eq!((moved.status, moved.bytes), (200, 32 << 20));
    }
    assert_eq!(up.finish().await.status, 202);
    assert_eq!(up_h2.finish().await.status, 200);
    let status = front.balancer.process.ended(AT_ONCE).await;
    assert!(status.success(), "{status}");
    front.balancer.says("stopped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_anything_in_flight_the_process_ends_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut front = front(GRACE).await;
        let client = h2::Client::connect(&front.h2()).await.unwrap();
        client
            .send(&Request::get("/v2/_catalog"))
            .await
            .unwrap()
            .expect(200);
        let _kept = front.h1().connect().await.unwrap();
        front.balancer.process.signal(signal);
        let status = front.balancer.process.ended(AT_ONCE).await;
        assert!(status.success(), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_longer_than_the_grace_period_is_cut_at_its_end() {
    let mut front = front("2s").await;
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    let transfers = [
        Trickle::upload(&front.h1(), &begin(&front.balancer).await),
        Trickle::download(&front.h1(), &blob()),
        Trickle::upload_h2(&client, "/api/v2.0/projects/1"),
        Trickle::download_h2(&client, &blob()),
    ];
    for one in &transfers {
        one.goes_on().await;
    }
    let begin = Instant::now();
    front.balancer.process.signal(Signal::TERM);
    let status = front.balancer.process.ended(AT_ONCE).await;
    let took = begin.elapsed();
    assert!(status.success(), "{status}");
    assert!(took >= Duration::from_millis(1_900), "{took:?}");
    for one in transfers {
        // What the client reads afterwards is what was on its way.
        let cut = one.ended().await;
        assert!(cut.is_err(), "{cut:?}");
    }
    front
        .balancer
        .says("grace period is over: running requests are cut")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_order_to_stop_ends_it_at_once() {
    let mut front = front(GRACE).await;
    let down = Trickle::download(&front.h1(), &blob());
    down.goes_on().await;
    front.balancer.process.signal(Signal::TERM);
    refuses_new_clients(&front).await;
    down.goes_on().await;
    assert!(front.balancer.process.running());
    front.balancer.process.signal(Signal::TERM);
    front.balancer.process.ended(AT_ONCE).await;
    down.ended().await.unwrap_err();
    front
        .balancer
        .says("stopping at once: told a second time")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_gets_one_last_answer_while_others_still_run() {
    let mut front = front(GRACE).await;
    let down = Trickle::download(&front.h1(), &blob());
    down.goes_on().await;
    let mut kept = front.h1().connect().await.unwrap();
    let request = Request::new("PUT", "/v2/lab/app/manifests/v1");
    let head = request
        .clone()
        .header("Connection", "keep-alive")
        .body("12345");
    let bytes = head.bytes(&front.h1().authority);
    let (first, last) = bytes.split_at(bytes.len() - 3);
    kept.write(first).await.unwrap();
    until("the node is asked", SOON, async || {
        (front
            .balancer
            .metric("pilotage_edge_running_requests ")
            .await
            == Some(2.0))
        .then_some(())
    })
    .await;
    front.balancer.process.signal(Signal::TERM);
    refuses_new_clients(&front).await;
    kept.write(last).await.unwrap();
    let answer = kept.answer("PUT").await.unwrap().expect(201);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(down.finish().await.bytes, 32 << 20);
    front.balancer.process.ended(AT_ONCE).await;
}
