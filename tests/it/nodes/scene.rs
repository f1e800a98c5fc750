//! Scripted nodes behind links: what a test needs when it is about the balancer and not about
//! Harbor.

use std::path::PathBuf;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, program};
use crate::harness::cluster::Cluster;
use crate::harness::link::Link;
use crate::harness::ports::{self, Subnet};
use crate::harness::recorder::{HEALTH, Received, Recorder, answer};
use crate::harness::scratch::Scratch;

/// Some recording nodes, each behind a link; their names are `node-1` and so on.
pub(super) struct Scene {
    pub(super) links: Vec<Link>,
    pub(super) nodes: Vec<Recorder>,
    pub(super) subnet: Subnet,
    /// Last, so that the folder outlives what writes into it.
    pub(super) scratch: Scratch,
}

impl Scene {
    /// Nodes that are well by their probes and answer by this script.
    pub(super) async fn new(
        count: usize,
        script: impl Fn(&Received) -> Vec<u8> + Clone + Send + Sync + 'static,
    ) -> Self {
        let subnet = Subnet::take();
        let (mut nodes, mut links) = (Vec::new(), Vec::new());
        for number in 1..=count {
            let host = subnet.host(number);
            let script = script.clone();
            let answers =
                move |request: &Received| well(request).unwrap_or_else(|| script(request));
            let node = Recorder::start(ports::free(host), answers).await;
            links.push(Link::open(ports::free(host), node.address()).await);
            nodes.push(node);
        }
        Self {
            links,
            nodes,
            subnet,
            scratch: Scratch::new(),
        }
    }

    /// A balancer before them that has found all of them up.
    pub(super) async fn balancer(&self, change: impl FnOnce(&mut Config)) -> Balancer {
        let balancer = self.starting(change).await;
        balancer.all_up(self.nodes.len()).await;
        balancer
    }

    /// The same, but it may not know anything of them yet.
    pub(super) async fn starting(&self, change: impl FnOnce(&mut Config)) -> Balancer {
        let mut config = self.config();
        for (number, link) in self.links.iter().enumerate() {
            config.node(&name(number), &format!("http://{}", link.address()));
        }
        change(&mut config);
        Balancer::start(&program(), &self.folder(), config).await
    }

    /// A file without nodes.
    pub(super) fn config(&self) -> Config {
        Config::new(&self.folder())
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.scratch.folder("balancer")
    }

    /// How many requests each node got, probes left out.
    pub(super) fn counts(&self) -> Vec<usize> {
        let counts = self.nodes.iter().map(|node| node.requests().len());
        counts.collect()
    }

    /// The numbers of the nodes that got a request with this id, once for each time.
    pub(super) fn who_got(&self, id: &str) -> Vec<usize> {
        let all = self.nodes.iter().enumerate();
        all.flat_map(|(number, node)| {
            let all = node.requests().into_iter();
            all.filter(|request| request.values("x-request-id") == [id])
                .map(move |_| number)
        })
        .collect()
    }
}

/// The name of a node, counted from 0.
pub(super) fn name(number: usize) -> String {
    format!("node-{}", number + 1)
}

/// The number of a node, counted from 0.
pub(super) fn number(name: &str) -> usize {
    name.strip_prefix("node-")
        .unwrap()
        .parse::<usize>()
        .unwrap()
        - 1
}

/// What a healthy node says to a probe.
pub(super) fn well(request: &Received) -> Option<Vec<u8>> {
    if !request.is_probe() {
        return None;
    }
    Some(match request.target.as_str() {
        "/v2/" => answer(401, &[("WWW-Authenticate", "Basic realm=\"harbor\"")], "{}"),
        _ => answer(200, &[("Content-Type", "application/json")], HEALTH),
    })
}

/// A registry that has everything and takes everything.
pub(super) fn agreeable(request: &Received) -> Vec<u8> {
    let path = request.target.split('?').next().unwrap_or_default();
    let json = ("Content-Type", "application/json");
    match (request.method.as_str(), path) {
        ("POST", path) if path.ends_with("/uploads/") => {
            let location = format!("{path}0f3b2c1a-5d4e-4f60-8a7b-9c8d7e6f5a4b?_state=inner");
            answer(202, &[("Location", &location), ("Range", "0-0")], "")
        }
        ("PATCH", path) => {
            let location = format!("{path}?_state=inner");
            answer(202, &[("Location", &location), ("Range", "0-9")], "")
        }
        ("PUT", path) => {
            let sent = request.target.split_once("digest=");
            let digest = sent.map_or_else(
                || crate::harness::image::digest(&request.body),
                |(_, digest)| digest.replace("%3A", ":"),
            );
            let location = ("Location", path);
            answer(201, &[location, ("Docker-Content-Digest", &digest)], "")
        }
        ("DELETE", _) => answer(202, &[], ""),
        // The length of what is not there would be waited for.
        ("HEAD", _) => b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n".to_vec(),
        _ => answer(200, &[json], "{\"some\":\"thing\"}"),
    }
}

/// Probes at the start and never again, so that links count requests alone.
pub(super) fn probed_once(config: &mut Config) {
    config.set("health", "interval", "10m");
}

/// A balancer before a cluster, started by a program of its own.
pub(super) async fn before(
    cluster: &mut Cluster,
    program: &std::path::Path,
    change: impl FnOnce(&mut Config),
) -> Balancer {
    let folder = cluster.scratch.folder("balancer");
    let mut config = Config::new(&folder);
    for node in &cluster.nodes {
        config.node(&node.name, &node.url());
    }
    change(&mut config);
    let balancer = Balancer::start(program, &folder, config).await;
    cluster.set_public_url(&balancer.url()).await;
    balancer.all_up(cluster.nodes.len()).await;
    balancer
}

/// Our program behind a line of shell that sets its surroundings; the line ends with `exec` and
/// what stands before the program.
pub(super) fn wrapped(scratch: &Scratch, before: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let text = format!("#!/bin/sh\n{before} '{}' \"$@\"\n", program().display());
    let file = scratch.write("wrapped", text);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}
