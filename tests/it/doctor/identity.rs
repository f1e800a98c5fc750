//! Keys, clocks and sessions.

use super::{Clinic, names};
use crate::harness::core::{Account, Keeping};
use crate::harness::node::Common;

#[tokio::test(flavor = "multi_thread")]
async fn different_signing_keys_are_found_with_and_without_an_account() {
    let clinic = Clinic::open(|builder| builder.node(1, |plan| plan.signing = Common::Own)).await;
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("token-key", "error");
    names(
        finding,
        &["the name of the key", "node-1", "node-2", "private_key.pem"],
    );
    let diagnosis = clinic.examine_as(Account::BUILDER, &[]).await;
    let finding = diagnosis.only("token-key", "error");
    names(
        finding,
        &["GET /v2/ with a token of node-1", "401", "core.tokenKey"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_first_generation_have_a_remedy_of_their_own() {
    let clinic = Clinic::open(|builder| {
        builder
            .all(|plan| plan.flavour = crate::harness::core::Flavour::Harbor1)
            .node(1, |plan| plan.signing = Common::Own)
    })
    .await;
    let diagnosis = clinic
        .examine_as(Account::ADMIN, &["--only", "token-key,account"])
        .await;
    names(
        diagnosis.only("token-key", "error"),
        &["root.crt", "in 1.x the registry checks"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn token_services_with_different_names_are_found() {
    let clinic =
        Clinic::open(|builder| builder.node(1, |plan| plan.service = "other-registry")).await;
    for diagnosis in [
        clinic.examine(&[]).await,
        clinic.examine_as(Account::BUILDER, &[]).await,
    ] {
        let finding = diagnosis.only("token-service", "error");
        names(
            finding,
            &["other-registry", "harbor-registry", "auth.token.service"],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_the_nodes_do_not_know_is_found_and_not_used_on() {
    let clinic = Clinic::open(|builder| builder).await;
    let wrong = Account {
        password: "Wrong12345",
        ..Account::BUILDER
    };
    let diagnosis = clinic.examine_as(wrong, &[]).await;
    names(
        diagnosis.only("account", "error"),
        &["its own token at /v2/", "node-1", "node-2", "401"],
    );
    assert_eq!(diagnosis.outcome("storage"), "skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_the_right_to_push_is_found() {
    let clinic = Clinic::open(|builder| builder).await;
    let diagnosis = clinic.examine_as(Account::DEV, &[]).await;
    names(
        diagnosis.only("account", "error"),
        &["POST of an upload", "push and pull", "--project"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_differs_is_found_by_date_and_token() {
    let clinic = Clinic::open(|builder| builder.nodes(3).node(1, |plan| plan.clock = -12)).await;
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("clocks", "warning");
    names(
        finding,
        &[
            "the clock of node-2",
            "the Date of",
            "issued a token",
            "behind",
            "chrony",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_for_which_tokens_are_refused_is_an_error_and_no_matter_of_keys() {
    let clinic = Clinic::open(|builder| builder.nodes(3).node(2, |plan| plan.clock = 150)).await;
    let diagnosis = clinic.examine_as(Account::BUILDER, &[]).await;
    names(
        diagnosis.only("clocks", "error"),
        &["the clock of node-3", "ahead"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_not_shared_are_found() {
    let mut clinic =
        Clinic::open(|builder| builder.node(1, |plan| plan.sessions = Keeping::Memory)).await;
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("ui-session", "error");
    names(
        finding,
        &["node-1", "node-2", "_REDIS_URL_CORE", "external_redis"],
    );
    clinic.config.set("sessions", "mode", "pinned");
    let pinned = clinic.examine(&[]).await;
    assert_eq!((pinned.code, pinned.findings().len()), (Some(0), 1));
    assert_eq!(pinned.findings()[0]["severity"], "info");
}

#[tokio::test(flavor = "multi_thread")]
async fn different_csrf_keys_are_found() {
    let other = |plan: &mut crate::harness::node::Plan| {
        "another key, of thirty-two bytes".clone_into(&mut plan.csrf_key);
    };
    let clinic = Clinic::open(|builder| builder.node(1, other)).await;
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("csrf-key", "error"),
        &["CSRF_KEY", "common/config/core/env"],
    );
}
