//! A registry's own refusals: they reach the client whole while it is still sending, and no other node is
//! asked for a better one.

use crate::harness::certs::Offer;
use crate::harness::core::{Injection, RequestBody};
use crate::harness::http::Request;
use crate::harness::scripted::location;

use super::courier::{Courier, Form, Moment};
use super::survive::{fresh, random, undergo};
use super::trial::Trial;

/// What a registry refuses with, and how.
const REFUSALS: [(u16, &str); 5] = [
    (401, "UNAUTHORIZED"),
    (403, "DENIED"),
    (412, "PRECONDITION"),
    (413, "REQUEST_ENTITY_TOO_LARGE"),
    (429, "TOOMANYREQUESTS"),
];

const LARGE: usize = 24 << 20;

fn refusal(method: &str, number: usize) -> Injection {
    let (status, code) = REFUSALS[number];
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"quota, or the like"}}]}}"#);
    let mut injection = Injection::once(method, "/v2/lab/", status, &body);
    injection.request_body = RequestBody::Ignored;
    injection.times = 10;
    injection
}

async fn refuse_everywhere(trial: &Trial, method: &str, number: usize) {
    for node in &trial.stage.cluster.nodes {
        let injection = refusal(method, number);
        node.switch(|switches| switches.injections = vec![injection])
            .await;
    }
}

async fn expect_refused(trial: &Trial, courier: &Courier, form: Form, number: usize) {
    let (method, repository) = (if form == Form::Put { "PUT" } else { "PATCH" }, fresh());
    let upload = location(&courier.start(&repository).await);
    refuse_everywhere(trial, method, number).await;
    let path = if form == Form::Put {
        format!("{upload}&digest=sha256:{}", "0".repeat(64))
    } else {
        upload
    };
    let request = Request::new(method, &path);
    let length = (form != Form::Streamed).then_some(LARGE);
    let mut sending = courier.begin(request, length).await;
    sending.send(&vec![7; LARGE]).await;
    let answer = sending.answer().await;
    let (status, code) = REFUSALS[number];
    let about = format!("{form:?} over {:?}: {}", courier.offer, answer.text());
    assert_eq!(answer.status, status, "{about}");
    assert_eq!(answer.error_code(), code, "{about}");
    assert!(answer.complete, "{about}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        for number in 0..REFUSALS.len() {
            for form in [Form::Streamed, Form::Patched, Form::Put] {
                expect_refused(&trial, &courier, form, number).await;
            }
        }
    }
    // 401 alone is asked for once more: a node may hold credentials for wrong that another has just taken.
    let expected = 2 * 3;
    assert_eq!(trial.takeovers("upload").len(), expected);
    let records = trial.stage.balancer.access_log();
    let failed = records
        .iter()
        .filter(|record| record["status"].as_u64() >= Some(500));
    assert_eq!(failed.count(), 0);
}

/// Half of the body is with the node when it says no.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_the_middle_reaches_the_client() {
    let mut trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        for (number, form) in [(1, Form::Streamed), (3, Form::Put), (1, Form::Put)] {
            let method = if form == Form::Put { "PUT" } else { "PATCH" };
            let strike = async |trial: &mut Trial, holder: usize, moment| {
                if moment == Moment::Begun {
                    let node = trial.node(holder);
                    node.inject(refusal(method, number)).await;
                    node.core.pause();
                }
                if moment == Moment::Body(50) {
                    trial.reached(holder).await;
                    trial.node(holder).core.resume();
                }
            };
            let ordeal = undergo(&mut trial, &courier, (form, 3_000_000), strike).await;
            let answer = ordeal.answers.last().unwrap();
            assert_eq!(answer.status, REFUSALS[number].0, "{}", answer.text());
            assert_eq!(answer.error_code(), REFUSALS[number].1);
            assert_eq!(ordeal.takeovers, []);
            for node in &trial.stage.cluster.nodes {
                node.switch(|switches| switches.injections.clear()).await;
            }
        }
    }
}

/// One node alone holds good credentials for bad ones: its keys differ, or it cannot check.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_one_node_refuses_are_tried_on_another() {
    let mut trial = Trial::set().await;
    for (offer, form) in [(Offer::Http1, Form::Streamed), (Offer::Http2, Form::Put)] {
        let courier = trial.courier(offer).await;
        let method = if form == Form::Put { "PUT" } else { "PATCH" };
        let strike = async |trial: &mut Trial, holder: usize, moment| {
            if moment == Moment::Begun {
                trial.node(holder).inject(refusal(method, 0)).await;
            }
        };
        let ordeal = undergo(&mut trial, &courier, (form, 3_000_000), strike).await;
        let keeper = ordeal.expect_one_takeover();
        ordeal.expect_whole(&trial, keeper);
        for node in &trial.stage.cluster.nodes {
            node.switch(|switches| switches.injections.clear()).await;
        }
    }
}

/// The upload goes on where it was, once the refusal is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_patch_may_be_sent_again() {
    let trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        let (repository, content) = (fresh(), random(3_000_000));
        let upload = location(&courier.start(&repository).await);
        refuse_everywhere(&trial, "PATCH", 4).await;
        let patch = Request::new("PATCH", &upload).body(content.clone());
        courier.send(patch.clone()).await.expect(429);
        for node in &trial.stage.cluster.nodes {
            node.switch(|switches| switches.injections.clear()).await;
        }
        let patched = courier.send(patch).await.expect(202);
        let digest = crate::harness::image::digest(&content);
        let put = Request::new("PUT", &format!("{}&digest={digest}", location(&patched)));
        courier.send(put).await.expect(201);
        let stored = crate::registry::stage::blob(&trial.stage.storage(), &digest);
        assert!(stored == content);
    }
}
