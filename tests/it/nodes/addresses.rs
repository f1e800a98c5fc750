//! Where nodes are, and where clients come in: addresses of both families, and names.

use std::net::{Ipv6Addr, SocketAddr};

use super::scene::{Scene, agreeable, name, wrapped};
use super::work::{admin, ask, some_blob};
use crate::harness::balancer::{Balancer, field, program};
use crate::harness::certs::Offer;
use crate::harness::http::Target;
use crate::harness::link::{Direction, Door, Link};
use crate::harness::ports;
use crate::harness::wait::{SOON, until};

#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_clients_may_have_ipv6_addresses() {
    let scene = Scene::new(1, agreeable).await;
    let loopback = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let link = Link::open(loopback, scene.nodes[0].address()).await;
    let mut config = scene.config();
    config.node("six", &format!("http://{}", link.address()));
    config.set_listener("address", "[::1]:0");
    let mut second = config.listeners[0].clone();
    second.insert("address".to_owned(), "127.0.0.1:0".into());
    config.listeners.push(second);
    let balancer = Balancer::start(&program(), &scene.folder(), config).await;
    balancer.all_up(1).await;

    let (answer, record) = ask(&balancer, admin("GET", "/v2/lab/app/manifests/v1")).await;
    answer.expect(200);
    assert_eq!(field(&record, "client"), "::1");
    let seen = scene.nodes[0].requests();
    assert_eq!(seen[0].values("x-forwarded-for"), ["::1"]);
    assert!(link.connections() > 0);

    let four = balancer.listeners("https")[1];
    let authority = format!("localhost:{}", four.port());
    let target = Target::tls(four, &authority, balancer.authority().client(Offer::Http1));
    target
        .send(admin("GET", "/v2/lab/app/manifests/v1"))
        .await
        .expect(200);
    let seen = scene.nodes[0].requests();
    assert_eq!(seen[1].values("x-forwarded-for"), ["127.0.0.1"]);
}

/// One recording node under a name of two addresses, and the hosts file that says so.
struct Twin {
    scene: Scene,
    links: [Link; 2],
    hosts: std::path::PathBuf,
    balancer: Balancer,
}

async fn twin() -> Twin {
    let scene = Scene::new(2, agreeable).await;
    let node = scene.nodes[0].address();
    let four = ports::free(std::net::Ipv4Addr::LOCALHOST);
    let six = SocketAddr::from((Ipv6Addr::LOCALHOST, four.port()));
    let links = [Link::open(four, node).await, Link::open(six, node).await];
    let hosts = scene
        .scratch
        .write("hosts", "127.0.0.1 twin.test\n::1 twin.test\n");
    let mount = "exec unshare --mount --propagation private sh -c \
                 'mount --bind \"$0\" /etc/hosts && exec \"$@\"'";
    let program = wrapped(&scene.scratch, &format!("{mount} '{}'", hosts.display()));
    let mut config = scene.config();
    config.node("twin", &format!("http://twin.test:{}", four.port()));
    let balancer = Balancer::start(&program, &scene.folder(), config).await;
    balancer.all_up(1).await;
    Twin {
        scene,
        links,
        hosts,
        balancer,
    }
}

async fn read_blobs(balancer: &Balancer) {
    for number in 0..20 {
        let path = format!("/v2/lab/app/blobs/{}", some_blob(number));
        let target = balancer.target(Offer::Http1);
        target.send(admin("GET", &path)).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_addresses_of_a_name_are_one_node_and_one_of_them_may_be_dead() {
    let mut twin = twin().await;
    let sent = || [0, 1].map(|number: usize| twin.links[number].bytes(Direction::ToNode));
    let before = sent();
    read_blobs(&twin.balancer).await;
    assert_eq!(twin.balancer.nodes().await.len(), 1);
    for (before, after) in before.iter().zip(sent()) {
        assert!(after - before > 2_000, "an address is left out");
    }
    twin.links[1].vanish().await;
    read_blobs(&twin.balancer).await;
    assert_eq!(twin.scene.nodes[0].requests().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_looked_up_again_when_its_node_does_not_answer() {
    let mut twin = twin().await;
    for link in &mut twin.links {
        link.vanish().await;
    }
    twin.balancer.node_is("twin", "pull", "down").await;
    let port = twin.links[0].address().port();
    let moved = SocketAddr::from((twin.scene.subnet.host(99), port));
    let _link = Link::open(moved, twin.scene.nodes[1].address()).await;
    // In place: the file is mounted.
    std::fs::write(&twin.hosts, format!("{} twin.test\n", moved.ip())).unwrap();
    twin.balancer.node_is("twin", "pull", "up").await;
    read_blobs(&twin.balancer).await;
    assert_eq!(twin.scene.counts(), [0, 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_cannot_be_looked_up_leaves_the_other_nodes_at_work() {
    let mut scene = Scene::new(2, agreeable).await;
    scene.links[1].set_door(Door::Refusing).await;
    let balancer = scene
        .starting(|config| {
            config.node("lost", "http://no-such-node.invalid");
        })
        .await;
    read_blobs(&balancer).await;
    balancer.node_is("lost", "pull", "down").await;
    balancer.node_is(&name(1), "pull", "down").await;
    read_blobs(&balancer).await;
    assert_eq!(scene.counts(), [40, 0]);
    let unresolved = balancer.nodes().await;
    let lost = unresolved.iter().find(|node| node["id"] == "lost").unwrap();
    let why = lost["health"]["traffic"][0]["why"].as_str().unwrap();
    assert!(why.contains("no address"), "{why}");
    until("the operator reads of it", SOON, async || {
        let all = balancer.log().into_iter();
        let told =
            |line: &serde_json::Value| field(line, "message") == "name of node cannot be resolved";
        all.filter(told).count().ge(&1).then_some(())
    })
    .await;
}
