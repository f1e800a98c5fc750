//! Three nodes behind a balancer, and a look into the storage behind them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, field};
use crate::harness::cluster::{Builder, Cluster};
use crate::harness::image::{Image, digest};
use crate::harness::node::Common;
use crate::harness::wait::{SOON, until};

/// The balancer goes before the nodes.
#[derive(Debug)]
pub struct Stage {
    pub balancer: Balancer,
    pub cluster: Cluster,
}

impl Stage {
    /// Three good nodes, and the defaults.
    pub async fn set() -> Self {
        Self::with(Cluster::builder(), |_| ()).await
    }

    /// Nodes and a configuration of the test's own.
    pub async fn with(nodes: Builder, change: impl FnOnce(&mut Config)) -> Self {
        let mut cluster = nodes.start().await;
        let balancer = Balancer::before(&mut cluster, change).await;
        Self { balancer, cluster }
    }

    /// Three nodes of which each has its own storage and its own `http.secret`: nothing of an
    /// upload, and no content, is known to another node.
    pub async fn of_strangers() -> Self {
        Self::with(strangers(Common::Own), |_| ()).await
    }

    /// Waits until a fresh access record fits, and gives it.
    pub async fn record(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        until(what, SOON, async || {
            let records = self.balancer.access_log();
            records.into_iter().rev().find(|record| fits(record))
        })
        .await
    }

    /// The node that took the last write of this kind to this repository.
    pub async fn writer(&self, route: &str, repository: &str) -> String {
        let record = self
            .record("the write is recorded", |record| {
                field(record, "route") == route
                    && field(record, "repo") == repository
                    && field(record, "status") == 201
            })
            .await;
        field(&record, "node").as_str().unwrap().to_owned()
    }

    /// Takes a node out of every choice by the operator's file, and waits until that is so.
    pub async fn drain(&mut self, node: &str) {
        self.balancer.reload(|config| {
            config.set_node(node, "drain", true);
        });
        self.balancer.says("settings reloaded").await;
    }

    /// The storage that the nodes share.
    pub fn storage(&self) -> PathBuf {
        self.cluster.scratch.path().join("storage")
    }

    /// The storage of a node that has its own.
    pub fn storage_of(&self, node: &str) -> PathBuf {
        self.cluster.scratch.path().join(node).join("storage")
    }
}

/// Three nodes with secrets of their own, and with or without a storage of their own.
pub fn strangers(storage: Common) -> Builder {
    let mut builder = Cluster::builder().all(|plan| plan.storage = storage);
    for number in 0..3 {
        builder = builder.node(number, |plan| {
            plan.http_secret = format!("secret of node {number}");
        });
    }
    builder
}

/// Panics unless a storage holds exactly this image under this tag: the manifest its tag links to,
/// the config byte for byte, and every layer, packed or not, with the content it had.
#[track_caller]
pub fn expect_stored(storage: &Path, repository: &str, tag: &str, image: &Image) {
    let link = format!("repositories/{repository}/_manifests/tags/{tag}/current/link");
    let link = storage.join("docker/registry/v2").join(link);
    let linked = std::fs::read_to_string(&link)
        .unwrap_or_else(|error| panic!("{}: {error}", link.display()));
    let manifest: Value = serde_json::from_slice(&blob(storage, &linked)).unwrap();
    let config = manifest["config"]["digest"].as_str().unwrap();
    assert_eq!(config, image.id(), "{manifest}");
    assert_eq!(blob(storage, config), image.config);
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), image.layers.len(), "{manifest}");
    for (layer, content) in layers.iter().zip(&image.layers) {
        let stored = blob(storage, layer["digest"].as_str().unwrap());
        assert_eq!(layer["size"], stored.len(), "{manifest}");
        assert_eq!(digest(&unpacked(stored)), digest(content), "{manifest}");
    }
}

/// A blob as it lies in a storage; panics unless it is what its digest says.
#[track_caller]
pub fn blob(storage: &Path, wanted: &str) -> Vec<u8> {
    let hex = wanted.strip_prefix("sha256:").unwrap();
    let file = format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
    let file = storage.join(file);
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(digest(&bytes), wanted);
    bytes
}

fn unpacked(bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, &bytes).unwrap();
    let mut command = Command::new("gzip");
    let command = command.args(["-d", "-c"]).stdin(file.reopen().unwrap());
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    output.stdout
}
