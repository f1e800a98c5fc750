//! Large layers before a node's nginx.

use super::{Clinic, names};

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
