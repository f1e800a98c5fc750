//! How many may come, and how long one may stay.

use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpSocket;

use super::{closed, counts};
use crate::harness::front::Front;
use crate::harness::http::{Connection, Request, Target, h2};
use crate::harness::load::Trickle;
use crate::harness::uploads::{begin, blob, with_blob};
use crate::harness::wait::{SOON, until};

/// A connection that is let in: it gets an answer and is kept.
async fn guest(target: &Target) -> Option<Connection> {
    let mut connection = target.connect().await.ok()?;
    let request = Request::get("/v2/_catalog").header("Connection", "keep-alive");
    connection
        .write(&request.bytes(&target.authority))
        .await
        .ok()?;
    let answer = connection.answer("GET").await.ok()?;
    (answer.status == 200).then_some(connection)
}

async fn refused(front: &Front, reason: &str, times: f64) {
    let name = format!("pilotage_edge_connections_refused_total{{reason=\"{reason}\"}}");
    counts(&front.balancer, &name, times).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_given_to_the_next_only_when_somebody_leaves() {
    let front = Front::start(|config| {
        config.set("limits", "connections", 3);
    })
    .await;
    let mut guests = Vec::new();
    for _ in 0..3 {
        guests.push(guest(&front.h1()).await.expect("there is room"));
    }
    assert_eq!(
        front.balancer.metric("pilotage_edge_connections ").await,
        Some(3.0)
    );
    assert!(guest(&front.h1()).await.is_none(), "one too many");
    assert!(
        guest(&front.plain()).await.is_none(),
        "the port does not matter"
    );
    refused(&front, "connections", 2.0).await;
    front.balancer.admin("/livez").await.expect(200);
    guests.pop();
    until("the place is given back", SOON, async || {
        guest(&front.h1()).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_the_places_of_others() {
    let front = Front::start(|config| {
        config.set("limits", "connections_per_client", 2);
    })
    .await;
    let first = guest(&front.h1()).await.expect("there is room");
    let _second = guest(&front.h1()).await.expect("there is room");
    assert!(guest(&front.h1()).await.is_none(), "one too many");
    refused(&front, "connections_of_client", 1.0).await;
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let other = other.connect(front.h1().address).await.unwrap();
    let mut other = front.h1().secure(other).await.expect("another address");
    let bytes = Request::get("/v2/_catalog").bytes(&front.h1().authority);
    other.write(&bytes).await.unwrap();
    other.answer("GET").await.unwrap().expect(200);
    drop(first);
    until("the place is given back", SOON, async || {
        guest(&front.h1()).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_retires_and_breaks_no_transfer() {
    let change = |config: &mut crate::harness::balancer::config::Config| {
        config.set("limits", "connection_age", "1s");
    };
    let front = Front::scripted(1, change, with_blob(32 << 20)).await;
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    let down = Trickle::download(&front.h1(), &blob());
    let down_h2 = Trickle::download_h2(&client, &blob());
    let up = Trickle::upload(&front.h1(), &begin(&front.balancer).await);
    let up_h2 = Trickle::upload_h2(&client, "/api/v2.0/projects/1");
    let mut kept = guest(&front.h1()).await.unwrap();
    until("a kept connection is told to close", SOON, async || {
        let request = Request::get("/v2/_catalog").header("Connection", "keep-alive");
        kept.write(&request.bytes(&front.h1().authority))
            .await
            .unwrap();
        let answer = kept.answer("GET").await.unwrap().expect(200);
        (answer.header("connection") == Some("close")).then_some(())
    })
    .await;
    closed(&mut kept).await;
    until(
        "a connection of h2 takes no new requests",
        SOON,
        async || {
            let sender = client.sender.clone().ready().await;
            let sent = sender.and_then(|mut sender| {
                let head = client.head("GET", "/v2/_catalog");
                sender.send_request(head, true)
            });
            let refused = match sent {
                Err(error) => Some(error),
                Ok((response, _)) => response.await.err(),
            };
            refused.filter(|error| error.is_go_away() || error.is_library())
        },
    )
    .await;
    up.goes_on_for(Duration::from_secs(1)).await;
    for moved in [down.finish().await, down_h2.finish().await] {
        assert_eq!((moved.status, moved.bytes), (200, 32 << 20));
    }
    assert_eq!(up.finish().await.status, 202);
    assert_eq!(up_h2.finish().await.status, 200);
    let closed = "pilotage_edge_connections_closed_total{reason=\"age\"}";
    until("all of them are counted", SOON, async || {
        (front.balancer.metric(closed).await? >= 3.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_has_so_many_requests_and_says_which_is_the_last() {
    let front = Front::start(|config| {
        config.set("limits", "requests_per_connection", 3);
    })
    .await;
    let mut connection = front.h1().connect().await.unwrap();
    let request = Request::get("/v2/_catalog").header("Connection", "keep-alive");
    let bytes = request.bytes(&front.h1().authority);
    for last in [false, false, true] {
        connection.write(&bytes).await.unwrap();
        let answer = connection.answer("GET").await.unwrap().expect(200);
        assert_eq!(answer.header("connection") == Some("close"), last);
    }
    closed(&mut connection).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_h2_client_has_so_many_streams_at_one_time() {
    let front = Front::start(|config| {
        config.set("limits", "h2_streams", 2);
    })
    .await;
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    client
        .send(&Request::get("/v2/_catalog"))
        .await
        .unwrap()
        .expect(200);
    let mut open = Vec::new();
    for number in 0..2 {
        let sender = client.sender.clone();
        let mut sender = sender.ready().await.unwrap();
        let head = client.head("PUT", &format!("/v2/lab/app/manifests/v{number}"));
        let (response, mut stream) = sender.send_request(head, false).unwrap();
        stream
            .send_data(Bytes::from_static(b"half"), false)
            .unwrap();
        open.push((response, stream));
    }
    assert_eq!(client.sender.current_max_send_streams(), 2);
    for (response, mut stream) in open {
        stream
            .send_data(Bytes::from_static(b"whole"), true)
            .unwrap();
        assert_eq!(response.await.unwrap().status(), 201);
    }
}
