//! A takeover as a collector of traces reads it: who was asked, who went on, and from when to when.

use crate::harness::balancer::field;
use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::collector::{Collector, Seen, Told};
use crate::harness::link::{Direction, End};
use crate::harness::node::Common;

use super::courier::{Ending, Form, Moment};
use super::pulled::stored;
use super::survive::undergo;
use super::trial::{Fault, Trial};

async fn trial(collector: &Collector) -> Trial {
    Trial::with(Common::Shared, Cluster::builder(), |config| {
        config.set("tracing", "endpoint", collector.url());
        config.set("tracing", "sample_ratio", "100%");
        config.set("tracing", "interval", "50ms");
    })
    .await
}

/// The trace of the request to a repository that went over to another node.
async fn taken_over(trial: &Trial, collector: &Collector, repository: &str) -> Told {
    let record = trial.stage.record("the request is recorded", |record| {
        field(record, "repo") == repository && field(record, "takeovers").as_u64() > Some(0)
    });
    let record = record.await;
    collector
        .trace(field(&record, "request_id").as_str().unwrap())
        .await
}

/// Panics unless the trace has one takeover, from the node of the first attempt to that of the last.
#[track_caller]
fn expect_takeover(told: &Told, kind: &str) -> (Seen, Seen) {
    let [takeover] = told.takeovers.as_slice() else {
        panic!("{told:?}");
    };
    let (first, last) = (
        told.attempts[0].clone(),
        told.attempts.last().unwrap().clone(),
    );
    assert!(told.attempts.len() > 1, "{told:?}");
    assert_eq!(takeover.says("pilotage.takeover.kind"), kind);
    assert_eq!(
        takeover.says("pilotage.takeover.from"),
        first.says("pilotage.node")
    );
    assert_eq!(
        takeover.says("pilotage.takeover.to"),
        last.says("pilotage.node")
    );
    assert_ne!(first.says("pilotage.node"), last.says("pilotage.node"));
    told.expect_within_the_request();
    assert!(
        first.failed && !last.failed && !told.root.failed,
        "{told:?}"
    );
    (first, last)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_lost_its_node_is_one_trace_with_both_attempts_and_the_takeover() {
    let collector = Collector::start().await;
    let mut trial = trial(&collector).await;
    let courier = trial.courier(Offer::Http1).await;
    let blob = stored(&trial, &courier, 3_000_000).await;
    let get = format!("GET {}", blob.path);
    let link = trial.node(blob.holder).link();
    link.cut_within(&get, Direction::FromNode, 1_000_000, End::Reset);
    let (_, ending) = courier.pull(&blob.path, None, async |_| ()).await;
    assert_eq!(ending, Ending::Proper);
    let told = taken_over(&trial, &collector, &blob.repository).await;
    let (first, last) = expect_takeover(&told, "download");
    assert_eq!(told.root.name, "GET blob");
    assert_eq!(told.root.says("pilotage.outcome"), "taken_over");
    assert_eq!(first.says("http.response.status_code"), "200");
    assert_eq!(first.says("error.type"), "lost_midway");
    assert_eq!(last.says("http.response.status_code"), "206");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_lost_its_node_tells_the_session_and_the_replay_on_the_other() {
    let collector = Collector::start().await;
    let mut trial = trial(&collector).await;
    let courier = trial.courier(Offer::Http1).await;
    let strike = async |trial: &mut Trial, holder, moment| {
        if moment == Moment::Body(50) {
            trial.reached(holder).await;
            trial.strike(holder, Fault::Killed).await;
        }
    };
    let ordeal = undergo(&mut trial, &courier, (Form::Streamed, 3_000_000), strike).await;
    ordeal.expect_one_takeover();
    let told = taken_over(&trial, &collector, &ordeal.repository).await;
    let (first, last) = expect_takeover(&told, "upload");
    assert_eq!(told.root.name, "PATCH upload");
    assert_eq!(first.says("pilotage.node"), ordeal.holder);
    assert_eq!(first.says("http.request.method"), "PATCH");
    let asked: Vec<_> = told
        .attempts
        .iter()
        .map(|span| span.says("http.request.method"))
        .collect();
    assert!(asked.ends_with(&["POST", "PATCH"]), "{asked:?}");
    assert_eq!(last.says("http.response.status_code"), "202");
}
