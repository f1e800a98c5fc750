//! Nodes that answer nonsense in the middle of a push: they are alive, and yet of no use to it.

use std::time::Duration;

use crate::harness::certs::Offer;
use crate::harness::core::{Injection, RequestBody};

use super::courier::{Form, Moment};
use super::survive::{SIZE, tell, undergo};
use super::trial::Trial;

/// What a sick node says: status, type and body.
const NONSENSE: [(u16, &str, &str); 6] = [
    (
        500,
        "application/json",
        r#"{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}"#,
    ),
    (502, "", ""),
    (
        503,
        "text/html",
        "<html><h1>503 Service Temporarily Unavailable</h1></html>",
    ),
    (
        504,
        "text/html",
        "<html><h1>504 Gateway Time-out</h1></html>",
    ),
    (404, "text/html", "<html><h1>404 Not Found</h1></html>"),
    (200, "text/html", "<html><h1>Welcome</h1></html>"),
];

fn injection(number: usize, method: &str, body: RequestBody) -> Injection {
    let (status, kind, text) = NONSENSE[number];
    let mut injection = Injection::once(method, "/v2/lab/", status, text);
    kind.clone_into(&mut injection.content_type);
    injection.request_body = body;
    injection
}

/// When the nonsense comes, of the request with the bytes.
const WHEN: [RequestBody; 3] = [
    RequestBody::Ignored,
    RequestBody::UpTo(SIZE as u64 / 2),
    RequestBody::Read,
];

/// The node that has the upload answers nonsense to the request with its bytes, once.
async fn each_nonsense(offer: Offer, form: Form) {
    let mut trial = Trial::set().await;
    let courier = trial.courier(offer).await;
    let method = if form == Form::Put { "PUT" } else { "PATCH" };
    for when in WHEN {
        for (number, told) in NONSENSE.into_iter().enumerate() {
            let strike = async |trial: &mut Trial, holder: usize, moment| {
                if moment == Moment::Begun {
                    let nonsense = injection(number, method, when);
                    trial.node(holder).inject(nonsense).await;
                }
            };
            let ordeal = undergo(&mut trial, &courier, (form, SIZE), strike).await;
            tell(
                &format!("{} {}, {when:?}, {form:?} over {offer:?}", told.0, told.1),
                &ordeal,
                Duration::ZERO,
            );
            let keeper = ordeal.expect_one_takeover();
            ordeal.expect_whole(&trial, keeper);
            trial.stage.balancer.all_up(3).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_push_leaves_a_node_that_answers_nonsense() {
    each_nonsense(Offer::Http1, Form::Streamed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_known_length_leaves_a_node_that_answers_nonsense() {
    each_nonsense(Offer::Http2, Form::Patched).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_one_put_leaves_a_node_that_answers_nonsense() {
    each_nonsense(Offer::Http1, Form::Put).await;
}

/// One part of a node dies under the push: nginx or core say so in their own words.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_leaves_a_node_that_lost_its_registry_or_its_core() {
    let mut trial = Trial::set().await;
    for (offer, form) in [(Offer::Http1, Form::Streamed), (Offer::Http2, Form::Put)] {
        let courier = trial.courier(offer).await;
        for part in ["registry", "core", "nginx"] {
            let strike = async |trial: &mut Trial, holder: usize, moment| {
                if moment == Moment::Body(50) {
                    trial.reached(holder).await;
                    let node = trial.node(holder);
                    match part {
                        "registry" => node.registry.kill(),
                        "core" => node.core.kill(),
                        _ => node.nginx.kill(),
                    }
                }
            };
            let ordeal = undergo(&mut trial, &courier, (form, SIZE), strike).await;
            tell(
                &format!("{part} killed at 50 %, {form:?} over {offer:?}"),
                &ordeal,
                Duration::ZERO,
            );
            trial.heal().await;
            let keeper = ordeal.expect_one_takeover();
            ordeal.expect_whole(&trial, keeper);
        }
    }
}

/// Every node says the same: the client reads it, and nothing storms.
#[tokio::test(flavor = "multi_thread")]
async fn what_every_node_says_reaches_the_client() {
    let trial = Trial::set().await;
    let mut trial = trial;
    for (number, status, code) in [
        (0, 500, "UNKNOWN"),
        (1, 503, "UNAVAILABLE"),
        (2, 503, "UNAVAILABLE"),
    ] {
        for offer in [Offer::Http1, Offer::Http2] {
            let courier = trial.courier(offer).await;
            for node in &trial.stage.cluster.nodes {
                let mut told = injection(number, "PATCH", RequestBody::Read);
                told.times = 100;
                node.inject(told).await;
            }
            let push = undergo(
                &mut trial,
                &courier,
                (Form::Streamed, 100_000),
                async |_, _, _| (),
            );
            let ordeal = push.await;
            let answer = ordeal.answers.last().unwrap();
            assert_eq!(answer.status, status, "{}", answer.text());
            assert_eq!(answer.error_code(), code, "{}", answer.text());
            let mut left = 0;
            for node in &trial.stage.cluster.nodes {
                node.switch(|switches| {
                    left += switches.injections.iter().map(|one| one.times).sum::<u32>();
                    switches.injections.clear();
                })
                .await;
            }
            assert!(left >= 300 - 4, "{} requests for one", 300 - left);
            trial.stage.balancer.all_up(3).await;
        }
    }
}
