//! A rescue is told: in the record, the log, the metrics, and beside the nodes.

use serde_json::Value;

use crate::harness::balancer::field;
use crate::harness::certs::Offer;
use crate::harness::link::{Direction, End};

use super::courier::{Form, Moment};
use super::pulled::stored;
use super::survive::{SIZE, undergo};
use super::trial::{Fault, Trial};

async fn expect_metrics(trial: &Trial, kind: &str) {
    let balancer = &trial.stage.balancer;
    let seconds = format!("pilotage_edge_takeover_seconds_count{{kind=\"{kind}\"}}");
    assert_eq!(balancer.metric(&seconds).await, Some(1.0), "{kind}");
    let counted = format!("pilotage_edge_takeovers_total{{kind=\"{kind}\",reason=\"lost\"}}");
    assert_eq!(balancer.metric(&counted).await, Some(1.0), "{kind}");
}

/// What the record of a rescued transfer says of it, and the line beside the nodes.
async fn expect_told(trial: &Trial, record: &Value, kind: &str) {
    let text = |name| field(record, name).as_str().unwrap_or_default().to_owned();
    let (from, to) = (text("first_node"), text("node"));
    assert!(from != to && !from.is_empty() && !to.is_empty(), "{record}");
    assert_eq!(field(record, "takeovers"), 1);
    assert!(field(record, "lost_ms").as_f64().unwrap() > 0.0, "{record}");
    assert_eq!(trial.takeovers(kind), [(from.clone(), to.clone())]);
    let page = trial.stage.balancer.admin("/nodes").await.json();
    let line = page["rescued"][0].as_str().unwrap().to_owned();
    let (repo, id) = (text("repo"), text("request_id"));
    let expected = format!("{kind} of {repo} from {from} to {to} (lost), request {id}");
    assert!(line.ends_with(&expected), "{line}");
    expect_metrics(trial, kind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_is_told_in_the_record_the_metrics_and_beside_the_nodes() {
    let mut trial = Trial::set().await;
    let courier = trial.courier(Offer::Http1).await;
    let strike = async |trial: &mut Trial, holder, moment| {
        if moment == Moment::Body(50) {
            trial.reached(holder).await;
            trial.strike(holder, Fault::Reset).await;
        }
    };
    let ordeal = undergo(&mut trial, &courier, (Form::Streamed, SIZE), strike).await;
    let keeper = ordeal.expect_one_takeover().to_owned();
    ordeal.expect_whole(&trial, &keeper);
    let rescued = |record: &Value| field(record, "takeovers") == 1;
    let record = trial.stage.record("the push is rescued", rescued).await;
    assert!(
        field(&record, "replayed_bytes").as_u64().unwrap() > 0,
        "{record}"
    );
    assert_eq!(field(&record, "synthesized"), "202");
    assert_eq!(record.get("unprotected"), None);
    expect_told(&trial, &record, "upload").await;
    trial.heal().await;

    let blob = stored(&trial, &courier, SIZE).await;
    let link = trial.node(blob.holder).link();
    let get = format!("GET {}", blob.path);
    link.cut_within(&get, Direction::FromNode, 1_000_000, End::Close);
    let (answer, _) = courier.pull(&blob.path, None, async |_| ()).await;
    assert!(answer.body == blob.content, "wrong bytes");
    let pulled =
        |record: &Value| field(record, "takeovers") == 1 && field(record, "route") == "blob";
    let record = trial.stage.record("the pull is rescued", pulled).await;
    expect_told(&trial, &record, "download").await;
}
