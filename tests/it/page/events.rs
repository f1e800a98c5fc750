//! The stream behind the page, by hand.

use serde_json::json;
use tokio::time::timeout;

use crate::harness::balancer::Balancer;
use crate::harness::front::Front;
use crate::harness::http::{Connection, Request};
use crate::harness::wait::{SOON, until};

/// Somebody who looks, and has read the first news.
async fn looker(balancer: &Balancer) -> Connection {
    looks(balancer, Request::get("/events")).await
}

async fn looks(balancer: &Balancer, request: Request) -> Connection {
    let desk = balancer.desk();
    let mut connection = desk.connect().await.unwrap();
    let request = request.header("Connection", "keep-alive");
    connection
        .write(&request.bytes(&desk.authority))
        .await
        .unwrap();
    let head = connection.answer_head().await.unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    let piece = connection.body(1 << 20).await.unwrap();
    let news = String::from_utf8_lossy(&piece);
    assert!(news.contains("event: board"), "{news}");
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_look_are_bounded_and_leave_their_place() {
    let front = Front::start(|_| ()).await;
    let mut lookers = Vec::new();
    for _ in 0..SEATS {
        lookers.push(looker(&front.balancer).await);
    }
    let desk = front.balancer.desk();
    let refused = desk.send(Request::get("/events")).await.expect(503);
    assert!(
        refused.text().contains("too many pages"),
        "{}",
        refused.text()
    );
    drop(lookers.pop());
    until("the place is free again", SOON, async || {
        // A connection that is let in is told more than fits an answer, and is dropped with it.
        let mut connection = desk.connect().await.ok()?;
        let request = Request::get("/events").bytes(&desk.authority);
        connection.write(&request).await.ok()?;
        let head = connection.answer_head().await.ok()?;
        (head.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_look_do_not_hold_up_the_end() {
    let mut front = Front::start(|_| ()).await;
    let mut looker = looker(&front.balancer).await;
    let status = front.balancer.stop(SOON).await;
    assert!(status.success(), "{status:?}");
    // The connection is closed as well, whether or not there was time for a last word.
    timeout(SOON, ends(&mut looker)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_token_is_taken_back_is_shown_nothing_more() {
    let (ann, bob) = ("0f6c1d7e9b2a4c58a1b3", "77aa88bb99cc00dd11ee");
    let mut front = Front::start(|config| {
        let file = config.folder().join("tokens");
        std::fs::write(&file, format!("ann:{ann}\nbob:{bob}\n")).unwrap();
        config.set("admin", "token_file", file.to_str().unwrap());
    })
    .await;
    let asks = |token: &str| Request::get("/events").bearer(token);
    let mut anns = looks(&front.balancer, asks(ann)).await;
    let mut bobs = looks(&front.balancer, asks(bob)).await;
    let file = front.balancer.config.folder().join("tokens");
    std::fs::write(&file, format!("bob:{bob}\n")).unwrap();
    front.balancer.reload(|_| ());
    timeout(SOON, ends(&mut anns)).await.expect("hers ends");
    // What is new now is told to him alone.
    let (path, weight) = ("/v1/nodes/node-1/weight", json!({ "weight": 7 }));
    front.balancer.order("PUT", path, weight).await.expect(200);
    timeout(SOON, async {
        let mut told = String::new();
        while !told.contains("by token bob") {
            let piece = bobs.body(1 << 20).await.unwrap();
            assert!(!piece.is_empty(), "his goes on");
            told.push_str(&String::from_utf8_lossy(&piece));
        }
    })
    .await
    .expect("he is told");
}

/// Reads to the end of the connection.
async fn ends(looker: &mut Connection) {
    while looker
        .body(1 << 20)
        .await
        .is_ok_and(|piece| !piece.is_empty())
    {}
}

/// As many as are let in at one time.
pub(super) const SEATS: usize = 32;
