//! Several instances before the same nodes, with one Redis between them.

use base64::Engine;
use tokio::net::TcpListener;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, field, program};
use crate::harness::certs::{Authority, Offer};
use crate::harness::clients::Destination;
use crate::harness::cluster::{Builder, Cluster, PUBLIC_NAME};
use crate::harness::core::Account;
use crate::harness::redis::Redis;
use crate::harness::round::RoundRobin;
use crate::harness::wait::{SOON, until};
use crate::takeover::courier::Courier;

/// Instances behind a front that gives each connection to the next one.
#[derive(Debug)]
pub struct Scene {
    pub front: RoundRobin,
    pub instances: Vec<Balancer>,
    pub redis: Redis,
    authority: Authority,
    pub cluster: Cluster,
}

impl Scene {
    /// So many instances before three good nodes.
    pub async fn set(count: usize) -> Self {
        Self::with(count, Cluster::builder(), |_| ()).await
    }

    pub async fn with(count: usize, nodes: Builder, change: impl Fn(&mut Config)) -> Self {
        let mut cluster = nodes.start().await;
        let redis = Redis::start(&cluster.scratch).await;
        let authority = Authority::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let key = cluster.scratch.write("affinity.key", fresh_key());
        let names = [PUBLIC_NAME, "localhost", "127.0.0.1"];
        let certificate = authority.issue(&names);
        let mut instances = Vec::new();
        for number in 1..=count {
            let folder = cluster.scratch.folder(&format!("instance-{number}"));
            let mut config = Config::new(&folder);
            let (chain, private) = certificate.write(&folder, "public");
            config.certificate(&chain, &private);
            let front = format!("{PUBLIC_NAME}:{port}");
            config.set("public", "names", vec![PUBLIC_NAME, &front]);
            config.set("affinity", "key_file", key.to_str().unwrap());
            config.set("redis", "url", redis.url());
            // A good one that is late is not what is tried.
            config.set("redis", "timeout", "1s");
            config.set("retry", "patience", "60s");
            for timer in ["connect_timeout", "write_timeout", "read_timeout"] {
                config.set("upstream", timer, "3s");
            }
            for node in &cluster.nodes {
                config.node(&node.name, &node.url());
            }
            change(&mut config);
            let trusted = authority.clone();
            instances.push(Balancer::under(trusted, &program(), &folder, config).await);
        }
        cluster
            .set_public_url(&format!("https://{PUBLIC_NAME}:{port}"))
            .await;
        for instance in &instances {
            instance.all_up(cluster.nodes.len()).await;
            redis_is(instance, "up").await;
        }
        let behind = instances.iter().map(Balancer::address).collect();
        Self {
            front: RoundRobin::start(listener, behind),
            instances,
            redis,
            authority,
            cluster,
        }
    }

    /// The front, as real clients see it.
    pub fn destination(&self) -> Destination {
        let folder = self.cluster.scratch.path();
        Destination::new(folder, PUBLIC_NAME, self.front.address, &self.authority)
    }

    /// Somebody who may push to `lab` and talks to one instance alone.
    pub async fn courier(&self, instance: usize, offer: Offer) -> Courier {
        Courier::of(&self.instances[instance], offer, Account::ADMIN).await
    }

    /// The node that began an upload to a repository through this instance.
    pub async fn holder(&self, instance: usize, repository: &str) -> usize {
        let name = until("the upload is begun", SOON, async || {
            let log = self.instances[instance].access_log();
            let record = log.into_iter().rev().find(|record| {
                field(record, "route") == "upload_start" && field(record, "repo") == repository
            })?;
            Some(field(&record, "node").as_str()?.to_owned())
        })
        .await;
        let mut nodes = self.cluster.nodes.iter();
        nodes.position(|node| node.name == name).unwrap()
    }

    /// How often an instance has asked Redis for this, and this came of it.
    pub async fn calls(&self, instance: usize, call: &str, outcome: &str) -> f64 {
        calls(&self.instances[instance], call, outcome).await
    }
}

pub async fn calls(instance: &Balancer, call: &str, outcome: &str) -> f64 {
    let name = "pilotage_affinity_redis_calls_total";
    let line = format!("{name}{{call=\"{call}\",outcome=\"{outcome}\"");
    instance.metric(&line).await.unwrap_or_default()
}

/// What an instance says, once, when Redis does not serve it any more. It may be back before anybody has looked.
pub const AWAY: &str = "redis is away: going on without it";

/// Waits until an instance says of Redis that it is `up`, `away` or `off`.
pub async fn redis_is(instance: &Balancer, state: &str) {
    let what = format!("redis is {state}");
    until(&what, SOON, async || {
        let page = instance.admin("/nodes").await.json();
        (page["redis"] == state).then_some(())
    })
    .await;
}

pub fn fresh_key() -> String {
    let mut key = [0; 32];
    fastrand::fill(&mut key);
    base64::engine::general_purpose::STANDARD.encode(key)
}
