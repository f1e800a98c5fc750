//! Somebody who looks at the page and does not read what he is told.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::harness::balancer::Balancer;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::ports::{self, Subnet};
use crate::harness::wait::{SOON, until};

use super::events::SEATS;

/// Somebody who asks for the events, is let in, and reads none of them.
async fn sleeper(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // As little as the system gives, so that it is soon full.
    socket.set_recv_buffer_size(1).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let request = Request::get("/events").bytes(&address.to_string());
    stream.write_all(&request).await.unwrap();
    let mut beginning = [0; 12];
    stream.read_exact(&mut beginning).await.unwrap();
    assert_eq!(beginning, *b"HTTP/1.1 200");
    stream
}

/// The page with so many nodes that each piece of news is large.
async fn large_page() -> Front {
    let mut front = Front::start(|_| ()).await;
    let nobody = ports::free(Subnet::take().host(1)).ip();
    front.balancer.reload(|config| {
        for number in 2..=60 {
            config.node(
                &format!("node-{number}"),
                &format!("http://{nobody}:{number}"),
            );
        }
    });
    until("all nodes are there", SOON, async || {
        (front.balancer.nodes().await.len() == 60).then_some(())
    })
    .await;
    front
}

/// Makes news: with one node all of them are told anew.
async fn stir(balancer: &Balancer, round: u32) {
    let weight = json!({ "weight": 100 + round % 100 });
    let path = "/v1/nodes/node-1/weight";
    balancer.order("PUT", path, weight).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_left_soon_and_little_is_kept_for_him() {
    let front = large_page().await;
    let desk = front.balancer.desk();
    let mut sleepers = Vec::new();
    for _ in 0..SEATS {
        sleepers.push(sleeper(desk.address).await);
    }
    let asked = async || {
        let mut connection = desk.connect().await.ok()?;
        let request = Request::get("/events").bytes(&desk.authority);
        connection.write(&request).await.ok()?;
        let status = connection.answer_head().await.ok()?.status;
        Some((status, connection))
    };
    let refused = asked().await.unwrap();
    assert_eq!(refused.0, 503, "all places are taken");
    let mut round = 0;
    // All of them: whoever is not left yet and is read from goes on.
    until("their places are free again", SOON * 2, async || {
        round += 1;
        stir(&front.balancer, round).await;
        let mut others = Vec::new();
        while others.len() < SEATS {
            let (status, connection) = asked().await?;
            others.push((status == 200).then_some(connection)?);
        }
        Some(())
    })
    .await;
    for mut sleeper in sleepers {
        let mut kept = Vec::new();
        // Whether or not the end is a clean one.
        let read = timeout(SOON, sleeper.read_to_end(&mut kept)).await;
        drop(read.expect("the connection was closed"));
        assert!(kept.len() < MOST, "{} bytes were kept for him", kept.len());
    }
}

/// What the kernel keeps on both sides of a connection, several times over; by itself it would be megabytes.
const MOST: usize = 512 * 1024;
