//! How it tells what it found, and what it refuses to do.

use super::Clinic;
use crate::harness::balancer::Balancer;
use crate::harness::cluster::PUBLIC_NAME;
use crate::harness::core::Account;
use crate::harness::ports::{self, Subnet};
use crate::harness::process::{self, Spec};
use crate::harness::wait::SOON;

#[tokio::test(flavor = "multi_thread")]
async fn a_good_cluster_has_no_finding_with_or_without_an_account() {
    let clinic = Clinic::open(|builder| builder.nodes(3)).await;
    let anonymous = clinic.examine(&[]).await;
    anonymous.is_clean();
    assert_eq!(anonymous.outcome("storage"), "skipped");
    assert_eq!(anonymous.outcome("token-key"), "passed");
    let admin = clinic.examine_as(Account::ADMIN, &[]).await;
    admin.is_clean();
    for check in [
        "account",
        "http-secret",
        "storage",
        "ui-session",
        "csrf-key",
        "database",
    ] {
        assert_eq!(admin.outcome(check), "passed", "{check}: {:#}", admin.value);
    }
    // Who may delete leaves nothing behind; who may not is told what is left.
    assert_eq!(admin.value["left_behind"].as_array().unwrap().len(), 0);
    let builder = clinic.examine_as(Account::BUILDER, &[]).await;
    builder.is_clean();
    let left = builder.value["left_behind"].as_array().unwrap();
    assert_eq!(left.len(), 3, "{left:?}");
    let named = |one: &serde_json::Value| one.as_str().unwrap().contains("lab/pilotage-doctor");
    assert!(left.iter().all(named), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_a_table_and_programs_the_same_as_json() {
    let clinic = Clinic::open(|builder| builder.node(1, |plan| plan.body_limit = "1m")).await;
    let text = clinic
        .run(&["--only", "body-limit,node-reach,storage"])
        .await;
    assert_eq!((text.code, text.stderr.as_str()), (Some(2), ""));
    for said in [
        "ok       node-reach",
        "error    body-limit",
        "skipped  storage",
        "\nerror body-limit: layers above",
        "  why ",
        "  remedy ",
        "3 checks: 1 error,",
    ] {
        assert!(text.stdout.contains(said), "{said}\n{}", text.stdout);
    }
    assert!(!text.stdout.contains('\u{1b}'), "{}", text.stdout);
    let json = clinic.examine(&["--skip", "body-limit"]).await;
    json.is_clean();
    let checks = json.value["checks"].as_array().unwrap();
    assert!(checks.iter().all(|line| line["check"] != "body-limit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_beside_a_pilotage_that_runs() {
    let mut clinic = Clinic::open(|builder| builder).await;
    let host = Subnet::take().host(1);
    let (https, plain) = (ports::free(host), ports::free(host));
    for (listener, address) in clinic.config.listeners.iter_mut().zip([https, plain]) {
        listener.insert("address".to_owned(), address.to_string().into());
    }
    let folder = clinic.cluster.scratch.folder("balancer");
    let program = crate::harness::balancer::program();
    let balancer = Balancer::start(&program, &folder, clinic.config.clone()).await;
    balancer.all_up(2).await;
    let diagnosis = clinic.examine(&[]).await;
    diagnosis.is_clean();
    let checks = diagnosis.value["checks"].as_array().unwrap();
    let ports = checks.iter().find(|line| line["check"] == "ports").unwrap();
    assert_eq!(ports["seen"], "0 free, 2 served by pilotage");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_and_a_wrong_file_end_with_2() {
    let mut clinic = Clinic::open(|builder| builder.nodes(1)).await;
    for (arguments, said) in [
        (&["--only", "no-such-check"][..], "token-key"),
        (&["--user", "robot"], "--password-file"),
        (
            &[
                "--user",
                "r",
                "--password-file",
                "/nowhere",
                "--project",
                "lab",
            ],
            "/nowhere",
        ),
        (&["--project", "No Project"], "No Project"),
    ] {
        let outcome = clinic.run(arguments).await;
        assert_eq!(outcome.code, Some(2), "{arguments:?}");
        assert!(outcome.stderr.contains(said), "{said}: {}", outcome.stderr);
    }
    clinic.config.set("public", "names", Vec::<String>::new());
    let refused = clinic.run(&[]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
    assert!(
        refused.stderr.contains("public.names"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains(PUBLIC_NAME));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_colours_and_is_told_what_is_done_now() {
    let clinic = Clinic::open(|builder| builder.nodes(1)).await;
    let quiet = clinic.run(&["--only", "node-reach"]).await.expect_success();
    assert!(!quiet.output().contains('\u{1b}'), "{}", quiet.output());
    let file = clinic.folder.join("pilotage.toml");
    let program = crate::harness::balancer::program();
    let (program, file) = (program.display(), file.display());
    let command = format!("{program} doctor --only node-reach --config {file}");
    let spec = Spec::new("script", "script", &clinic.folder);
    let spec = spec.arguments(["-qefc", command.as_str(), "/dev/null"]);
    let seen = process::run(&spec, b"", SOON).await.expect_success();
    assert!(seen.stdout.contains("\u{1b}[32mok"), "{:?}", seen.stdout);
    assert!(
        seen.stdout.contains("reaching the nodes ..."),
        "{:?}",
        seen.stdout
    );
}
