//! Orders about nodes.

use serde_json::{Value, json};

use crate::harness::balancer::field;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::image::digest;
use crate::harness::load::Trickle;
use crate::harness::uploads::{begin, with_blob};
use crate::harness::wait::{SOON, until};

/// Blobs that take a while.
const LONG: usize = 8 << 20;

fn blob(number: usize) -> String {
    format!(
        "/v2/lab/app/blobs/{}",
        digest(number.to_string().as_bytes())
    )
}

/// Which nodes have had requests that a test made, and how many.
fn counts(front: &Front) -> Vec<usize> {
    front
        .nodes
        .iter()
        .map(|node| node.requests().len())
        .collect()
}

/// The node with the only upload so far.
fn holder(front: &Front) -> usize {
    let began = |node: &crate::harness::recorder::Recorder| {
        node.requests().iter().any(|one| one.method == "POST")
    };
    front.nodes.iter().position(began).unwrap()
}

async fn expect_order(front: &Front, node: usize, word: &str) -> Value {
    let path = format!("/v1/nodes/node-{}/{word}", node + 1);
    front
        .balancer
        .order("POST", &path, json!({}))
        .await
        .expect(200)
        .json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_ends_what_runs_there_and_begins_nothing() {
    let mut front = Front::scripted(2, |_| (), with_blob(LONG)).await;
    let upload = begin(&front.balancer).await;
    let drained = holder(&front);
    let push = Trickle::upload(&front.h1(), &upload);
    push.goes_on().await;
    let told = expect_order(&front, drained, "drain").await;
    assert_eq!(told["duty"], "draining");
    assert_eq!(told["orders"]["duty"]["value"], "draining");
    let by = told["orders"]["duty"]["by"].as_str().unwrap();
    assert_eq!(by, "127.0.0.1 without credentials");
    assert!(told["orders"]["duty"]["at"].as_u64().unwrap() > 1_700_000_000);

    let before = counts(&front)[drained];
    for number in 0..30 {
        let path = format!("/v2/lab/app-{number}/manifests/v1");
        front.h1().send(Request::get(&path)).await.expect(200);
    }
    assert_eq!(counts(&front)[drained], before, "nothing begins there");
    push.goes_on().await;
    assert_eq!(push.finish().await.status, 202);
    let parts = front.nodes[drained].requests();
    assert!(
        parts.iter().any(|one| one.method == "PATCH"),
        "it ended there"
    );

    let line = front.balancer.says("duty of a node ordered").await;
    assert_eq!(field(&line, "to"), "draining");
    assert_eq!(field(&line, "by"), by);
    assert_eq!(
        field(&line, "node"),
        format!("node-{}", drained + 1).as_str()
    );
    let orders = format!("pilotage_control_orders{{node=\"node-{}\"", drained + 1);
    assert_eq!(front.balancer.metric(&orders).await, Some(1.0));
    // A reload keeps what was ordered.
    front
        .balancer
        .order("POST", "/v1/reload", json!({}))
        .await
        .expect(200);
    assert_eq!(front.balancer.nodes().await[drained]["duty"], "draining");
    front.balancer.reload(|config| {
        config.set("retry", "patience", "9s");
    });
    front.balancer.says("settings reloaded").await;
    assert_eq!(front.balancer.nodes().await[drained]["duty"], "draining");

    let told = expect_order(&front, drained, "undrain").await;
    assert_eq!(
        (&told["duty"], &told["orders"]["duty"]),
        (&json!("active"), &Value::Null)
    );
    assert_eq!(front.balancer.metric(&orders).await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_off_is_asked_for_nothing_and_its_uploads_move() {
    let front = Front::scripted(2, |_| (), with_blob(LONG)).await;
    let upload = begin(&front.balancer).await;
    let off = holder(&front);
    let push = Trickle::upload(&front.h1(), &upload);
    push.goes_on().await;
    let mut pulls = Vec::new();
    for number in 0..4 {
        let pull = Trickle::download(&front.h1(), &blob(number));
        pull.goes_on().await;
        pulls.push(pull);
    }
    assert!(
        counts(&front).iter().all(|count| *count > 0),
        "both are busy"
    );
    expect_order(&front, off, "off").await;
    let moved = front.balancer.says("upload taken over").await;
    assert_eq!(field(&moved, "from"), format!("node-{}", off + 1).as_str());
    assert_eq!(push.finish().await.status, 202);
    let before = counts(&front)[off];
    for number in 10..40 {
        front
            .h1()
            .send(Request::new("HEAD", &blob(number)))
            .await
            .expect(200);
    }
    assert_eq!(counts(&front)[off], before);
    // What is on its way still passes, wherever it comes from.
    for pull in pulls {
        assert_eq!(pull.finish().await.bytes, LONG as u64);
    }

    // The other one dies: a node that is off is not asked even then.
    let other = 1 - off;
    let path = format!("/v1/nodes/node-{}/off", other + 1);
    let last = front
        .balancer
        .order("POST", &path, json!({}))
        .await
        .expect(409)
        .json();
    assert!(
        last["error"]["remedy"].as_str().unwrap().contains("force"),
        "{last}"
    );
    front
        .balancer
        .order("POST", &path, json!({ "force": true }))
        .await
        .expect(200);
    front.balancer.admin("/readyz").await.expect(503);
    let back = async {
        // The request waits, and goes on as soon as there is a node.
        front
            .h1()
            .send(Request::get("/v2/lab/app/manifests/v1"))
            .await
            .expect(200)
    };
    let wakes = async {
        until("the request waits", SOON, async || {
            let running = front
                .balancer
                .metric("pilotage_edge_running_requests")
                .await;
            (running == Some(1.0)).then_some(())
        })
        .await;
        assert_eq!(counts(&front)[off], before);
        expect_order(&front, off, "on").await
    };
    tokio::join!(back, wakes);
    assert!(counts(&front)[off] > before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weight_is_a_share_of_what_is_new() {
    let front = Front::scripted(2, |_| (), |_, _| None).await;
    let rounds = async |from: usize| {
        let before = counts(&front);
        for number in from..from + 100 {
            front
                .h1()
                .send(Request::get(&blob(number)))
                .await
                .expect(200);
        }
        counts(&front)[0] - before[0]
    };
    let even = rounds(0).await;
    assert!((20..=80).contains(&even), "{even} of 100");
    let path = "/v1/nodes/node-1/weight";
    let told = front
        .balancer
        .order("PUT", path, json!({ "weight": 1 }))
        .await;
    let told = told.expect(200).json();
    assert_eq!(
        (&told["weight"], &told["orders"]["weight"]["value"]),
        (&json!(1), &json!(1))
    );
    let few = rounds(100).await;
    assert!(few <= 15, "{few} of 100");
    let told = front
        .balancer
        .order("PUT", path, json!({ "weight": null }))
        .await;
    assert_eq!(told.expect(200).json()["weight"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_is_refused_with_what_to_do() {
    let front = Front::scripted(2, |_| (), |_, _| None).await;
    let refused = async |method, path: &str, body, status| {
        let told = front
            .balancer
            .order(method, path, body)
            .await
            .expect(status)
            .json();
        let error = told["error"].clone();
        for part in ["what", "where", "remedy"] {
            assert!(!error[part].as_str().unwrap().is_empty(), "{told}");
        }
        error["remedy"].as_str().unwrap().to_owned()
    };
    refused("POST", "/v1/nodes/nobody/drain", json!({}), 404).await;
    refused(
        "POST",
        "/v1/nodes/node-1/drain",
        json!({ "forced": true }),
        422,
    )
    .await;
    for weight in [json!(0), json!(1001), json!(-1), json!("heavy"), json!(1.5)] {
        let body = json!({ "weight": weight });
        refused("PUT", "/v1/nodes/node-1/weight", body, 422).await;
    }
    expect_order(&front, 0, "off").await;
    let remedy = refused("POST", "/v1/nodes/node-1/undrain", json!({}), 409).await;
    assert_eq!(remedy, "pilotage nodes on node-1 brings it back");
    expect_order(&front, 0, "drain").await;
    let remedy = refused("POST", "/v1/nodes/node-1/on", json!({}), 409).await;
    assert_eq!(remedy, "pilotage nodes undrain node-1 brings it back");
    // To say what is so already does no harm.
    expect_order(&front, 0, "undrain").await;
    expect_order(&front, 0, "undrain").await;
    expect_order(&front, 0, "on").await;
}
