//! Maintenance of one instance.

use serde_json::{Value, json};

use crate::harness::balancer::{Balancer, field};
use crate::harness::clients::docker::Docker;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;
use crate::harness::image::{Image, digest};
use crate::harness::load::Trickle;
use crate::harness::uploads::{begin, go_on, with_blob};
use crate::registry::stage::Stage;

/// A blob that is pulled for longer than a test takes.
const LONG: usize = 32 << 20;
const MESSAGE: &str = "storage moves to the new cabinet, back at 18:00";

pub(super) async fn maintain(balancer: &Balancer, on: bool, scope: &str) -> Answer {
    let body = json!({ "on": on, "message": MESSAGE, "scope": scope });
    balancer.order("PUT", "/v1/maintenance", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_that_begin_are_refused_with_the_message_and_all_else_goes_on() {
    let front = Front::scripted(1, |_| (), with_blob(LONG)).await;
    let upload = begin(&front.balancer).await;
    let blob = format!("/v2/lab/app/blobs/{}", digest(b"x"));
    let (push, pull) = (
        Trickle::upload(&front.h1(), &upload),
        Trickle::download(&front.h1(), &blob),
    );
    push.goes_on().await;
    pull.goes_on().await;
    let told = maintain(&front.balancer, true, "instance")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&told["on"], &told["message"]),
        (&json!(true), &json!(MESSAGE))
    );
    assert_eq!(told["instance"]["by"], "127.0.0.1 without credentials");

    let before = front.seen().len();
    for (method, path) in [
        ("POST", "/v2/lab/app/blobs/uploads/"),
        ("PUT", "/v2/lab/app/manifests/v1"),
        ("DELETE", "/v2/lab/app/manifests/v1"),
        ("DELETE", blob.as_str()),
    ] {
        let request = Request::new(method, path).body("{}");
        let refused = front.h1().send(request).await.expect(503);
        assert_eq!(refused.error_code(), "UNAVAILABLE");
        assert_eq!(refused.json()["errors"][0]["message"], MESSAGE);
        assert_eq!(refused.header("retry-after"), Some("60"));
    }
    assert_eq!(front.seen().len(), before, "no node was asked");
    let record = |line: &Value| field(line, "fault") == "maintenance";
    front.balancer.records(4, record).await;
    let refused = "pilotage_edge_refused_total{fault=\"maintenance\"";
    assert!(front.balancer.metric(refused).await >= Some(4.0));
    assert_eq!(
        front.balancer.metric("pilotage_control_maintenance ").await,
        Some(1.0)
    );

    // Pulls begin and go on, and so does the upload.
    front
        .h1()
        .send(Request::get("/v2/lab/app/manifests/v1"))
        .await
        .expect(200);
    push.goes_on().await;
    assert_eq!(push.finish().await.status, 202);
    assert_eq!(pull.finish().await.bytes, LONG as u64);
    go_on(&front.balancer, &upload)
        .await
        .expect("the upload goes on");

    maintain(&front.balancer, false, "instance")
        .await
        .expect(200);
    begin(&front.balancer).await;
    let line = front.balancer.says("maintenance ordered").await;
    assert_eq!(field(&line, "by"), "127.0.0.1 without credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_shows_the_message_or_tries_until_it_is_over() {
    let stage = Stage::set().await;
    let destination = stage.balancer.destination();
    let docker = Docker::start(&destination).await;
    let authority = destination.authority.as_str();
    let login = docker.login(authority, "builder", "Builder12345").await;
    login.expect_success();
    let (image, name) = (Image::small(), destination.image("lab/docker:v1"));
    docker.load(&image, &name).await.expect_success();
    // What it is refused with for good, it shows at once.
    let denied = json!({ "on": true, "message": MESSAGE, "refusal": "denied" });
    stage
        .balancer
        .order("PUT", "/v1/maintenance", denied)
        .await
        .expect(200);
    let refused = docker.push(&name).await.expect_failure();
    assert!(
        refused.output().contains(&format!("denied: {MESSAGE}")),
        "{}",
        refused.output()
    );
    let answered = |line: &Value, status: u64| {
        field(line, "fault") == "maintenance" && field(line, "status") == status
    };
    stage.balancer.records(1, |line| answered(line, 403)).await;

    // A 503 it takes for a reason to try again, and so it finds the end of the maintenance.
    maintain(&stage.balancer, true, "instance")
        .await
        .expect(200);
    let ends = async {
        stage.balancer.records(1, |line| answered(line, 503)).await;
        maintain(&stage.balancer, false, "instance")
            .await
            .expect(200);
    };
    let (pushed, ()) = tokio::join!(docker.push(&name), ends);
    pushed.expect_success();
    maintain(&stage.balancer, true, "instance")
        .await
        .expect(200);
    docker.remove(&name).await.expect_success();
    docker.pull(&name).await.expect_success();
    assert_eq!(docker.image_id(&name).await, image.id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_one_line_and_may_be_left_out() {
    let front = Front::start(|_| ()).await;
    for message in ["", "two\nlines", "\u{1b}[2J", &"x".repeat(301)] {
        let body = json!({ "on": true, "message": message });
        let told = front
            .balancer
            .order("PUT", "/v1/maintenance", body)
            .await
            .expect(422);
        assert!(told.text().contains("one line"), "{}", told.text());
    }
    let told = front
        .balancer
        .order("PUT", "/v1/maintenance", json!({ "on": true }))
        .await;
    let told = told.expect(200).json();
    assert!(
        told["message"].as_str().unwrap().contains("maintenance"),
        "{told}"
    );
    // Nobody else can be told without a Redis: that is said.
    let told = maintain(&front.balancer, true, "all")
        .await
        .expect(200)
        .json();
    assert!(
        told["note"]
            .as_str()
            .unwrap()
            .contains("only this instance"),
        "{told}"
    );
    assert_eq!(
        (&told["instance"]["message"], &told["all"]),
        (&json!(MESSAGE), &json!(null))
    );
}
