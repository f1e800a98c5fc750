//! `pilotage check` and the refusal of `pilotage run`: what is wrong is said at once and in full.

use std::path::Path;

use serde_json::Value;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::program;
use crate::harness::ports::{self, Subnet};
use crate::harness::process::{self, Outcome, Spec};
use crate::harness::scratch::Scratch;
use crate::harness::wait::SOON;

const GOOD: &str = r#"
[public]
names = ["registry.example.com"]

[[tls.certificate]]
chain_file = "/nowhere/chain.pem"
key_file = "/nowhere/key.pem"

[[node]]
name = "harbor-1"
url = "http://10.0.0.11"
"#;

const BAD: &str = r#"
grace_period = "soon"

[public]
names = []

[limits]
conections = 10
header_timeout = "0s"
header_size = "1GiB"

[[tls.certificate]]
chain_file = "chain.pem"

[[node]]
name = "harbor-1"
url = "ftp://10.0.0.11/path"

[[node]]
name = "harbor-1"
url = "http://10.0.0.12"
"#;

async fn pilotage(folder: &Path, arguments: &[&str]) -> Outcome {
    let spec = Spec::new("pilotage", program(), folder).arguments(arguments);
    process::run(&spec, b"", SOON).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_file_is_summed_up_without_touching_what_it_names() {
    let scratch = Scratch::new();
    scratch.write("good.toml", GOOD);
    let good = pilotage(scratch.path(), &["check", "--config", "good.toml"]).await;
    assert_eq!((good.code, good.stderr.as_str()), (Some(0), ""));
    for said in [
        "registry.example.com",
        "[::]:443",
        "harbor-1",
        "http://10.0.0.11",
    ] {
        assert!(good.stdout.contains(said), "{said}: {}", good.stdout);
    }
    let json = pilotage(
        scratch.path(),
        &["check", "--json", "--config", "good.toml"],
    )
    .await;
    let told: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, &told["ok"]), (Some(0), &Value::Bool(true)));
    let lines = told["summary"].as_array().unwrap().iter();
    let lines = lines.map(|line| line.as_str().unwrap());
    assert_eq!(
        lines.collect::<Vec<_>>(),
        good.stdout.lines().collect::<Vec<_>>()
    );
}

/// Key, line, and a word of the hint of everything wrong with [`BAD`].
const PROBLEMS: [(&str, u64, &str); 9] = [
    ("grace_period", 2, "30s"),
    ("public.names", 5, ""),
    ("limits.conections", 8, "connections"),
    ("limits.header_timeout", 9, ""),
    ("limits.header_size", 10, ""),
    ("tls.certificate[1].chain_file", 13, "/"),
    ("tls.certificate[1].key_file", 12, ""),
    ("node[1].url", 17, "http"),
    ("node[2].name", 20, ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn everything_wrong_with_a_file_is_told_with_key_line_and_hint() {
    let scratch = Scratch::new();
    scratch.write("bad.toml", BAD);
    let text = pilotage(scratch.path(), &["check", "--config", "bad.toml"]).await;
    assert_eq!((text.code, text.stdout.as_str()), (Some(2), ""));
    let json = pilotage(scratch.path(), &["check", "--config", "bad.toml", "--json"]).await;
    assert_eq!(json.code, Some(2));
    let told: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(told["ok"], Value::Bool(false));
    let problems = told["problems"].as_array().unwrap();
    for (key, line, hint) in PROBLEMS {
        let problem = problems.iter().find(|one| one["key"] == key);
        let problem = problem.unwrap_or_else(|| panic!("{key} is not in {problems:#?}"));
        assert_eq!(problem["line"], line, "{problem}");
        let words = problem["hint"].as_str().unwrap();
        assert!(!words.is_empty() && words.contains(hint), "{problem}");
        let said = format!("bad.toml: line {line}: {key}: ");
        let told = text.stderr.lines().find(|one| one.contains(&said));
        assert!(
            told.is_some_and(|one| one.contains(words)),
            "{said} {}",
            text.stderr
        );
    }
    assert_eq!(problems.len(), PROBLEMS.len(), "{problems:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn run_refuses_a_bad_file_before_it_binds_a_port() {
    let scratch = Scratch::new();
    // Were a port bound first, this would be another failure: the port is taken.
    let host = Subnet::take().host(1);
    let taken = std::net::TcpListener::bind(ports::free(host)).unwrap();
    let address = taken.local_addr().unwrap();
    let listener = format!("\n[[listener]]\naddress = \"{address}\"\n");
    scratch.write("bad.toml", format!("{BAD}{listener}"));
    let run = pilotage(scratch.path(), &["run", "--config", "bad.toml"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    assert!(run.stderr.contains("public.names"), "{}", run.stderr);
    let json = pilotage(scratch.path(), &["run", "--json", "--config", "bad.toml"]).await;
    let told: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, &told["ok"]), (Some(2), &Value::Bool(false)));
    assert_eq!(told["problems"].as_array().unwrap().len(), PROBLEMS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_toml_or_not_there_and_wrong_usage_end_with_2() {
    let scratch = Scratch::new();
    scratch.write("broken.toml", "[public\nnames = 3");
    let broken = pilotage(scratch.path(), &["check", "--config", "broken.toml"]).await;
    assert_eq!(broken.code, Some(2));
    assert!(broken.stderr.contains("line 1"), "{}", broken.stderr);
    for arguments in [
        &["check", "--config", "missing.toml"][..],
        &["run", "--config", "missing.toml"],
        &["fly"],
        &[],
    ] {
        let outcome = pilotage(scratch.path(), arguments).await;
        assert_eq!(outcome.code, Some(2), "{arguments:?}");
        assert!(!outcome.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_ends_the_start_with_a_hint() {
    let scratch = Scratch::new();
    let host = Subnet::take().host(1);
    let taken = std::net::TcpListener::bind(ports::free(host)).unwrap();
    let address = taken.local_addr().unwrap();
    let authority = crate::harness::certs::Authority::new();
    let (chain, key) = authority
        .issue(&["registry.pilotage.test"])
        .write(scratch.path(), "public");
    let mut config = Config::new(scratch.path());
    config
        .node("node-1", "http://127.0.0.1:9")
        .certificate(&chain, &key);
    config.set_listener("address", address.to_string());
    scratch.write("pilotage.toml", config.text());
    let text = pilotage(scratch.path(), &["run", "--config", "pilotage.toml"]).await;
    assert_eq!((text.code, text.stdout.as_str()), (Some(1), ""));
    assert!(
        text.stderr.contains(&address.to_string()),
        "{}",
        text.stderr
    );
    assert!(
        text.stderr.contains("has that port already"),
        "{}",
        text.stderr
    );
    let json = pilotage(
        scratch.path(),
        &["run", "--json", "--config", "pilotage.toml"],
    )
    .await;
    let told: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, &told["ok"]), (Some(1), &Value::Bool(false)));
    assert!(
        told["error"]
            .as_str()
            .unwrap()
            .contains("has that port already")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_read_ends_the_start_and_is_named() {
    let scratch = Scratch::new();
    let mut config = Config::new(scratch.path());
    let nowhere = Path::new("/nowhere/public.crt");
    config
        .node("node-1", "http://127.0.0.1:9")
        .certificate(nowhere, nowhere);
    scratch.write("pilotage.toml", config.text());
    let run = pilotage(scratch.path(), &["run", "--config", "pilotage.toml"]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("/nowhere/public.crt"), "{}", run.stderr);
}
