//! Nodes that cannot be reached, or do not prove who they are.

use std::time::{Duration, SystemTime};

use super::{Clinic, names};
use crate::harness::certs::Authority;
use crate::harness::core::Account;
use crate::harness::link::{Door, Flow};
use crate::harness::node::Entrance;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_where_nobody_listens_is_found() {
    let mut clinic = Clinic::open(|builder| builder).await;
    clinic.cluster.nodes[1]
        .link()
        .set_door(Door::Refusing)
        .await;
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("node-reach", "error");
    names(
        finding,
        &["node-2 cannot be reached", "refused", "docker compose ps"],
    );
    clinic.config.set_node("node-2", "drain", true);
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("node-reach", "warning"),
        &["node-2, which is drained"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_name_has_no_address_is_found() {
    let mut clinic = Clinic::open(|builder| builder).await;
    clinic
        .config
        .set_node("node-2", "url", "http://no-such-host.invalid");
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("node-reach", "error"),
        &["no-such-host.invalid", "DNS"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_accepts_and_does_not_answer_is_found() {
    let mut clinic = Clinic::open(|builder| builder).await;
    clinic.cluster.nodes[1].link().set_flow(Flow::Stalled);
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("node-reach", "error"),
        &["node-2", "GET /v2/", "no answer in time"],
    );
}

/// Two https nodes, the second of which differs.
async fn secure(change: impl FnOnce(&mut crate::harness::node::Plan)) -> Clinic {
    Clinic::open(|builder| {
        builder
            .all(|plan| plan.entrance = Entrance::Https)
            .node(1, change)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn https_nodes_that_prove_who_they_are_are_good() {
    let clinic = secure(|_| {}).await;
    let diagnosis = clinic.examine(&[]).await;
    diagnosis.is_clean();
    assert_eq!(diagnosis.outcome("node-tls"), "passed");
    assert_eq!(diagnosis.outcome("node-certificate"), "passed");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reason_to_distrust_a_certificate_is_said() {
    let mut clinic = secure(|_| {}).await;
    let stranger = Authority::new();
    let path = clinic.cluster.scratch.write("stranger.pem", stranger.pem());
    let right = clinic.cluster.scratch.path().join("nodes-ca.crt");
    let (path, right) = (path.to_str().unwrap(), right.to_str().unwrap());
    clinic.config.set_node("node-2", "ca_file", path);
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("node-tls", "error");
    names(
        finding,
        &[
            "node-2",
            "throwaway authority",
            "not trusted here",
            "ca_file",
        ],
    );

    clinic.config.set_node("node-2", "ca_file", right);
    clinic
        .config
        .set_node("node-2", "verify_name", "other.example.com");
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("node-tls", "error"),
        &[
            "node-2.pilotage.test",
            "not for other.example.com",
            "verify_name",
        ],
    );

    clinic
        .config
        .set_node("node-2", "ca_file", "/nowhere/ca.pem");
    let diagnosis = clinic.examine(&[]).await;
    names(diagnosis.only("node-tls", "error"), &["/nowhere/ca.pem"]);

    clinic.config.set_node("node-2", "verify_name", "");
    clinic.config.set_node("node-2", "ca_file", "");
    let print = "ab".repeat(32);
    clinic.config.set_node("node-2", "fingerprint", print);
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("node-tls", "error"),
        &["has the fingerprint", "fingerprint the"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_over_is_found() {
    let over = SystemTime::now() - Duration::from_hours(5 * 24);
    let clinic = secure(|plan| plan.certificate_until = Some(over)).await;
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("node-tls", "error"),
        &["node-2", "ended 5 days ago"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_soon_is_found() {
    let soon = SystemTime::now() + Duration::from_hours(5 * 24 + 1);
    let clinic = secure(|plan| plan.certificate_until = Some(soon)).await;
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("node-certificate", "warning"),
        &["node-2", "ends in 5 days", "harbor.yml"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_speaks_only_an_old_tls_is_found() {
    let clinic = secure(|plan| plan.protocols = "TLSv1.1").await;
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("node-tls", "error"),
        &["node-2", "ssl_protocols TLSv1.2"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_redirects_to_https_is_found() {
    let clinic =
        Clinic::open(|builder| builder.node(1, |plan| plan.entrance = Entrance::Redirecting)).await;
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("node-redirect", "error");
    names(
        finding,
        &[
            "node-2",
            "308",
            "Location: https://",
            "could not be verified",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_that_can_be_followed_is_followed_and_a_warning() {
    let mut clinic =
        Clinic::open(|builder| builder.node(1, |plan| plan.entrance = Entrance::Redirecting)).await;
    let authorities = clinic.cluster.scratch.path().join("nodes-ca.crt");
    let authorities = authorities.to_str().unwrap().to_owned();
    clinic
        .environment
        .push(("SSL_CERT_FILE".to_owned(), authorities));
    let diagnosis = clinic.examine_as(Account::BUILDER, &[]).await;
    names(
        diagnosis.only("node-redirect", "warning"),
        &["node-2", "308", "ca_file or fingerprint"],
    );
    assert_eq!(diagnosis.outcome("storage"), "passed");
}
