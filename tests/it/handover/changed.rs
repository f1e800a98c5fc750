//! The new process has another file: it serves what that one says.

use std::net::TcpListener;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::harness::balancer::Balancer;
use crate::harness::http::Request;
use crate::harness::load::Load;
use crate::harness::ports::{self, Subnet};
use crate::harness::wait::{SOON, until};

use super::{GONE, front};

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_opens_and_closes_ports_and_changes_what_needs_a_restart() {
    let mut front = front(2, |_| ()).await;
    let load = Load::start(&front.h1(), &front.h2(), "/v2/_catalog");
    load.goes_on(10).await;
    let removed = front.plain().address;
    let added = ports::free(Subnet::take().host(9));
    front.balancer.config.listeners[1].insert("address".to_owned(), json!(added.to_string()));
    front.balancer.config.set("", "threads", 1);
    let mut old = front.balancer.upgrade().await;
    assert_eq!(front.plain().address, added);
    let sent = front.plain().send(Request::get("/harbor/projects")).await;
    assert!((300..400).contains(&sent.status), "{}", sent.status);
    until("the old port is closed", SOON, async || {
        TcpStream::connect(removed).await.err()
    })
    .await;
    load.goes_on(10).await;
    load.finish_without_failure().await;
    assert!(old.ended(GONE).await.success());
}

/// A node that somebody has taken out does not come back because pilotage got a new release.
#[tokio::test(flavor = "multi_thread")]
async fn what_operators_ordered_goes_over_to_the_new_process() {
    let mut front = front(3, |_| ()).await;
    for (method, path, body) in [
        ("POST", "/v1/nodes/node-1/drain", json!({})),
        ("PUT", "/v1/nodes/node-2/weight", json!({ "weight": 7 })),
        (
            "PUT",
            "/v1/maintenance",
            json!({ "on": true, "message": "back at 18:00" }),
        ),
    ] {
        front.balancer.order(method, path, body).await.expect(200);
    }
    let before = front.balancer.admin("/v1/nodes").await.expect(200).json();
    let mut old = front.balancer.upgrade().await;
    let after = front.balancer.admin("/v1/nodes").await.expect(200).json();
    assert_orders(
        (&before, &after),
        &[("draining", 100), ("active", 7), ("active", 100)],
    );
    let start = Request::new("POST", "/v2/lab/app/blobs/uploads/");
    let refused = front.h1().send(start).await.expect(503);
    assert!(
        refused.text().contains("back at 18:00"),
        "{}",
        refused.text()
    );
    assert!(old.ended(GONE).await.success());
}

/// Orders that come while the new process still probes its nodes are not of the past.
#[tokio::test(flavor = "multi_thread")]
async fn what_operators_order_while_the_new_process_comes_up_counts_there_as_well() {
    let mut front = front(3, |_| ()).await;
    front
        .balancer
        .order("POST", "/v1/nodes/node-2/drain", json!({}))
        .await
        .expect(200);
    // Nothing answers there, so that the first probe takes as long as we like.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    front.balancer.config.node("silent", &url);
    front.balancer.config.set("health", "timeout", "60s");
    let ordered = async |balancer: &Balancer| {
        let asked = "another process asks for the listening sockets";
        balancer.says(asked).await;
        for (method, path, body) in [
            ("POST", "/v1/nodes/node-1/off", json!({})),
            ("POST", "/v1/nodes/node-2/undrain", json!({})),
            ("PUT", "/v1/nodes/node-3/weight", json!({ "weight": 7 })),
            (
                "PUT",
                "/v1/maintenance",
                json!({ "on": true, "message": "back at 18:00" }),
            ),
        ] {
            balancer.order(method, path, body).await.expect(200);
        }
        let before = balancer.admin("/v1/nodes").await.expect(200).json();
        drop(silent);
        before
    };
    let (mut old, before) = front.balancer.upgrade_while(ordered).await;
    let after = until("all of it counts", SOON, async || {
        let nodes = front.balancer.admin("/v1/nodes").await.json();
        (nodes["nodes"][0]["duty"] == "off").then_some(nodes)
    })
    .await;
    assert_orders(
        (&before, &after),
        &[("off", 100), ("active", 100), ("active", 7)],
    );
    let notice = front.balancer.admin("/v1/maintenance").await.json();
    assert_eq!(notice["message"], "back at 18:00");
    assert!(old.ended(GONE).await.success());
}

/// Panics unless the nodes have these duties and weights, ordered by whom and when they were before.
#[track_caller]
fn assert_orders((before, after): (&Value, &Value), expected: &[(&str, u64)]) {
    for (node, (duty, weight)) in expected.iter().enumerate() {
        let (before, after) = (&before["nodes"][node], &after["nodes"][node]);
        assert_eq!(
            (&after["duty"], &after["weight"]),
            (&json!(duty), &json!(weight))
        );
        assert_eq!(after["orders"], before["orders"], "who, and when");
    }
}
