//! The real clients push and pull while the node they are on is lost: they must not notice.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::image::Image;
use crate::harness::link::{Direction, End};
use crate::harness::wait::{SOON, until};
use crate::registry::stage::expect_stored;

use super::tool::{Kind, Tool};
use super::trial::Trial;

/// The larger layer, which clients compress to about as much.
const LARGE: usize = 6_000_000;

/// When the node of a client is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// With the answer to the request that begins an upload.
    Post,
    /// After so many bytes of layers.
    Body(u64),
    /// The same, but the node is stopped and not gone.
    Stopped(u64),
    /// The same, but its connections are reset, and it lives.
    Reset(u64),
    /// With the head of the request that commits.
    Commit,
    /// With the answer to it.
    Committed,
    /// With the head of the manifest.
    Manifest,
    /// With the answer to it.
    Published,
}

const PUSHES: [When; 11] = [
    When::Post,
    When::Body(1),
    When::Body(60_000),
    When::Body(3_000_000),
    When::Body(5_900_000),
    When::Stopped(3_000_000),
    When::Reset(3_000_000),
    When::Commit,
    When::Committed,
    When::Manifest,
    When::Published,
];

/// When the node of a pull is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pull {
    Manifest,
    /// After so many bytes, in this way.
    Layer(u64, End),
    Stopped(u64),
}

const PULLS: [Pull; 6] = [
    Pull::Manifest,
    Pull::Layer(1000, End::Vanish),
    Pull::Layer(3_000_000, End::Vanish),
    Pull::Layer(3_000_000, End::Close),
    Pull::Layer(5_900_000, End::Reset),
    Pull::Stopped(2_000_000),
];

/// A client, its repository, and the node that the repository is drawn to.
struct Customer {
    trial: Trial,
    tool: Tool,
    kind: Kind,
    repository: String,
    favourite: usize,
    /// The requests of a push that meets nothing, and how long it takes.
    usual: (Vec<(String, String, u64)>, Duration),
}

impl Customer {
    async fn of(kind: Kind) -> Self {
        let trial = Trial::set().await;
        let tool = Tool::of(kind, &trial.stage.balancer).await;
        let repository = format!("lab/{}", format!("{kind:?}").to_lowercase());
        let mut customer = Self {
            trial,
            tool,
            kind,
            repository,
            favourite: 0,
            usual: (Vec::new(), Duration::ZERO),
        };
        let (asked, took) = customer.push("usual").await;
        customer.usual = (asked, took);
        let writer = customer
            .trial
            .stage
            .writer("manifest", &customer.repository);
        let writer = writer.await;
        customer.favourite = customer.trial.number(&writer);
        customer
    }

    fn name(&self, tag: &str) -> String {
        let destination = self.trial.stage.balancer.destination();
        destination.image(&format!("{}:{tag}", self.repository))
    }

    /// Pushes a fresh image and looks at the storage; the requests it took, and the time.
    async fn push(&self, tag: &str) -> (Vec<(String, String, u64)>, Duration) {
        let (image, name) = (Image::random(&[100_000, LARGE]), self.name(tag));
        self.tool.prepare(&image, &name).await;
        let before = self.trial.asked(&self.repository).len();
        let began = Instant::now();
        self.tool.push(&image, &name).await.expect_success();
        let took = began.elapsed();
        expect_stored(&self.trial.stage.storage(), &self.repository, tag, &image);
        let done = ("PUT", "manifest");
        (self.asked_since(before, done, &self.usual.0).await, took)
    }

    /// The requests since some were recorded: when this one is among them, and none is to come.
    async fn asked_since(
        &self,
        before: usize,
        (method, route): (&str, &str),
        usual: &[(String, String, u64)],
    ) -> Vec<(String, String, u64)> {
        // How many ask before the token is there is a race inside the client: each of them asks again.
        let asked = || {
            let mut asked = self.trial.asked(&self.repository).split_off(before);
            asked.retain(|(_, _, status)| *status != 401);
            asked
        };
        until("the requests are recorded", SOON, async || {
            let asked = asked();
            let mut all = asked.iter();
            let last = all.any(|(had, of, _)| had == method && of == route);
            (last && asked.len() >= usual.len()).then_some(())
        })
        .await;
        let mut asked = asked();
        asked.sort();
        asked
    }

    /// Sets the trap for a push on the node that it will be on.
    fn arm(&mut self, when: When) {
        let (repository, method) = (&self.repository, self.tool.method());
        let blobs = |method| format!("{method} /v2/{repository}/blobs/");
        let (bytes, manifests) = (blobs(method), format!("PUT /v2/{repository}/manifests/"));
        let (to, from) = (Direction::ToNode, Direction::FromNode);
        let (request, direction, after, end) = match when {
            When::Stopped(_) => return,
            When::Post => (blobs("POST"), from, 1, End::Vanish),
            When::Body(after) => (bytes, to, after, End::Vanish),
            When::Reset(after) => (bytes, to, after, End::Reset),
            When::Commit => (blobs("PUT"), to, 1, End::Vanish),
            When::Committed => (blobs("PUT"), from, 1, End::Vanish),
            When::Manifest => (manifests, to, 1, End::Vanish),
            When::Published => (manifests, from, 1, End::Vanish),
        };
        let link = self.trial.node(self.favourite).link();
        link.cut_within(&request, direction, after, end);
    }

