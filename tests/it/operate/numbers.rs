//! Numbers that alert rules are made of, where no other test looks at them.

use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::image::digest;
use crate::harness::recorder::answer;
use crate::harness::uploads::{begin, go_on, script};
use crate::harness::wait::{SOON, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_push_is_timed_from_its_last_byte_and_only_when_it_is_stored() {
    let digest = digest(b"bytes");
    let front = Front::scripted(
        1,
        |_| (),
        |number, request| match request.method.as_str() {
            "PUT" if request.target.contains("refused") => Some(answer(500, &[], "{}")),
            "PUT" => Some(answer(201, &[("Location", "/v2/lab/app/blobs/x")], "")),
            _ => script(number, request),
        },
    )
    .await;
    let counted = async || {
        let name = "pilotage_upload_commit_seconds_count ";
        front.balancer.metric(name).await.unwrap()
    };
    for (more, status) in [
        (format!("digest={digest}"), 201),
        (format!("digest={digest}&refused"), 503),
    ] {
        let next = go_on(&front.balancer, &begin(&front.balancer).await)
            .await
            .unwrap();
        let last = Request::new("PUT", &format!("{next}&{more}"));
        let answer = front.h1().send(last).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    until("one push is timed", SOON, async || {
        (counted().await > 0.0).then_some(())
    })
    .await;
    let ended = "pilotage_edge_requests_total{outcome=\"refused\",route=\"upload\",status=\"5xx\"}";
    until("the other has ended", SOON, async || {
        front.balancer.metric(ended).await
    })
    .await;
    assert!((counted().await - 1.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_the_spool_is_shown_beside_its_bytes() {
    let front = Front::start(|config| {
        config.set("spool", "total_limit", "3GiB");
    })
    .await;
    let limit = front.balancer.metric("pilotage_spool_limit_bytes ").await;
    assert_eq!(limit, Some(3.0 * 1024.0 * 1024.0 * 1024.0));
    assert_eq!(
        front.balancer.metric("pilotage_spool_bytes ").await,
        Some(0.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_connections_is_told_from_none() {
    let probes = async |front: &Front| {
        let name = "pilotage_affinity_redis_calls_total{call=\"probe\",outcome=\"lost\"}";
        front.balancer.metric(name).await.unwrap()
    };
    // Nothing listens on the port that TCP reserves for nothing.
    let front = Front::start(|config| {
        config.set("redis", "url", "redis://127.0.0.1:1/0");
        let key = config.folder().join("affinity.key");
        std::fs::write(&key, "c".repeat(43) + "=").unwrap();
        config.set("affinity", "key_file", key.to_str().unwrap());
    })
    .await;
    until("lost probes are counted", SOON, async || {
        (probes(&front).await > 1.0).then_some(())
    })
    .await;
    let none = Front::start(|_| ()).await;
    assert!(probes(&none).await.abs() < f64::EPSILON);
}
