//! Large layers before a node's nginx.

use super::{Clinic, names};
use crate::harness::core::Account;

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_bodies_is_found_with_what_passes() {
    let clinic = Clinic::open(|builder| builder.node(1, |plan| plan.body_limit = "2g")).await;
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("body-limit", "error");
    names(
        finding,
        &["node-2", "10 GiB", "refused: 413", "1 GiB", "taken: 401"],
    );
    names(finding, &["client_max_body_size 0", "proxy-body-size"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_above_what_layers_reach_is_a_warning() {
    let clinic = Clinic::open(|builder| builder.node(0, |plan| plan.body_limit = "100g")).await;
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("body-limit", "warning"),
        &["node-1", "1 TiB", "64 GiB"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_buffers_requests_is_found() {
    let clinic = Clinic::open(|builder| builder.node(1, |plan| plan.buffering = "on")).await;
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("request-buffering", "warning");
    names(
        finding,
        &[
            "node-2",
            "waits for the body",
            "proxy_request_buffering off",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_may_not_pause_is_found_when_that_is_tried() {
    let clinic = Clinic::open(|builder| builder.node(1, |plan| plan.body_timeout = "1s")).await;
    clinic.examine_as(Account::ADMIN, &[]).await.is_clean();
    let diagnosis = clinic.examine_as(Account::ADMIN, &["--pause", "3"]).await;
    let finding = diagnosis.only("timeouts", "warning");
    names(
        finding,
        &[
            "pauses for 3 s",
            "node-2",
            "client_body_timeout",
            "HTTPRoute",
        ],
    );
    assert_eq!(diagnosis.value["left_behind"].as_array().unwrap().len(), 0);
}
