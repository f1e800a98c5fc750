//! Equal requests for a token share one call to a node, where the operator wants that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;

use super::scene::{Door, Somebody, stage};
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::recorder::answer;
use crate::harness::wait::{SOON, until};

fn granted(subject: &str, number: usize) -> String {
    let claims = format!(r#"{{"sub":"{subject}","jti":"{number}"}}"#);
    let claims = URL_SAFE_NO_PAD.encode(claims);
    format!(r#"{{"token":"e30.{claims}.c2ln","expires_in":1800}}"#)
}

/// A node that grants a token of its own to each request, and counts them.
async fn front(sharing: bool, subject: &'static str) -> (Front, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let front = Front::scripted(
        1,
        |config| {
            config.set("guard", "token_sharing", sharing);
        },
        move |_, request| {
            let number =
                counted.fetch_add(usize::from(is_token(&request.target)), Ordering::AcqRel);
            let headers = [
                ("Content-Type", "application/json; charset=utf-8"),
                ("Set-Cookie", "sid=of-the-first; Path=/"),
            ];
            is_token(&request.target).then(|| answer(200, &headers, &granted(subject, number)))
        },
    )
    .await;
    (front, calls)
}

fn is_token(target: &str) -> bool {
    target.starts_with("/service/token")
}

/// Asks so many times at once; gives all the bodies.
async fn storm(front: &Front, times: usize, path: &str, password: &str) -> Vec<String> {
    let all = (0..times).map(|_| {
        let request = Request::get(path).basic("robot", password);
        let target = front.h1();
        tokio::spawn(async move { target.send(request).await.expect(200).text() })
    });
    let mut bodies = Vec::new();
    for one in all.collect::<Vec<_>>() {
        bodies.push(one.await.unwrap());
    }
    bodies
}

/// An answer is shared for so long.
const SHARED: Duration = Duration::from_secs(5);

/// A storm, and how many calls of a node it was: one, and one more for each such time that it lasts.
async fn calm_storm(
    (front, calls): (&Front, &AtomicUsize),
    times: usize,
    (path, password): (&str, &str),
) -> (Vec<String>, usize) {
    let (before, begin) = (calls.load(Ordering::Acquire), Instant::now());
    let bodies = storm(front, times, path, password).await;
    let most = 1 + begin.elapsed().as_secs() / SHARED.as_secs();
    let made = calls.load(Ordering::Acquire) - before;
    let fits = made > 0 && u64::try_from(made).unwrap() <= most;
    assert!(fits, "{made} calls for {times}");
    (bodies, made)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_equal_requests_is_one_call() {
    let (front, calls) = front(true, "robot").await;
    let (counted, path) = ((&front, &*calls), Door::TokenForImage.path());
    let (mut bodies, made) = calm_storm(counted, 50, (path, "secret-1")).await;
    let shared = front
        .balancer
        .metric("pilotage_guard_tokens_shared_total")
        .await;
    let others = f64::from(u32::try_from(50 - made).unwrap());
    assert!((shared.unwrap() - others).abs() < 0.1, "{shared:?}");
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len(), made);
    // Another password, another scope: another call.
    calm_storm(counted, 5, (path, "secret-2")).await;
    calm_storm(counted, 5, (&format!("{path},push"), "secret-1")).await;
    let shared = until("an answer is shared", SOON, async || {
        let before = calls.load(Ordering::Acquire);
        let request = Request::get(path).basic("robot", "secret-1");
        let answer = front.h1().send(request).await.expect(200);
        (calls.load(Ordering::Acquire) == before).then_some(answer)
    })
    .await;
    assert_eq!(shared.header("set-cookie"), None, "a session is not shared");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shared_unless_the_operator_wants_it() {
    let (front, calls) = front(false, "robot").await;
    storm(&front, 20, Door::TokenForImage.path(), "secret-1").await;
    assert_eq!(calls.load(Ordering::Acquire), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_stranger_is_shared_with_nobody() {
    let (front, calls) = front(true, "").await;
    for _ in 0..5 {
        storm(&front, 1, Door::TokenForImage.path(), "secret-1").await;
    }
    assert_eq!(calls.load(Ordering::Acquire), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_token_is_as_good_as_ones_own() {
    let stage = stage(|config| {
        config.set("guard", "token_sharing", true);
    })
    .await;
    let path = "/service/token?service=harbor-registry&scope=repository:lab/app:pull,push";
    let jobs = ["192.0.2.1", "192.0.2.2"].map(|address| Somebody::at(&stage, address));
    let token = until("both get the same", SOON, async || {
        let mut tokens = Vec::new();
        for job in &jobs {
            let request = Request::get(path).basic("builder", "Builder12345");
            let answer = job.send(request).await.expect(200);
            assert!(answer.header("x-request-id").is_some());
            tokens.push(answer.json()["token"].as_str().unwrap().to_owned());
        }
        (tokens[0] == tokens[1]).then(|| tokens.remove(0))
    })
    .await;
    for job in &jobs {
        let start = Request::new("POST", "/v2/lab/app/blobs/uploads/").bearer(&token);
        job.send(start).await.expect(202);
    }
    // A wrong password is never given what a right one got.
    let guesser = Somebody::at(&stage, "192.0.2.1");
    let request = Request::get(path).basic("builder", "Builder12346");
    let answer = guesser.send(request).await.expect(200);
    assert_ne!(answer.json()["token"], token);
}
