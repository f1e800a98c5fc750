//! `pilotage doctor`: each test breaks one thing on a real node, or on our own side, and sees that one finding.

mod asked;
mod bodies;
mod identity;
mod memory;
mod own;
mod pushes;
mod reached;
mod told;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{SECRETS, program};
use crate::harness::clients::hosts;
use crate::harness::cluster::{Builder, Cluster, PUBLIC_NAME};
use crate::harness::core::{Account, Injection, RequestBody};
use crate::harness::process::{self, Outcome, Spec};

/// 32 bytes that everybody may know.
const SEAL: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

/// A cluster, and a configuration with which the doctor finds nothing there.
struct Clinic {
    cluster: Cluster,
    config: Config,
    folder: PathBuf,
    /// What the public name leads to.
    leads_to: &'static str,
    /// Variables of the doctor.
    environment: Vec<(String, String)>,
    /// What it runs under, with that program's own arguments.
    under: Vec<&'static str>,
}

impl Clinic {
    /// Two nodes, which differ as they are told.
    async fn open(change: impl FnOnce(Builder) -> Builder) -> Self {
        let cluster = change(Cluster::builder().nodes(2)).start().await;
        let folder = cluster.scratch.folder("doctor");
        let mut config = Config::new(&folder);
        let ca_file = cluster
            .scratch
            .write("nodes-ca.crt", cluster.authority.pem());
        for node in &cluster.nodes {
            config.node(&node.name, &node.url());
            if node.url().starts_with("https") {
                config.set_node(&node.name, "ca_file", ca_file.to_str().unwrap());
            }
        }
        let (chain, key) = cluster
            .authority
            .issue(&[PUBLIC_NAME])
            .write(&folder, "public");
        let seal = cluster.scratch.write("affinity.key", SEAL);
        for secret in [&key, &seal] {
            std::fs::set_permissions(secret, PermissionsExt::from_mode(0o600)).unwrap();
        }
        config.set("affinity", "key_file", seal.to_str().unwrap());
        config.certificate(&chain, &key);
        config.set("public", "names", vec![PUBLIC_NAME]);
        config.set("limits", "connections", 1000);
        config.set("spool", "upload_limit", "1MiB");
        config.set("spool", "disk_share", 99);
        config.set("redis", "timeout", "1s");
        config.set(
            "redis",
            "url",
            format!("redis://{}/9", cluster.redis_address),
        );
        Self {
            cluster,
            config,
            folder,
            leads_to: "127.0.0.1",
            environment: Vec::new(),
            under: Vec::new(),
        }
    }

    /// Runs the doctor, which writes what a program reads.
    async fn examine(&self, arguments: &[&str]) -> Diagnosis {
        let outcome = self.run(&[&["--json"], arguments].concat()).await;
        let value = serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", outcome.stdout, outcome.stderr));
        Diagnosis {
            code: outcome.code,
            value,
        }
    }

    /// Runs the doctor. Whatever it is told and finds, it never writes a secret.
    async fn run(&self, arguments: &[&str]) -> Outcome {
        let file = self.folder.join("pilotage.toml");
        std::fs::write(&file, self.config.text()).unwrap();
        let hosts_file = self.folder.join("hosts");
        std::fs::write(&hosts_file, hosts(PUBLIC_NAME, self.leads_to)).unwrap();
        let spec = match self.under.split_first() {
            None => Spec::new("doctor", program(), &self.folder),
            Some((tool, its)) => Spec::new("doctor", tool, &self.folder)
                .arguments(its)
                .argument(program()),
        };
        let spec = spec
            .arguments(["doctor", "--config"])
            .argument(&file)
            .arguments(arguments)
            .hosts_file(&hosts_file);
        let with = |spec: Spec, (name, value): &(String, String)| spec.environment(name, value);
        let spec = self.environment.iter().fold(spec, with);
        let outcome = process::run(&spec, b"", Duration::from_mins(2)).await;
        for secret in SECRETS {
            assert!(
                !outcome.output().contains(secret),
                "{secret}: {}",
                outcome.output()
            );
        }
        outcome
    }

    /// With an account that may push to the project `lab`.
    async fn examine_as(&self, account: Account, arguments: &[&str]) -> Diagnosis {
        let file = self.folder.join("password");
        std::fs::write(&file, format!("{}\n", account.password)).unwrap();
        let file = file.to_str().unwrap();
        let mut all = vec![
            "--user",
            account.name,
            "--password-file",
            file,
            "--project",
            "lab",
        ];
        all.extend_from_slice(arguments);
        self.examine(&all).await
    }

    /// Has a node give this answer, as often as it is asked.
    async fn inject(&self, node: usize, contains: &str, body: &str) {
        let injection = Injection {
            method: "GET".to_owned(),
            contains: contains.to_owned(),
            status: 200,
            content_type: "application/json".to_owned(),
            body: body.to_owned(),
            times: 1000,
            request_body: RequestBody::Read,
        };
        self.cluster.nodes[node].inject(injection).await;
    }
}

/// What the doctor said.
#[derive(Debug)]
struct Diagnosis {
    code: Option<i32>,
    value: Value,
}

impl Diagnosis {
    /// All findings.
    fn findings(&self) -> &[Value] {
        self.value["findings"].as_array().unwrap()
    }

    /// What came of a check: `passed`, `skipped` or `found`.
    fn outcome(&self, check: &str) -> &str {
        let all = self.value["checks"].as_array().unwrap();
        let line = all.iter().find(|line| line["check"] == check);
        line.unwrap_or_else(|| panic!("{check} was not made"))["outcome"]
            .as_str()
            .unwrap()
    }

    /// Nothing is wrong.
    #[track_caller]
    fn is_clean(&self) {
        assert_eq!(self.findings(), Vec::<Value>::new(), "{:#}", self.value);
        assert_eq!(
            (self.code, &self.value["ok"]),
            (Some(0), &Value::Bool(true))
        );
    }

    /// This is wrong and nothing else; what was said of it.
    #[track_caller]
    fn only(&self, check: &str, severity: &str) -> &Value {
        let [finding] = self.findings() else {
            panic!("not one finding: {:#}", self.value);
        };
        assert_eq!(finding["check"], check, "{finding:#}");
        assert_eq!(finding["severity"], severity, "{finding:#}");
        let code = if severity == "error" { 2 } else { 1 };
        assert_eq!(self.code, Some(code), "{finding:#}");
        assert!(
            !finding["evidence"].as_array().unwrap().is_empty(),
            "{finding:#}"
        );
        for text in ["what", "why", "remedy"] {
            assert!(finding[text].as_str().unwrap().len() > 15, "{finding:#}");
        }
        finding
    }
}

/// Whether a finding names all of this, somewhere.
#[track_caller]
fn names(finding: &Value, words: &[&str]) {
    let text = finding.to_string();
    for word in words {
        assert!(text.contains(word), "{word}: {finding:#}");
    }
}
