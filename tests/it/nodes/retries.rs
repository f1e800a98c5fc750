//! What may be asked again, and how often.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::scene::{Scene, agreeable, number, probed_once};
use super::work::{
    admin, ask, assert_unavailable, commit, next, node, patch, publish, some_blob, start_upload,
};
use crate::harness::balancer::{Balancer, field};
use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::image::digest;
use crate::harness::link::{Direction, End};
use crate::harness::recorder::answer;

/// So many answers of each of these nodes end before their first byte.
fn mute(scene: &Scene, nodes: &[usize], times: usize) {
    for link in &scene.links {
        link.forget_cuts();
    }
    for link in nodes.iter().map(|number| &scene.links[*number]) {
        for _ in 0..times {
            link.cut_after(Direction::FromNode, 0, End::Close);
        }
    }
}

/// Nodes that no failed request takes out, and an upload that has begun there.
async fn forgiving() -> (Scene, Balancer, String) {
    let scene = Scene::new(3, agreeable).await;
    let balancer = scene
        .balancer(|config| {
            probed_once(config);
            config.set("health", "passive_down_after", 100_000);
        })
        .await;
    let target = balancer.target(Offer::Http1);
    let started = next(&target.send(start_upload("lab/app")).await.expect(202));
    (scene, balancer, started)
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_starts_are_asked_again_when_a_node_dies_before_it_answers() {
    let scene = Scene::new(3, agreeable).await;
    let balancer = scene
        .balancer(|config| {
            probed_once(config);
            config.set("health", "passive_down_after", 100_000);
            config.set("retry", "budget_minimum", 1_000);
        })
        .await;
    let blob = format!("/v2/lab/app/blobs/{}", some_blob(1));
    for request in [
        admin("GET", "/v2/lab/app/manifests/v1"),
        admin("HEAD", "/v2/lab/app/manifests/v1"),
        admin("GET", "/v2/lab/app/tags/list"),
        admin("GET", &blob),
        start_upload("lab/app"),
        Request::get("/service/token"),
        Request::get("/api/v2.0/systeminfo"),
        Request::get("/harbor/projects"),
    ] {
        let shown = format!("{} {}", request.method, request.path);
        let mut deaths = 0;
        for round in 0..30 {
            // Two of the three die on it, whoever comes first.
            mute(&scene, &[round % 3, (round + 1) % 3], 1);
            let (answer, record) = ask(&balancer, request.clone()).await;
            assert!(
                matches!(answer.status, 200 | 202),
                "{shown}: {}",
                answer.status
            );
            let asked = scene.who_got(field(&record, "request_id").as_str().unwrap());
            let tries = usize::try_from(field(&record, "attempt").as_u64().unwrap()).unwrap();
            // A kept connection that was closed is replaced once, and that is no attempt more.
            assert!(
                (tries..=2 * tries).contains(&asked.len()),
                "{shown}: {asked:?}"
            );
            assert!(asked.contains(&number(&node(&record))), "{shown}");
            deaths += asked.len() - 1;
            if deaths > 2 {
                break;
            }
        }
        assert!(deaths > 2, "{shown}: nobody died on it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_settled_by_asking_is_sent_once_when_a_node_dies_before_it_answers() {
    let (scene, balancer, started) = forgiving().await;
    for request in [
        admin("DELETE", "/v2/lab/app/manifests/v1"),
        admin("DELETE", &started),
    ] {
        mute(&scene, &[0, 1, 2], 3);
        let shown = request.method.clone();
        let (answer, record) = ask(&balancer, request).await;
        assert_unavailable(&answer);
        let id = field(&record, "request_id").as_str().unwrap();
        assert_eq!(scene.who_got(id).len(), 1, "{shown}");
        assert_eq!(field(&record, "fault"), "node_broken", "{shown}");
    }
    mute(&scene, &[0, 1, 2], 3);
    let (page, _) = ask(&balancer, admin("POST", "/c/login").body("principal=x")).await;
    assert_eq!(page.status, 503);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(page.header("retry-after").is_some() && !page.text().contains("127."));
    mute(&scene, &[0, 1, 2], 3);
    let (all_dead, record) = ask(&balancer, admin("GET", "/v2/lab/app/manifests/v1")).await;
    assert_unavailable(&all_dead);
    assert_eq!(field(&record, "attempt"), 3);
}

/// A body that was cut may have reached its node in part: that session is never touched again.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_cut_goes_whole_into_another_session_and_nowhere_twice() {
    let scene = Scene::new(3, agreeable).await;
    let balancer = scene.balancer(probed_once).await;
    let target = balancer.target(Offer::Http1);
    let (started, record) = ask(&balancer, start_upload("lab/app")).await;
    let (upload, home) = (next(&started.expect(202)), number(&node(&record)));
    scene.links[home].cut_after(Direction::ToNode, 50_000, End::Reset);
    let bytes = vec![7; 400_000];
    let (patched, record) = ask(&balancer, patch(&upload, &bytes)).await;
    assert_eq!(field(&record, "takeovers"), 1);
    assert_eq!(scene.links[home].cuts_left(), 0);
    let mut whole = 0;
    for (number, recorder) in scene.nodes.iter().enumerate() {
        for seen in recorder
            .requests()
            .iter()
            .filter(|seen| seen.method == "PATCH")
        {
            assert_ne!(number, home, "the cut node got something again");
            assert_eq!(seen.body, bytes);
            whole += 1;
        }
    }
    assert_eq!(whole, 1);
    let done = commit(&next(&patched.expect(202)), &digest(&bytes));
    target.send(done).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_no_node_can_take_ends_as_unavailable() {
    let (scene, balancer, started) = forgiving().await;
    for request in [
        patch(&started, b"some bytes"),
        commit(&started, &some_blob(1)),
        publish("lab/app", "v1", b"{}"),
    ] {
        mute(&scene, &[0, 1, 2], 30);
        let (answer, record) = ask(&balancer, request).await;
        assert_unavailable(&answer);
        let id = field(&record, "request_id").as_str().unwrap();
        let asked = scene.who_got(id).len();
        assert!((1..=12).contains(&asked), "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_fails_everything_gets_no_more_than_the_budget_of_retries() {
    let broken = Arc::new(AtomicBool::new(true));
    let switch = broken.clone();
    let scene = Scene::new(3, move |request| {
        if switch.load(Ordering::Relaxed) {
            return answer(502, &[], "");
        }
        agreeable(request)
    })
    .await;
    let balancer = scene
        .balancer(|config| {
            probed_once(config);
            config.set("health", "passive_down_after", 100_000);
            config.set("retry", "budget_percent", 20);
            config.set("retry", "budget_minimum", 1);
        })
        .await;
    let began = tokio::time::Instant::now();
    let target = balancer.target(Offer::Http1);
    for number in 0..300 {
        let path = format!("/v2/lab/app/blobs/{}", some_blob(number));
        assert_unavailable(&target.send(admin("GET", &path)).await);
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    let asked = scene.counts().iter().sum::<usize>();
    // A fifth, one at the start, and one a second.
    assert!(asked <= 300 + 60 + 2 + seconds, "{asked} in {seconds} s");
    assert!(asked >= 300 + 50, "{asked}");
    let refused = balancer
        .metric("pilotage_upstream_retry_budget_refused_total")
        .await;
    assert!(refused.unwrap() > 100.0);
    broken.store(false, Ordering::Relaxed);
    let (served, record) = ask(&balancer, admin("GET", "/v2/lab/app/manifests/v1")).await;
    served.expect(200);
    assert_eq!(field(&record, "attempt"), 1);
}
