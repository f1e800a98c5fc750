//! How nodes are asked whether they are well.

use std::time::Duration;

use super::scene::{Scene, agreeable, name};
use super::work::{admin, publish};
use crate::harness::balancer::Balancer;
use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::link::Flow;
use crate::harness::ports;
use crate::harness::recorder::{Received, Recorder, answer};
use crate::harness::wait::{SOON, until};

/// Everything a client could send that must not travel by a probe.
async fn clients_with_secrets(balancer: &Balancer) {
    let target = balancer.target(Offer::Http1);
    let secret = |request: Request| {
        request
            .header("Cookie", "sid=0123456789; _gorilla_csrf=x")
            .header("X-Harbor-CSRF-Token", "x")
    };
    for request in [
        admin("GET", "/v2/lab/app/manifests/v1"),
        admin("GET", "/api/v2.0/systeminfo"),
        publish("lab/app", "v1", b"{}"),
        Request::get("/harbor/projects").bearer("some-token"),
    ] {
        let answer = target.send(secret(request)).await;
        assert!(answer.status < 300, "{}", answer.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_asks_what_its_kind_says_and_carries_nothing_of_a_client() {
    let kinds: [(&str, &[&str]); 3] = [
        ("harbor", &["/api/v2.0/health", "/v2/"]),
        ("registry", &["/v2/"]),
        ("/healthz?full=1", &["/healthz?full=1"]),
    ];
    for (kind, paths) in kinds {
        let scene = Scene::new(1, agreeable).await;
        let balancer = scene
            .balancer(|config| {
                config.set("health", "probe", kind);
            })
            .await;
        let probes = || -> Vec<Received> {
            let all = scene.nodes[0].all().into_iter();
            all.filter(|seen| seen.values("x-forwarded-for").is_empty())
                .collect()
        };
        clients_with_secrets(&balancer).await;
        let before = probes().len();
        until("more probes have come", SOON, async || {
            (probes().len() > before + 6).then_some(())
        })
        .await;
        for probe in probes() {
            assert!(
                paths.contains(&probe.target.as_str()),
                "{kind}: {}",
                probe.target
            );
            assert_eq!(probe.method, "GET");
            for name in ["authorization", "cookie", "x-harbor-csrf-token"] {
                assert!(probe.values(name).is_empty(), "{kind}: {name}");
            }
            let host = probe.values("host");
            assert_eq!(host.len(), 1, "{kind}");
            assert!(host[0].starts_with("registry.pilotage.test"), "{host:?}");
        }
        assert_eq!(scene.counts().len(), 1);
    }
}

/// Each node gives another answer to every kind of question.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_no_healthy_node_gives_takes_the_node_down() {
    let scene = Scene::new(1, agreeable).await;
    let page = ("Content-Type", "text/html");
    let json = ("Content-Type", "application/json");
    let sick: [(&str, Vec<u8>, &str); 4] = [
        ("gateway", answer(502, &[page], "<html>"), "502"),
        ("page", answer(200, &[page], "<html>"), "not understood"),
        ("elsewhere", answer(404, &[json], "{}"), "404"),
        (
            "empty",
            answer(200, &[json], "{\"components\":[]}"),
            "not understood",
        ),
    ];
    let mut nodes = Vec::new();
    for (number, (_, bytes, _)) in sick.iter().enumerate() {
        let bytes = bytes.clone();
        let address = ports::free(scene.subnet.host(50 + number));
        nodes.push(Recorder::start(address, move |_| bytes.clone()).await);
    }
    let balancer = scene
        .starting(|config| {
            for ((name, ..), node) in sick.iter().zip(&nodes) {
                config.node(name, &node.url());
            }
        })
        .await;
    balancer.node_is(&name(0), "pull", "up").await;
    for (name, _, why) in &sick {
        balancer.node_is(name, "ui", "down").await;
        let nodes = balancer.nodes().await;
        let node = nodes.iter().find(|node| node["id"] == *name).unwrap();
        let told = node["health"]["traffic"][4]["why"].as_str().unwrap();
        assert!(told.contains(why), "{name}: {told}");
    }
    clients_with_secrets(&balancer).await;
    assert_eq!(scene.counts(), [4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_probes_hang_is_down_within_the_thresholds() {
    let scene = Scene::new(2, agreeable).await;
    let balancer = scene
        .balancer(|config| {
            config.set("health", "timeout", "1s");
            config.set("health", "down_after", 3);
        })
        .await;
    scene.links[0].set_flow(Flow::Stalled);
    let began = tokio::time::Instant::now();
    balancer.node_is(&name(0), "push", "down").await;
    let took = began.elapsed();
    // Three probes of a second, an interval with jitter between them, and what was under way.
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert!(took > Duration::from_secs(2), "{took:?}");
    let nodes = balancer.nodes().await;
    let why = nodes[0]["health"]["traffic"][0]["why"].as_str().unwrap();
    assert!(why.contains("timed out"), "{why}");
    balancer.node_is(&name(1), "pull", "up").await;
    scene.links[0].set_flow(Flow::Open);
    balancer.all_up(2).await;
}
