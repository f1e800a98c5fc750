//! The same from the command line.

use serde_json::Value;

use crate::harness::balancer::{field, program};
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::process::{self, Outcome, Spec};
use crate::harness::scratch::Scratch;
use crate::harness::wait::SOON;
use crate::operate::reloads;

const TOKEN: &str = "0f6c1d7e9b2a4c58a1b3";

/// A balancer before two nodes that wants a token, and a file as it would be if its port were a fixed one.
async fn front() -> Front {
    let front = Front::scripted(
        2,
        |config| {
            let file = config.folder().join("tokens");
            std::fs::write(&file, format!("ann:{TOKEN}\n")).unwrap();
            config.set("admin", "token_file", file.to_str().unwrap());
        },
        |_, _| None,
    )
    .await;
    let mut config = front.balancer.config.clone();
    config.set(
        "admin",
        "address",
        front.balancer.desk().address.to_string(),
    );
    front.scratch.write("asked.toml", config.text());
    front
}

async fn run(scratch: &Scratch, words: &[&str]) -> Outcome {
    let spec = Spec::new("command", program(), scratch.path());
    process::run(&spec.arguments(words), b"", SOON).await
}

async fn say(front: &Front, words: &[&str]) -> Outcome {
    let file = front.scratch.path().join("asked.toml");
    let file = ["--config", file.to_str().unwrap()];
    run(&front.scratch, &[words, &file].concat()).await
}

