//! What nodes are, and what they say of themselves.

use serde_json::json;

use super::{Clinic, names};
use crate::harness::core::Account;
use crate::harness::node::{Common, ForwardedProto};
use crate::harness::ports::{self, Subnet};
use crate::harness::recorder::{Recorder, answer};

#[tokio::test(flavor = "multi_thread")]
async fn different_versions_of_the_api_are_found() {
    let clinic = Clinic::open(|builder| builder).await;
    clinic
        .inject(1, "/api/version", r#"{"version":"v1.9"}"#)
        .await;
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("node-api", "warning"),
        &["node-2", "v1.9", "v2.0"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_registries_that_are_taken_for_harbor_are_found() {
    let mut clinic = Clinic::open(|builder| builder.nodes(0)).await;
    let subnet = Subnet::take();
    let mut nodes = Vec::new();
    for number in 1..=2 {
        let script = |request: &crate::harness::recorder::Received| match request.target.as_str() {
            "/v2/" => answer(401, &[("WWW-Authenticate", "Basic realm=\"r\"")], "{}"),
            _ => answer(404, &[], ""),
        };
        let node = Recorder::start(ports::free(subnet.host(number)), script).await;
        clinic.config.node(&format!("plain-{number}"), &node.url());
        nodes.push(node);
    }
    let diagnosis = clinic.examine(&["--skip", "request-buffering"]).await;
    names(
        diagnosis.only("node-api", "error"),
        &["plain-1", "probe = \\\"registry\\\""],
    );
    clinic.config.set("health", "probe", "registry");
    assert_eq!(clinic.examine(&[]).await.outcome("node-api"), "passed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_registry_is_found_by_the_health_of_its_node() {
    let mut clinic = Clinic::open(|builder| builder).await;
    clinic.cluster.nodes[1].registry.kill();
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("node-health", "error");
    names(
        finding,
        &[
            "registry of node-2 is broken",
            "docker compose up -d registry",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_part_that_pushes_do_not_need_is_a_warning() {
    let clinic = Clinic::open(|builder| builder).await;
    let broken = ("jobservice".to_owned(), "connection refused".to_owned());
    let switch = |switches: &mut crate::harness::core::Switches| {
        switches.components.insert(broken.0, broken.1);
    };
    clinic.cluster.nodes[0].switch(switch).await;
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("node-health", "warning"),
        &["jobservice of node-1"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_part_that_all_share_is_one_finding() {
    let clinic = Clinic::open(|builder| builder).await;
    for node in &clinic.cluster.nodes {
        let broken = ("database".to_owned(), "too many connections".to_owned());
        let switch = |switches: &mut crate::harness::core::Switches| {
            switches.components.insert(broken.0, broken.1);
        };
        node.switch(switch).await;
    }
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("node-health", "error");
    names(
        finding,
        &[
            "which all nodes share",
            "node-1",
            "node-2",
            "external_database",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_that_differ_are_found_with_an_account() {
    let clinic = Clinic::open(|builder| builder).await;
    for (node, version) in [(0, "v2.9.5-1a2b3c"), (1, "v2.10.0-4d5e6f")] {
        let info = json!({ "harbor_version": version }).to_string();
        clinic.inject(node, "/api/v2.0/systeminfo", &info).await;
    }
    let diagnosis = clinic.examine_as(Account::BUILDER, &[]).await;
    names(
        diagnosis.only("harbor-version", "error"),
        &["v2.9.5-1a2b3c", "v2.10.0-4d5e6f", "drain"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nginx_of_an_old_release_has_too_little_time() {
    let clinic = Clinic::open(|builder| builder).await;
    for node in 0..2 {
        let info = r#"{"harbor_version":"v2.0.6-1a2b3c"}"#;
        clinic.inject(node, "/api/v2.0/systeminfo", info).await;
    }
    let diagnosis = clinic.examine_as(Account::BUILDER, &[]).await;
    names(
        diagnosis.only("timeouts", "warning"),
        &["Harbor 2.0", "proxy_read_timeout 900"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_of_ours_that_is_too_short_is_found() {
    let mut clinic = Clinic::open(|builder| builder).await;
    clinic.config.set("upstream", "commit_timeout", "20s");
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("timeouts", "warning"),
        &["commit_timeout", "15m"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_name_of_its_own_is_found() {
    let own = |plan: &mut crate::harness::node::Plan| plan.external_url = Some(String::new());
    let clinic = Clinic::open(|builder| builder.node(1, own)).await;
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("public-url", "warning");
    let remedy = "external_url: https://registry.pilotage.test";
    names(
        finding,
        &[
            "node-2",
            "the realm of its token service",
            "http://127.",
            remedy,
        ],
    );
    let diagnosis = clinic.examine_as(Account::BUILDER, &[]).await;
    names(
        diagnosis.only("public-url", "warning"),
        &["external_url in its system information"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_nginx_that_overwrites_the_scheme_is_found_with_an_account() {
    let clinic = Clinic::open(|builder| {
        builder.node(1, |plan| plan.forwarded_proto = ForwardedProto::Overwritten)
    })
    .await;
    let diagnosis = clinic.examine_as(Account::BUILDER, &[]).await;
    let finding = diagnosis.only("forwarded-proto", "warning");
    names(
        finding,
        &[
            "node-2",
            "http://registry.pilotage.test/v2/lab",
            "X-Forwarded-Proto $scheme",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn different_databases_are_found() {
    let clinic = Clinic::open(|builder| builder.node(1, |plan| plan.database = Common::Own)).await;
    for diagnosis in [
        clinic.examine(&[]).await,
        clinic.examine_as(Account::BUILDER, &[]).await,
    ] {
        let finding = diagnosis.only("database", "error");
        names(
            finding,
            &[
                "node-1",
                "node-2",
                "made at",
                "external_database",
                "secretkey",
            ],
        );
    }
}
