//! What is told of requests: while they run, and afterwards.

use serde_json::{Value, json};

use crate::harness::balancer::field;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::image::digest;
use crate::harness::load::Trickle;
use crate::harness::recorder::{Received, answer};
use crate::harness::uploads::{begin, with_blob};
use crate::harness::wait::{SOON, until};
use crate::operate::idle;

/// The first node stops in the middle of every blob.
fn breaking(number: usize, request: &Received) -> Option<Vec<u8>> {
    if request.method != "GET" || !request.target.contains("/blobs/sha256:") {
        return None;
    }
    let body = "b".repeat(200_000);
    if number == 1 {
        let whole = answer(200, &[], &body);
        return Some(whole[..whole.len() - 100_000].to_vec());
    }
    let range = request.values("range").first().cloned();
    let Some(from) = range.and_then(|range| {
        let from = range.strip_prefix("bytes=")?.split('-').next()?;
        from.parse::<usize>().ok()
    }) else {
        return Some(answer(200, &[], &body));
    };
    let content_range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
    Some(answer(
        206,
        &[("Content-Range", &content_range)],
        &body[from..],
    ))
}

/// A blob that is pulled for longer than a test takes.
const LONG: usize = 32 << 20;

async fn explain(front: &Front, id: &str) -> Value {
    let path = format!("/v1/requests/{id}");
    until("the request is remembered", SOON, async || {
        let answer = front.balancer.admin(&path).await;
        (answer.status == 200).then(|| answer.json())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescued_request_is_explained_step_by_step() {
    let front = Front::scripted(
        2,
        |config| {
            config.set("upstream", "read_timeout", "3s");
        },
        breaking,
    )
    .await;
    // A few of them, for any node may be asked first.
    let rescued = until("a pull is rescued", SOON, async || {
        let id = format!("pull-{:016x}", fastrand::u64(..));
        let blob = format!("/v2/lab/app/blobs/{}", digest(id.as_bytes()));
        let pull = Request::get(&blob).header("X-Request-Id", &id);
        let answer = front.h1().send(pull).await.expect(200);
        assert!(answer.complete && answer.body.len() == 200_000);
        let told = explain(&front, &id).await;
        (told["takeovers"] == 1).then_some(told)
    })
    .await;
    assert_eq!(
        (&rescued["first_node"], &rescued["node"]),
        (&json!("node-1"), &json!("node-2"))
    );
    assert_eq!(
        (&rescued["outcome"], &rescued["repo"]),
        (&json!("taken_over"), &json!("lab/app"))
    );
    let steps = rescued["steps"].as_array().unwrap();
    let told: Vec<String> = steps
        .iter()
        .map(|step| {
            let node = step["node"]
                .as_str()
                .or(step["to"].as_str())
                .unwrap_or_default();
            format!("{} {node}", step["step"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            "chosen ",
            "asked node-1",
            "failed node-1",
            "asked node-2",
            "taken_over node-2"
        ]
    );
    assert_eq!(steps[0]["order"][0]["node"], "node-1");
    assert_eq!(steps[0]["order"][0]["why"], "least loaded of two");
    assert_eq!(steps[2]["fault"], "node_stalled");
    assert_eq!(
        (&steps[4]["from"], &steps[4]["reason"]),
        (&json!("node-1"), &json!("stalled"))
    );

    expect_listed(&front, &rescued).await;
}

/// The request stands first among those that somebody may ask about.
async fn expect_listed(front: &Front, rescued: &Value) {
    let listed = front
        .balancer
        .admin("/v1/requests?limit=1")
        .await
        .expect(200)
        .json();
    assert_eq!(listed["requests"][0]["request_id"], rescued["request_id"]);
    assert_eq!(listed["requests"].as_array().unwrap().len(), 1);
    front
        .balancer
        .admin("/v1/requests/unheard-of")
        .await
        .expect(404);
    for wrong in ["limit=0", "limit=1001", "limit=x", "which=some", "sort=up"] {
        front
            .balancer
            .admin(&format!("/v1/requests?{wrong}"))
            .await
            .expect(422);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_requests_are_remembered_as_the_operator_wants() {
    let mut front = Front::start(|config| {
        config.set("admin", "requests", 3);
    })
    .await;
    let remembered = async |front: &Front| {
        let page = front.balancer.admin("/v1/requests?which=all").await.json();
        page["requests"].as_array().unwrap().len()
    };
    for _ in 0..5 {
        front.serves().await;
    }
    front.balancer.records(5, |_| true).await;
    assert_eq!(remembered(&front).await, 3);
    front.balancer.reload(|config| {
        config.set("admin", "requests", 0);
    });
    front.balancer.says("settings reloaded").await;
    front.serves().await;
    front.balancer.records(6, |_| true).await;
    assert_eq!(remembered(&front).await, 0);
    // What begins after that is remembered with all of its steps.
    front.balancer.reload(|config| {
        config.set("admin", "requests", 3);
    });
    let first = until("a request is remembered again", SOON, async || {
        let again = Request::get("/v2/_catalog");
        front.h1().send(again).await.expect(200);
        let page = front.balancer.admin("/v1/requests?which=all").await.json();
        page["requests"].get(0).cloned()
    })
    .await;
    assert_eq!(first["steps"][0]["step"], "chosen", "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_are_told_with_their_progress_while_they_run() {
    let front = Front::scripted(1, |_| (), with_blob(LONG)).await;
    assert_eq!(
        front.balancer.admin("/v1/transfers").await.json(),
        json!({ "transfers": [] })
    );
    let upload = begin(&front.balancer).await;
    let blob = digest(b"x");
    let (push, pull) = (
        Trickle::upload(&front.h1(), &upload),
        Trickle::download(&front.h1(), &format!("/v2/lab/app/blobs/{blob}")),
    );
    let look = async |way: &str, least: u64| {
        until("the transfer is told", SOON, async || {
            let page = front.balancer.admin("/v1/transfers").await.json();
            let all = page["transfers"].as_array().unwrap().clone();
            let found = all.into_iter().find(|one| one["direction"] == way)?;
            (found["bytes"].as_u64().unwrap() > least).then_some(found)
        })
        .await
    };
    let pulled = look("pull", 0).await;
    assert_eq!(
        (&pulled["total"], &pulled["node"]),
        (&json!(LONG), &json!("node-1"))
    );
    assert_eq!(
        (&pulled["repo"], &pulled["reference"]),
        (&json!("lab/app"), &json!(blob))
    );
    let pushed = look("push", 0).await;
    let running = front.balancer.metric("pilotage_upload_running").await;
    assert_eq!(running, Some(1.0), "counted from its first byte");
    assert_eq!(
        (&pushed["total"], &pushed["method"]),
        (&Value::Null, &json!("PATCH"))
    );
    assert_eq!(
        (&pushed["takeovers"], &pushed["client"]),
        (&json!(0), &json!("127.0.0.1"))
    );
    let later = look("push", pushed["bytes"].as_u64().unwrap()).await;
    assert!(later["seconds"].as_f64() > pushed["seconds"].as_f64());
    assert_eq!(push.finish().await.status, 202);
    pull.finish().await;
    until("nothing is under way", SOON, async || {
        let page = front.balancer.admin("/v1/transfers").await.json();
        (page == json!({ "transfers": [] })).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_done_or_says_what_is_wrong_with_the_file() {
    let mut front = Front::start(|_| ()).await;
    let done = front
        .balancer
        .order("POST", "/v1/reload", json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(done, json!({ "reloaded": true, "needs_restart": [] }));
    let file = front.scratch.path().join("balancer/pilotage.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        good.replacen("threads", "thread", 1) + "\n[nonsense]\n",
    )
    .unwrap();
    let refused = front
        .balancer
        .order("POST", "/v1/reload", json!({}))
        .await
        .expect(422)
        .json();
    let what = refused["error"]["what"].as_str().unwrap();
    assert!(what.contains("nonsense"), "{refused}");
    std::fs::write(&file, &good).unwrap();
    front.balancer.config.set("log", "queue", 99);
    std::fs::write(&file, front.balancer.config.text()).unwrap();
    let done = front
        .balancer
        .order("POST", "/v1/reload", json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(done["needs_restart"], json!(["log.queue"]));
    let line = front.balancer.says("reload ordered").await;
    assert_eq!(field(&line, "by"), "127.0.0.1 without credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_filter_changes_at_once_and_until_the_next_reload() {
    let front = Front::start(|config| {
        config.set("log", "level", "info,access=off");
    })
    .await;
    let filter = async || front.balancer.admin("/v1/log").await.json()["filter"].clone();
    assert_eq!(filter().await, "info,access=off");
    front.serves().await;
    let set = async |filter: &str, status| {
        let body = json!({ "filter": filter });
        front
            .balancer
            .order("PUT", "/v1/log", body)
            .await
            .expect(status)
    };
    idle(&front).await;
    set("info", 200).await;
    front.serves().await;
    assert_eq!(front.balancer.records(1, |_| true).await.len(), 1);
    for wrong in [
        "",
        " , ",
        "loud",
        "info,pingora=debug",
        "pingora_proxy=trace",
        "info,h2",
        "rustls=debug",
    ] {
        set(wrong, 422).await;
    }
    assert_eq!(filter().await, "info");
    set("info,pilotage::edge=debug,access=off", 200).await;
    front
        .balancer
        .order("POST", "/v1/reload", json!({}))
        .await
        .expect(200);
    assert_eq!(filter().await, "info,access=off");
    until("it is told who did it", SOON, async || {
        let lines = front.balancer.log();
        let told = lines
            .iter()
            .filter(|line| field(line, "message") == "log filter ordered");
        (told.count() == 2).then_some(())
    })
    .await;
}