    /// Stops the favourite once it has had, or given, so many more bytes of these requests.
    async fn stop_after(&self, request: &str, direction: Direction, after: u64) {
        let node = &self.trial.stage.cluster.nodes[self.favourite];
        let had = || node.link.as_ref().unwrap().bytes_within(request, direction);
        let before = had();
        until("the bytes are there", SOON * 3, async || {
            (had() >= before + after).then_some(())
        })
        .await;
        node.pause();
    }

    async fn survives_push(&mut self, number: usize, when: When) {
        self.arm(when);
        let tag = format!("v{number}");
        let (asked, took) = if let When::Stopped(after) = when {
            let request = format!("{} /v2/{}/blobs/", self.tool.method(), self.repository);
            let stop = self.stop_after(&request, Direction::ToNode, after);
            tokio::join!(self.push(&tag), stop).0
        } else {
            self.push(&tag).await
        };
        let lost = took.saturating_sub(self.usual.1).as_secs_f64();
        println!("lost {lost:.2} s: {:?} pushes, {when:?}", self.kind);
        let left = self.trial.node(self.favourite).link().cuts_left();
        assert_eq!(left, 0, "{when:?}: nothing happened");
        assert_eq!(asked, self.usual.0, "{:?}, {when:?}", self.kind);
        self.trial.heal().await;
    }

    /// Pulls an image that was pushed just now; the requests it took, and the time.
    async fn pull(
        &self,
        id: &str,
        usual: &[(String, String, u64)],
    ) -> (Vec<(String, String, u64)>, Duration) {
        let before = self.trial.asked(&self.repository).len();
        let began = Instant::now();
        assert_eq!(self.tool.pull(&self.name("pulled")).await, id);
        let took = began.elapsed();
        let mut asked = self.asked_since(before, ("GET", "blob"), usual).await;
        // docker keeps manifests longer than images.
        asked.retain(|(_, route, _)| route == "blob");
        (asked, took)
    }

    async fn survives_pulls(&mut self) {
        let (image, name) = (Image::random(&[100_000, LARGE]), self.name("pulled"));
        self.tool.prepare(&image, &name).await;
        self.tool.push(&image, &name).await.expect_success();
        self.tool.forget(&name).await;
        // A manifest, the config and two layers.
        let least = vec![(String::new(), String::new(), 0); 4];
        let usual = self.pull(&image.id(), &least).await;
        for when in PULLS {
            // docker keeps manifests longer than images, and asks for this one no more.
            if matches!((self.kind, when), (Kind::Docker, Pull::Manifest)) {
                continue;
            }
            self.tool.forget(&name).await;
            let blobs = format!("GET /v2/{}/blobs/", self.repository);
            let manifests = format!("GET /v2/{}/manifests/", self.repository);
            let link = self.trial.node(self.favourite).link();
            let cut = |request: &str, after, end| {
                link.cut_within(request, Direction::FromNode, after, end);
            };
            match when {
                Pull::Manifest => cut(&manifests, 1, End::Vanish),
                Pull::Layer(after, end) => cut(&blobs, after, end),
                Pull::Stopped(_) => {}
            }
            let id = image.id();
            let pull = self.pull(&id, &usual.0);
            let (asked, took) = match when {
                Pull::Stopped(after) => {
                    let stop = self.stop_after(&blobs, Direction::FromNode, after);
                    tokio::join!(pull, stop).0
                }
                Pull::Manifest | Pull::Layer(..) => pull.await,
            };
            let lost = took.saturating_sub(usual.1).as_secs_f64();
            println!("lost {lost:.2} s: {:?} pulls, {when:?}", self.kind);
            let left = self.trial.node(self.favourite).link().cuts_left();
            assert_eq!(left, 0, "{when:?}: nothing happened");
            assert_eq!(asked, usual.0, "{:?}, {when:?}", self.kind);
            self.trial.heal().await;
        }
    }
}

async fn survives_everything(kind: Kind) {
    let mut customer = Customer::of(kind).await;
    for (number, when) in PUSHES.into_iter().enumerate() {
        customer.survives_push(number, when).await;
    }
    customer.survives_pulls().await;
    let log = customer.trial.stage.balancer.access_log();
    let failed = log
        .iter()
        .filter(|record| record["status"].as_u64() >= Some(500));
    assert_eq!(failed.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctr_does_not_notice_what_befalls_its_node() {
    survives_everything(Kind::Containerd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_does_not_notice_what_befalls_its_node() {
    survives_everything(Kind::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_does_not_notice_what_befalls_its_node() {
    survives_everything(Kind::Podman).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_does_not_notice_what_befalls_its_node() {
    survives_everything(Kind::Skopeo).await;
}
