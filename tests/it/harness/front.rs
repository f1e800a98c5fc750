//! The balancer before *recording nodes*: quick to start, and it shows exactly what a node would
//! have seen.

use super::balancer::config::Config;
use super::balancer::{Balancer, program};
use super::certs::Offer;
use super::http::answer::Answer;
use super::http::{Request, Target};
use super::image::digest;
use super::ports::Subnet;
use super::recorder::{HEALTH, Received, Recorder, answer};
use super::scratch::Scratch;

/// A balancer and what stands behind it. Nodes are called `node-1`, `node-2` and so on.
#[derive(Debug)]
pub struct Front {
    pub balancer: Balancer,
    pub nodes: Vec<Recorder>,
    pub scratch: Scratch,
}

impl Front {
    /// One node that says 200 to everything.
    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::scripted(1, change, |_, _| None).await
    }

    /// So many healthy nodes. The script is told the number of the node, counted from one, and may
    /// leave an answer to the usual one by saying `None`.
    pub async fn scripted(
        count: usize,
        change: impl FnOnce(&mut Config),
        script: impl Fn(usize, &Received) -> Option<Vec<u8>> + Clone + Send + Sync + 'static,
    ) -> Self {
        let subnet = Subnet::take();
        let mut nodes = Vec::new();
        for number in 1..=count {
            nodes.push(node(subnet, number, script.clone()).await);
        }
        let scratch = Scratch::new();
        let folder = scratch.folder("balancer");
        let mut config = Config::new(&folder);
        for (number, node) in (1..).zip(&nodes) {
            config.node(&format!("node-{number}"), &node.url());
        }
        change(&mut config);
        let up = config.nodes.len();
        let balancer = Balancer::start(&program(), &folder, config).await;
        balancer.all_up(up).await;
        Self {
            balancer,
            nodes,
            scratch,
        }
    }

    pub fn h1(&self) -> Target {
        self.balancer.target(Offer::Http1)
    }

    pub fn h2(&self) -> Target {
        self.balancer.target(Offer::Http2)
    }

    /// The redirect listener, addressed as it is from outside.
    pub fn plain(&self) -> Target {
        let address = self.balancer.listeners("redirect")[0];
        let name = super::cluster::PUBLIC_NAME;
        Target::plain(address, &format!("{name}:{}", address.port()))
    }

    /// A small request is served.
    pub async fn serves(&self) -> Answer {
        let request = Request::get("/v2/_catalog");
        self.h1().send(request).await.expect(200)
    }

    /// What all nodes saw but probes.
    pub fn seen(&self) -> Vec<Received> {
        self.nodes.iter().flat_map(Recorder::requests).collect()
    }
}

/// A healthy recording node with answers of its own.
pub async fn node(
    subnet: Subnet,
    number: usize,
    script: impl Fn(usize, &Received) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> Recorder {
    let address = (subnet.host(number), 0).into();
    Recorder::start(address, move |request| {
        let json = [("Content-Type", "application/json")];
        match request.target.as_str() {
            "/api/v2.0/health" => answer(200, &json, HEALTH),
            "/v2/" if request.is_probe() => {
                answer(401, &[("WWW-Authenticate", "Basic realm=\"harbor\"")], "{}")
            }
            _ => script(number, request).unwrap_or_else(|| match request.method.as_str() {
                "PUT" if request.target.contains("/manifests/") => stored(request),
                _ => answer(200, &json, "{}"),
            }),
        }
    })
    .await
}

/// What a registry says to a manifest that it keeps.
fn stored(request: &Received) -> Vec<u8> {
    let digest = digest(&request.content());
    let headers = [
        ("Location", request.target.as_str()),
        ("Docker-Content-Digest", &digest),
    ];
    answer(201, &headers, "")
}
