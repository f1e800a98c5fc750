//! Over which nodes a client's requests went.

use std::collections::BTreeSet;

use crate::harness::balancer::field;
use crate::registry::stage::Stage;

/// Takes the node that took the last manifest of a repository out of service: what comes next has
/// to come from another node.
pub(super) async fn leave_writer(stage: &mut Stage, repository: &str) -> String {
    let writer = stage.writer("manifest", repository).await;
    // Recently written content is asked of its writer even while it drains; a dead node is asked
    // for nothing.
    let node = stage
        .cluster
        .nodes
        .iter_mut()
        .find(|node| node.name == writer);
    node.expect("the writer is a node").kill();
    stage.balancer.node_is(&writer, "pull", "down").await;
    stage.balancer.node_is(&writer, "token", "down").await;
    writer
}

/// Panics unless another node than this one gave the layers of a repository since.
pub(super) fn expect_layers_from_others(stage: &Stage, repository: &str, writer: &str) {
    let records = stage.balancer.access_log();
    let layers = records.iter().filter(|record| {
        field(record, "route") == "blob"
            && field(record, "method") == "GET"
            && field(record, "repo") == repository
            && field(record, "status") == 200
    });
    let nodes = layers
        .filter_map(|record| field(record, "node").as_str())
        .collect::<BTreeSet<_>>();
    assert!(!nodes.is_empty(), "no layer was pulled");
    assert!(!nodes.contains(writer), "{writer} is dead, yet it answered");
}

/// Panics if any request so far ended with an answer of 5xx, or with a fault other than that its
/// client went away: one that is refused gives up what it asked beside.
pub(super) fn expect_no_failure(stage: &Stage) {
    for record in stage.balancer.access_log() {
        let status = field(&record, "status").as_u64().unwrap();
        assert!(status < 500, "{record}");
        let fault = field(&record, "fault");
        assert!(fault.is_null() || fault == "client", "{record}");
    }
}
