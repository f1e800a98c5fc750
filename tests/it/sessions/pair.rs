//! Two balancers before the same nodes, under one name and one address.

use base64::Engine as _;
use serde_json::Value;

use super::browser::Browser;
use super::rotary::Rotary;
use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, field, program};
use crate::harness::certs::{Authority, Certificate, Offer};
use crate::harness::clients::Destination;
use crate::harness::cluster::{Builder, Cluster, PUBLIC_NAME};
use crate::harness::http::Target;
use crate::harness::wait::{SOON, until};

/// The balancers end before the nodes.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) balancers: [Balancer; 2],
    /// Where connections go to one and the other.
    pub(super) front: Rotary,
    pub(super) authority: Authority,
    /// What both show.
    pub(super) certificate: Certificate,
    pub(super) cluster: Cluster,
}

impl Pair {
    /// Nodes, and two balancers with the same key, certificate and settings before them.
    pub(super) async fn set(nodes: Builder, change: impl Fn(&mut Config)) -> Self {
        Self::before(nodes.start().await, change).await
    }

    /// The same, and the balancers meet in the Redis of the nodes.
    pub(super) async fn over_redis(nodes: Builder, change: impl Fn(&mut Config)) -> Self {
        let cluster = nodes.start().await;
        let url = format!("redis://{}/9", cluster.redis_address);
        let pair = Self::before(cluster, |config| {
            config.set("redis", "url", url.as_str());
            // On a busy machine an answer may take longer than anybody would wait for it elsewhere.
            config.set("redis", "timeout", "1s");
            change(config);
        });
        let pair = pair.await;
        for balancer in &pair.balancers {
            let up =
                async || (balancer.metric("pilotage_affinity_redis_up").await? > 0.0).then_some(());
            until("redis is found", SOON, up).await;
        }
        pair
    }

    async fn before(mut cluster: Cluster, change: impl Fn(&mut Config)) -> Self {
        let front = Rotary::open().await;
        let authority = Authority::new();
        let certificate = authority.issue(&[PUBLIC_NAME, "127.0.0.1"]);
        let (chain, key) = certificate.write(cluster.scratch.path(), "public");
        let sealing: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
        let sealing = base64::engine::general_purpose::STANDARD.encode(sealing);
        let key_file = cluster.scratch.write("affinity.key", &sealing);
        let name = format!("{PUBLIC_NAME}:{}", front.address().port());
        let mut started = Vec::new();
        for number in 1..=2 {
            let folder = cluster.scratch.folder(&format!("balancer-{number}"));
            let mut config = Config::new(&folder);
            for node in &cluster.nodes {
                config.node(&node.name, &node.url());
            }
            config.certificate(&chain, &key);
            config.set("public", "names", vec![name.as_str(), PUBLIC_NAME]);
            config.set("affinity", "key_file", key_file.to_str().unwrap());
            change(&mut config);
            started.push(Balancer::start(&program(), &folder, config).await);
        }
        front.before(started.iter().map(Balancer::address).collect());
        cluster.set_public_url(&format!("https://{name}")).await;
        for balancer in &started {
            balancer.all_up(cluster.nodes.len()).await;
        }
        Self {
            balancers: started.try_into().unwrap(),
            front,
            authority,
            certificate,
            cluster,
        }
    }

    /// The name under which clients know both.
    pub(super) fn name(&self) -> String {
        format!("{PUBLIC_NAME}:{}", self.front.address().port())
    }

    /// One balancer, addressed by the common name.
    pub(super) fn target(&self, number: usize) -> Target {
        let address = self.balancers[number].address();
        Target::tls(address, &self.name(), self.authority.client(Offer::Http1))
    }

    /// A browser whose requests alternate between both.
    pub(super) fn browser(&self) -> Browser {
        Browser::new(vec![self.target(0), self.target(1)])
    }

    /// A browser that meets one of them alone.
    pub(super) fn browser_of(&self, number: usize) -> Browser {
        Browser::new(vec![self.target(number)])
    }

    /// Both for real clients.
    pub(super) fn destination(&self) -> Destination {
        let folder = self.cluster.scratch.path();
        Destination::new(folder, PUBLIC_NAME, self.front.address(), &self.authority)
    }

    /// The records of both, of this kind of route.
    pub(super) fn records(&self, route: &str) -> Vec<Value> {
        let all = self.balancers.iter().flat_map(Balancer::access_log);
        all.filter(|record| field(record, "route") == route)
            .collect()
    }

    /// Kills a node, and waits until both balancers know.
    pub(super) async fn lose(&mut self, node: &str) {
        let lost = self.cluster.nodes.iter_mut().find(|one| one.name == node);
        lost.unwrap().kill();
        for balancer in &self.balancers {
            balancer.node_is(node, "api", "down").await;
        }
    }

    /// Waits for a line in either log.
    pub(super) async fn says(&self, message: &str) -> Value {
        until(message, SOON, async || {
            self.said(message).into_iter().next()
        })
        .await
    }

    /// The lines with this message in both logs so far.
    pub(super) fn said(&self, message: &str) -> Vec<Value> {
        let all = self.balancers.iter().flat_map(Balancer::log);
        all.filter(|line| field(line, "message") == message)
            .collect()
    }
}
