//! What shows only when something is pushed.

use super::{Clinic, names};
use crate::harness::core::{Account, Injection};
use crate::harness::node::Common;
use crate::harness::ports::{self, Subnet};
use crate::harness::recorder::{Received, Recorder, answer};

#[tokio::test(flavor = "multi_thread")]
async fn different_http_secrets_are_found() {
    let other = |plan: &mut crate::harness::node::Plan| {
        "another secret".clone_into(&mut plan.http_secret);
    };
    let clinic = Clinic::open(|builder| builder.node(1, other)).await;
    let diagnosis = clinic.examine_as(Account::BUILDER, &[]).await;
    let finding = diagnosis.only("http-secret", "error");
    names(
        finding,
        &[
            "BLOB_UPLOAD_INVALID",
            "the status of an upload that began on node-1",
        ],
    );
    names(
        finding,
        &["common/config/registry/config.yml", "registry.secret"],
    );
}

/// What a registry of version 3 says to the steps of a push. It tells the status of an upload whatever its state
/// is, and takes bytes only with a state that it signed.
fn version_3(request: &Received, secret: &str) -> Vec<u8> {
    let target = request.target.as_str();
    let location = format!("/v2/library/pilotage-doctor/blobs/uploads/u1?_state={secret}");
    let invalid = r#"{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"invalid"}]}"#;
    let mine = target.contains(&format!("_state={secret}"));
    match request.method.as_str() {
        "GET" if target == "/v2/" => answer(200, &[], "{}"),
        "GET" if target.contains("/uploads/") => answer(204, &[("Location", &location)], ""),
        "POST" => answer(202, &[("Location", &location)], ""),
        "PATCH" if mine => answer(202, &[("Location", &location)], ""),
        "PUT" if mine => answer(201, &[], ""),
        "PATCH" | "PUT" => answer(404, &[("Content-Type", "application/json")], invalid),
        _ => answer(404, &[], ""),
    }
}

/// A clinic with two registries of version 3 that want no credentials.
async fn open_registries(secrets: [&'static str; 2]) -> (Clinic, Vec<Recorder>) {
    let mut clinic = Clinic::open(|builder| builder.nodes(0)).await;
    clinic.config.set("health", "probe", "registry");
    let subnet = Subnet::take();
    let mut nodes = Vec::new();
    for (number, secret) in (1..).zip(secrets) {
        let script = move |request: &Received| version_3(request, secret);
        let node = Recorder::start(ports::free(subnet.host(number)), script).await;
        clinic.config.node(&format!("node-{number}"), &node.url());
        nodes.push(node);
    }
    (clinic, nodes)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pushed_where_no_project_was_named() {
    let (clinic, nodes) = open_registries(["secret-a", "secret-a"]).await;
    let diagnosis = clinic
        .examine(&["--skip", "body-limit,request-buffering"])
        .await;
    for check in ["account", "forwarded-proto", "http-secret", "storage"] {
        assert_eq!(diagnosis.outcome(check), "skipped", "{:#}", diagnosis.value);
    }
    let asked: Vec<_> = nodes.iter().flat_map(Recorder::all).collect();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|request| request.method == "GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn different_http_secrets_of_version_3_are_found_without_storing_a_byte() {
    for (second, outcome) in [("secret-a", "passed"), ("secret-b", "found")] {
        let (clinic, nodes) = open_registries(["secret-a", second]).await;
        let arguments = ["--only", "http-secret", "--project", "library"];
        let diagnosis = clinic.examine(&arguments).await;
        assert_eq!(
            diagnosis.outcome("http-secret"),
            outcome,
            "{:#}",
            diagnosis.value
        );
        let patches = nodes.iter().flat_map(Recorder::all);
        let patches = patches.filter(|request| request.method == "PATCH");
        assert!(patches.into_iter().all(|request| request.body.is_empty()));
        if outcome == "found" {
            names(
                diagnosis.only("http-secret", "error"),
                &["an empty PATCH", "REGISTRY_HTTP_SECRET"],
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_is_not_shared_is_found() {
    let clinic = Clinic::open(|builder| builder.node(1, |plan| plan.storage = Common::Own)).await;
    let diagnosis = clinic.examine_as(Account::BUILDER, &[]).await;
    let finding = diagnosis.only("storage", "error");
    names(
        finding,
        &[
            "a blob that node-1 had just taken",
            "404",
            "storage_service",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_shows_blobs_late_is_found_with_the_lag() {
    let clinic = Clinic::open(|builder| builder).await;
    // Nobody knows how long that takes here, but it is more than a second and less than five: it asks twenty times a
    // second.
    let unknown = r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"unknown"}]}"#;
    let mut late = Injection::once("GET", "/blobs/sha256:", 404, unknown);
    late.times = 21;
    clinic.cluster.nodes[1].inject(late).await;
    let diagnosis = clinic.examine_as(Account::BUILDER, &[]).await;
    let finding = diagnosis.only("storage", "warning");
    names(
        finding,
        &[
            "new blobs are seen late by node-2",
            " ms",
            "recent_lifetime",
        ],
    );
}
