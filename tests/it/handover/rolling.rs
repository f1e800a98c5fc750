//! Two instances behind a front that knows nothing of HTTP, each replaced by a new one: what an orchestrator of
//! containers does.

use rustix::process::Signal;
use tokio::net::TcpListener;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, program};
use crate::harness::certs::{Authority, Offer};
use crate::harness::cluster::PUBLIC_NAME;
use crate::harness::front::node;
use crate::harness::http::{Request, Target};
use crate::harness::load::{Load, Trickle};
use crate::harness::ports::Subnet;
use crate::harness::recorder::Recorder;
use crate::harness::round::RoundRobin;
use crate::harness::scratch::Scratch;
use crate::harness::scripted::location;
use crate::harness::uploads::{blob, with_blob};
use crate::harness::wait::{SOON, until};
use crate::shared::scene::fresh_key;

use super::{GONE, LONG};

/// What instances are made of.
struct House {
    scratch: Scratch,
    authority: Authority,
    nodes: Vec<Recorder>,
    key: String,
    public: String,
    count: usize,
}

impl House {
    async fn new(port: u16) -> Self {
        let subnet = Subnet::take();
        let mut nodes = Vec::new();
        for number in 1..=2 {
            nodes.push(node(subnet, number, with_blob(LONG)).await);
        }
        let scratch = Scratch::new();
        let key = scratch.write("affinity.key", fresh_key());
        Self {
            key: key.to_str().unwrap().to_owned(),
            scratch,
            authority: Authority::new(),
            nodes,
            public: format!("{PUBLIC_NAME}:{port}"),
            count: 0,
        }
    }

    async fn instance(&mut self) -> Balancer {
        self.count += 1;
        let folder = self.scratch.folder(&format!("instance-{}", self.count));
        let mut config = Config::new(&folder);
        config.set("public", "names", vec![PUBLIC_NAME, &self.public]);
        config.set("affinity", "key_file", self.key.as_str());
        // Long enough for the front to hear of it, and transfers have minutes.
        config.set("", "drain_delay", "2s");
        config.set("", "grace_period", "5m");
        for (number, node) in (1..).zip(&self.nodes) {
            config.node(&format!("node-{number}"), &node.url());
        }
        let trusted = self.authority.clone();
        let instance = Balancer::under(trusted, &program(), &folder, config).await;
        instance.all_up(self.nodes.len()).await;
        instance
    }
}

async fn begin(target: &Target) -> String {
    let start = Request::new("POST", "/v2/lab/app/blobs/uploads/");
    location(&target.send(start).await.expect(202))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_two_instances_is_replaced_and_nothing_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut house = House::new(listener.local_addr().unwrap().port()).await;
    let mut instances = vec![house.instance().await, house.instance().await];
    let addresses = |all: &[Balancer]| all.iter().map(Balancer::address).collect::<Vec<_>>();
    let front = RoundRobin::start(listener, addresses(&instances));
    let target = |offer| Target::tls(front.address, &house.public, house.authority.client(offer));
    let (h1, h2) = (target(Offer::Http1), target(Offer::Http2));
    let load = Load::start(&h1, &h2, "/v2/lab/app/tags/list");
    let mut pushes = Vec::new();
    let mut pulls = Vec::new();
    for _ in 0..4 {
        pushes.push(Trickle::upload(&h1, &begin(&h1).await));
        pulls.push(Trickle::download(&h1, &blob()));
    }
    for one in pushes.iter().chain(&pulls) {
        one.goes_on().await;
    }
    let mut leaving = Vec::new();
    for _ in 0..2 {
        let old = instances.remove(0);
        old.process.signal(Signal::TERM);
        until("it is not ready any more", SOON, async || {
            (old.admin("/readyz").await.status == 503).then_some(())
        })
        .await;
        // The front hears of it only now.
        load.goes_on(10).await;
        instances.push(house.instance().await);
        front.send_to(addresses(&instances));
        load.goes_on(30).await;
        for push in &pushes {
            push.goes_on().await;
        }
        leaving.push(old);
    }
    for push in pushes {
        assert_eq!(push.finish().await.status, 202);
    }
    for pull in pulls {
        assert_eq!(pull.finish().await.bytes, LONG as u64);
    }
    for mut old in leaving {
        assert!(old.process.ended(GONE).await.success());
    }
    load.goes_on(30).await;
    load.finish_without_failure().await;
    // What an old one began, a new one ends.
    for instance in &instances {
        let upload = begin(&h1).await;
        let part = Request::new("PATCH", &upload).body("bytes");
        instance.target(Offer::Http1).send(part).await.expect(202);
    }
}