async fn json(front: &Front, words: &[&str]) -> Value {
    let said = say(front, &[words, &["--json"]].concat())
        .await
        .expect_success();
    serde_json::from_str(&said.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_listed_and_ordered() {
    let front = front().await;
    let listed = say(&front, &["nodes"]).await.expect_success().stdout;
    let lines: Vec<_> = listed.lines().collect();
    assert!(lines[0].starts_with("NODE "), "{listed}");
    assert!(
        lines[1].starts_with("node-1 ") && lines[1].contains(" active  100     up "),
        "{listed}"
    );
    assert_eq!(lines.len(), 3);
    let drained = say(&front, &["nodes", "drain", "node-1"])
        .await
        .expect_success()
        .stdout;
    assert!(
        drained.contains("draining") && drained.contains("duty by token ann"),
        "{drained}"
    );
    let refused = say(&front, &["nodes", "off", "node-2"])
        .await
        .expect_failure();
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("no other node takes pulls"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    say(&front, &["nodes", "off", "node-2", "--force"])
        .await
        .expect_success();
    say(&front, &["nodes", "on", "node-2"])
        .await
        .expect_success();
    say(&front, &["nodes", "undrain", "node-1"])
        .await
        .expect_success();
    let weighed = json(&front, &["nodes", "weight", "node-1", "7"]).await;
    assert_eq!(weighed["weight"], 7);
    let back = json(&front, &["nodes", "weight", "node-1", "file"]).await;
    assert_eq!(
        (&back["weight"], &back["orders"]["weight"]),
        (&100.into(), &Value::Null)
    );
    let all = json(&front, &["nodes"]).await;
    assert_eq!(all["nodes"][1]["duty"], "active");
    let nobody = say(&front, &["nodes", "drain", "nobody"])
        .await
        .expect_failure();
    assert!(
        nobody.stderr.contains("there is no node \"nobody\""),
        "{}",
        nobody.stderr
    );
    assert!(
        nobody.stderr.contains("remedy: pilotage nodes lists"),
        "{}",
        nobody.stderr
    );
    assert_eq!(
        say(&front, &["nodes", "weight", "node-1", "0"]).await.code,
        Some(2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_requests_transfers_log_and_reload_are_told() {
    let front = front().await;
    let on = ["maintenance", "on", "--message", "back at 18:00"];
    let told = say(&front, &on).await.expect_success().stdout;
    assert!(
        told.contains("back at 18:00") && told.contains("by token ann"),
        "{told}"
    );
    let push =
        Request::new("POST", "/v2/lab/app/blobs/uploads/").header("X-Request-Id", "refused-1");
    front.h1().send(push).await.expect(503);
    front.balancer.records(1, |_| true).await;
    let status = say(&front, &["maintenance", "status"])
        .await
        .expect_success()
        .stdout;
    assert!(status.starts_with("on: "), "{status}");
    let off = say(&front, &["maintenance", "off"])
        .await
        .expect_success()
        .stdout;
    assert_eq!(off, "off: pushes are taken\n");

    let explained = say(&front, &["explain", "refused-1"])
        .await
        .expect_success()
        .stdout;
    assert!(
        explained.contains("what went wrong: maintenance"),
        "{explained}"
    );
    let listed = say(&front, &["explain"]).await.expect_success().stdout;
    assert!(listed.contains("refused-1"), "{listed}");
    let unknown = say(&front, &["explain", "x/../y"]).await.expect_failure();
    assert!(
        unknown.stderr.contains("no request of this id"),
        "{}",
        unknown.stderr
    );

    let transfers = json(&front, &["transfers"]).await;
    assert_eq!(transfers["transfers"], serde_json::json!([]));
    assert_eq!(say(&front, &["log"]).await.stdout, "info\n");
    assert_eq!(say(&front, &["log", "debug"]).await.stdout, "debug\n");
    let reloaded = say(&front, &["reload"]).await.expect_success().stdout;
    assert_eq!(reloaded, "settings reloaded\n");
    assert_eq!(say(&front, &["log"]).await.stdout, "info\n");
    let well = say(&front, &["health"]).await.expect_success().stdout;
    assert_eq!(well, "ready\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_keeps_nobody_from_the_process_which_refuses_it_itself() {
    let front = front().await;
    for file in ["asked.toml", "balancer/pilotage.toml"] {
        let file = front.scratch.path().join(file);
        let good = std::fs::read_to_string(&file).unwrap();
        let wrong = format!("{good}\n[guard]\nlogin_pause = \"long\"\npatient = true\n");
        std::fs::write(&file, wrong).unwrap();
    }
    say(&front, &["health"]).await.expect_success();
    let listed = say(&front, &["nodes"]).await.expect_success().stdout;
    assert!(listed.contains("node-2"), "{listed}");
    let drained = say(&front, &["nodes", "drain", "node-1"]).await;
    assert!(drained.expect_success().stdout.contains("draining"));
    say(&front, &["maintenance", "on"]).await.expect_success();
    let listed = say(&front, &["nodes"]).await.expect_success().stdout;
    assert!(listed.contains("\nmaintenance: "), "{listed}");

    let refused = say(&front, &["reload"]).await.expect_failure();
    assert_eq!(refused.code, Some(1));
    let lines: Vec<_> = refused.stderr.lines().collect();
    let told = |line: &str, key: &str| line.starts_with("pilotage: line ") && line.contains(key);
    assert!(
        told(lines[0], ": guard.login_pause: "),
        "{}",
        refused.stderr
    );
    assert!(told(lines[1], ": guard.patient: "), "{}", refused.stderr);
    assert!(
        lines[2].starts_with("remedy: mend it"),
        "{}",
        refused.stderr
    );
    let said = "reload refused: the settings of before stay in force";
    let line = front.balancer.says(said).await;
    let problem = field(&line, "problem").as_str().unwrap();
    assert!(problem.contains("guard.patient"), "{line}");
    reloads(&front.balancer, "refused", 1.0).await;
    let check = say(&front, &["check"]).await;
    assert_eq!(check.code, Some(2), "the file was good: {}", check.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_does_not_run_is_said_so() {
    let front = front().await;
    let file = front.scratch.path().join("asked.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let scratch = Scratch::new();
    let file = scratch.write("asked.toml", text);
    drop(front);
    // The tokens went with it.
    let gone = run(&scratch, &["nodes", "--config", file.to_str().unwrap()]).await;
    assert_eq!(gone.code, Some(1));
    assert!(
        gone.stderr.contains("tokens: cannot be read"),
        "{}",
        gone.stderr
    );
    let gone = run(&scratch, &["health", "--config", file.to_str().unwrap()]).await;
    assert!(
        gone.stderr.contains("is pilotage running"),
        "{}",
        gone.stderr
    );
    let none = run(&scratch, &["nodes", "--config", "/nonexistent.toml"]).await;
    assert_eq!(none.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_and_manual_pages_know_every_command() {
    let scratch = Scratch::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&scratch, &["completions", shell])
            .await
            .expect_success()
            .stdout;
        for word in ["maintenance", "undrain", "explain", "doctor"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let folder = scratch.folder("man");
    run(&scratch, &["man", folder.to_str().unwrap()])
        .await
        .expect_success();
    let mut pages: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    for page in [
        "pilotage.1",
        "pilotage-doctor.1",
        "pilotage-nodes.1",
        "pilotage-nodes-drain.1",
    ] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    let page = std::fs::read_to_string(folder.join("pilotage-nodes-drain.1")).unwrap();
    assert!(page.contains(".TH pilotage-nodes-drain 1"), "{page}");
    let nowhere = run(&scratch, &["man", "/nonexistent/folder"])
        .await
        .expect_failure();
    assert!(
        nowhere.stderr.contains("/nonexistent/folder"),
        "{}",
        nowhere.stderr
    );
}
