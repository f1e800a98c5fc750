//! Three nodes behind a balancer that is quick to lose patience, and what befalls them.

use std::time::Duration;

use serde_json::Value;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::field;
use crate::harness::certs::Offer;
use crate::harness::cluster::{Builder, Cluster};
use crate::harness::core::Account;
use crate::harness::link::{Direction, Door, End, Flow};
use crate::harness::node::{Common, Node};
use crate::harness::wait::{SOON, until};
use crate::registry::stage::{Stage, strangers};

use super::courier::Courier;

/// What befalls a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `kill -9` of nginx, core and registry: connections end, new ones are refused.
    Killed,
    /// Its connections are reset; it lives, and takes new ones.
    Reset,
    /// Its connections are closed with FIN; it lives, and takes new ones.
    Closed,
    /// `SIGSTOP` of all its parts: connections stay open, and nothing comes.
    Stopped,
}

/// The nodes, the balancer, and what they left behind.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) stage: Stage,
    /// The repository of the push in progress, and how many bytes were sent.
    pub(super) progress: (String, u64),
    storage: Common,
}

impl Trial {
    /// Three good nodes.
    pub(super) async fn set() -> Self {
        Self::with(Common::Shared, Cluster::builder(), |_| ()).await
    }

    /// Each with an `http.secret` of its own, over one storage.
    pub(super) async fn of_secrets() -> Self {
        Self::with(Common::Shared, strangers(Common::Shared), |_| ()).await
    }

    /// Each with a storage and an `http.secret` of its own: no node knows anything of another's uploads.
    pub(super) async fn of_strangers() -> Self {
        Self::with(Common::Own, strangers(Common::Own), |_| ()).await
    }

    pub(super) async fn with(
        storage: Common,
        nodes: Builder,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let stage = Stage::with(nodes, |config| {
            hasten(config);
            change(config);
        });
        Self {
            stage: stage.await,
            progress: Default::default(),
            storage,
        }
    }

    /// Somebody who may push to `lab`, over this protocol.
    pub(super) async fn courier(&self, offer: Offer) -> Courier {
        Courier::of(&self.stage.balancer, offer, Account::ADMIN).await
    }

    pub(super) fn node(&mut self, number: usize) -> &mut Node {
        &mut self.stage.cluster.nodes[number]
    }

    pub(super) fn number(&self, name: &str) -> usize {
        let mut nodes = self.stage.cluster.nodes.iter();
        nodes.position(|node| node.name == name).unwrap()
    }

    /// The fault befalls this node.
    pub(super) async fn strike(&mut self, number: usize, fault: Fault) {
        let node = self.node(number);
        match fault {
            Fault::Killed => {
                node.kill();
                node.link().set_door(Door::Refusing).await;
            }
            Fault::Reset => node.link().cut_all(End::Reset),
            Fault::Closed => node.link().cut_all(End::Close),
            Fault::Stopped => node.pause(),
        }
    }

    /// All nodes are as they were, and the balancer knows.
    pub(super) async fn heal(&mut self) {
        for node in &mut self.stage.cluster.nodes {
            node.resume();
            node.start_again().await;
            node.link().heal().await;
        }
        self.stage.balancer.all_up(3).await;
    }

    /// The same, but bytes pass slowly: so many a second.
    pub(super) async fn heal_slowly(&mut self, rate: u64) {
        self.heal().await;
        for node in &mut self.stage.cluster.nodes {
            node.link().set_flow(Flow::Slow(rate));
        }
    }

    /// The node that took the first request of an upload to this repository.
    pub(super) async fn holder(&self, repository: &str) -> usize {
        let record = self.stage.record("the upload is begun", |record| {
            field(record, "route") == "upload_start" && field(record, "repo") == repository
        });
        self.number(field(&record.await, "node").as_str().unwrap())
    }

    /// Waits until a node has what the push in progress has sent so far, and the head before it.
    pub(super) async fn reached(&mut self, number: usize) {
        let (repository, sent) = self.progress.clone();
        let link = self.node(number).link();
        until("the bytes are with the node", SOON, async || {
            let had = ["PATCH", "PUT"].map(|method| {
                let request = format!("{method} /v2/{repository}/");
                link.bytes_within(&request, Direction::ToNode)
            });
            (had.iter().sum::<u64>() > sent).then_some(())
        })
        .await;
    }

    /// What clients asked of a repository so far: method, route and status.
    pub(super) fn asked(&self, repository: &str) -> Vec<(String, String, u64)> {
        let text = |record: &Value, name| field(record, name).as_str().unwrap().to_owned();
        let all = self.stage.balancer.access_log().into_iter();
        all.filter(|record| field(record, "repo") == repository)
            .map(|record| {
                let status = field(&record, "status").as_u64().unwrap();
                (text(&record, "method"), text(&record, "route"), status)
            })
            .collect()
    }

    /// Waits until so many requests for a repository are recorded; what was said before is in the log by then.
    pub(super) async fn recorded(&self, repository: &str, count: usize) {
        let what = format!("{count} records of {repository}");
        until(&what, SOON, async || {
            (self.asked(repository).len() >= count).then_some(())
        })
        .await;
    }

    /// From whom to whom transfers went so far; `what` is `upload` or `download`.
    pub(super) fn takeovers(&self, what: &str) -> Vec<(String, String)> {
        let message = format!("{what} taken over");
        let log = self.stage.balancer.log();
        let told = log
            .iter()
            .filter(|line| field(line, "message") == message.as_str());
        let name = |line: &Value, end| field(line, end).as_str().unwrap_or_default().to_owned();
        told.map(|line| (name(line, "from"), name(line, "to")))
            .collect()
    }

    /// Waits until a transfer has gone over to another node after so many others; that node.
    pub(super) async fn taken_over(&self, what: &str, before: usize) -> usize {
        let (_, to) = until("another node takes over", SOON, async || {
            self.takeovers(what).into_iter().nth(before)
        })
        .await;
        self.number(&to)
    }

    /// How often a request waited for a node until its timer was over, so far.
    pub(super) async fn timers(&self) -> f64 {
        let page = self.stage.balancer.admin("/metrics").await.text();
        let lines = page.lines().filter(|line| {
            line.starts_with("pilotage_upstream_attempts_total{") && line.contains("\"stalled\"")
        });
        let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        values.sum()
    }

    /// The storage in which a node keeps its blobs.
    pub(super) fn storage_of(&self, node: &str) -> std::path::PathBuf {
        match self.storage {
            Common::Shared => self.stage.storage(),
            Common::Own => self.stage.storage_of(node),
        }
    }
}

/// Timers that a test can wait for.
pub(super) fn hasten(config: &mut Config) {
    for timer in ["connect_timeout", "write_timeout", "read_timeout"] {
        config.set("upstream", timer, format!("{}s", TIMER.as_secs()));
    }
    config.set(
        "upstream",
        "commit_timeout",
        format!("{}s", 2 * TIMER.as_secs()),
    );
    // Nodes that come back have to start first.
    config.set("retry", "patience", "1m");
}

/// How long a node may be silent. A good one on a busy machine must not be, and tests wait for a bad one.
pub(super) const TIMER: Duration = Duration::from_secs(3);
