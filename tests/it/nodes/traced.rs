//! What is told to a collector of traces, and to the nodes of a request.

use std::collections::HashSet;

use serde_json::Value;

use super::scene::{Scene, agreeable, name, probed_once};
use super::work::{admin, ask, some_blob};
use crate::harness::balancer::config::Config;
use crate::harness::balancer::field;
use crate::harness::collector::Collector;
use crate::harness::http::Request;
use crate::harness::link::{Direction, End};
use crate::harness::recorder::Received;

const CLIENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// More answers of a node than one attempt at it can begin.
const CUTS: usize = 5;

/// Everything is sampled and sent at once.
pub(super) fn collected(config: &mut Config, url: &str) {
    config.set("tracing", "endpoint", url);
    config.set("tracing", "sample_ratio", "100%");
    config.set("tracing", "interval", "50ms");
}

fn trusting(config: &mut Config) {
    config.set("public", "trusted_proxies", vec!["127.0.0.0/8"]);
}

pub(super) fn id(record: &Value) -> &str {
    field(record, "request_id").as_str().unwrap()
}

/// The one value of a header that a node read.
#[track_caller]
pub(super) fn only(request: &Received, name: &str) -> String {
    let values = request.values(name);
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values[0].clone()
}

/// Trace, span and flags of a `traceparent`.
fn parts(traceparent: &str) -> (String, String, String) {
    let parts: Vec<_> = traceparent.split('-').map(str::to_owned).collect();
    assert_eq!((parts.len(), parts[0].as_str()), (4, "00"), "{traceparent}");
    (parts[1].clone(), parts[2].clone(), parts[3].clone())
}

impl Scene {
    /// What nodes got of the request with this id: the number of the node, and what it read.
    fn got(&self, id: &str) -> Vec<(usize, Received)> {
        let all = self.nodes.iter().enumerate();
        all.flat_map(|(number, node)| {
            let mut requests = node.requests();
            requests.retain(|request| request.values("x-request-id") == [id]);
            requests.into_iter().map(move |request| (number, request))
        })
        .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_is_a_span_of_one_trace_and_its_node_is_told_which() {
    let (scene, collector) = (Scene::new(3, agreeable).await, Collector::start().await);
    let balancer = scene
        .balancer(|config| {
            probed_once(config);
            collected(config, &collector.url());
            config.set("health", "passive_down_after", 100_000);
            config.set("retry", "budget_minimum", 1_000);
            config.set("retry", "attempts", 4 * CUTS);
        })
        .await;
    let blob = format!("/v2/lab/app/blobs/{}", some_blob(1));
    for (request, route) in [
        (admin("GET", "/v2/lab/app/manifests/v1"), "manifest"),
        (admin("GET", &blob), "blob"),
        (admin("HEAD", &blob), "blob"),
    ] {
        let shown = format!("{} {route}", request.method);
        let mut deaths = 0;
        for round in 0..30 {
            for link in &scene.links {
                link.forget_cuts();
            }
            for number in [round % 3, (round + 1) % 3] {
                // The first may meet a kept connection, which is replaced without a word.
                for _ in 0..CUTS {
                    scene.links[number].cut_after(Direction::FromNode, 0, End::Close);
                }
            }
            let (answer, record) = ask(&balancer, request.clone()).await;
            assert_eq!(answer.status, 200);
            deaths += expect_attempts(&scene, &collector, &record, &shown).await;
            if deaths > 1 {
                break;
            }
        }
        assert!(deaths > 1, "{shown}: nobody died on it");
    }
}

/// Compares the trace of a request with its record and with what nodes read; how many attempts failed.
async fn expect_attempts(
    scene: &Scene,
    collector: &Collector,
    record: &Value,
    name_of_root: &str,
) -> usize {
    let told = collector.trace(id(record)).await;
    let root = &told.root;
    assert_eq!(
        (root.kind.as_str(), root.name.as_str()),
        ("Server", name_of_root)
    );
    assert_eq!((root.parent.as_str(), root.failed), ("", false));
    for (key, value) in [
        ("http.response.status_code", "200"),
        ("server.address", "registry.pilotage.test"),
        ("url.scheme", "https"),
        ("client.address", "127.0.0.1"),
        ("pilotage.repository", "lab/app"),
        ("pilotage.node", field(record, "node").as_str().unwrap()),
    ] {
        assert_eq!(root.says(key), value, "{key}");
    }
    assert_eq!(root.sender["service.name"], "pilotage");
    assert_eq!(root.sender["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(root.sender["service.instance.id"].len(), 36);
    assert_eq!(field(record, "attempt"), told.attempts.len());
    let (last, lost) = told.attempts.split_last().unwrap();
    assert_eq!(last.says("pilotage.outcome"), "answered");
    assert_eq!(last.says("http.response.status_code"), "200");
    for span in lost {
        assert!(span.failed, "{span:?}");
        assert_eq!(span.says("error.type"), "lost_before_answer");
    }
    told.expect_within_the_request();
    for (number, request) in scene.got(id(record)) {
        let (trace, parent, flags) = parts(&only(&request, "traceparent"));
        assert_eq!((trace, flags.as_str()), (root.trace.clone(), "01"));
        let attempt = told.attempts.iter().find(|span| span.id == parent);
        let attempt = attempt.expect("a node was told an attempt");
        assert_eq!(attempt.says("pilotage.node"), name(number));
        let port = scene.links[number].address().port().to_string();
        assert_eq!(attempt.says("server.port"), port);
        assert_eq!(attempt.says("http.request.method"), request.method);
    }
    lost.len()
}

fn traced(given: &str) -> Request {
    admin("GET", "/v2/lab/app/manifests/v1")
        .header("traceparent", given)
        .header("tracestate", "vendor=1")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_trusted_client_goes_on_and_is_sampled_as_it_says() {
    let (scene, collector) = (Scene::new(1, agreeable).await, Collector::start().await);
    let balancer = scene
        .balancer(|config| {
            collected(config, &collector.url());
            config.set("tracing", "sample_ratio", "0%");
            trusting(config);
        })
        .await;
    // What is not sampled comes first, so that it would be there when the other is.
    let unsampled = CLIENT.replace("-01", "-00").replace("4bf9", "5bf9");
    let (_, silent) = ask(&balancer, traced(&unsampled)).await;
    let (trace, parent, flags) = parts(&only(&scene.got(id(&silent))[0].1, "traceparent"));
    assert_eq!((trace.as_str(), flags.as_str()), (&unsampled[3..35], "00"));
    assert_ne!(parent, "00f067aa0ba902b7");
    let (_, record) = ask(&balancer, traced(CLIENT)).await;
    let told = collector.trace(id(&record)).await;
    assert_eq!(told.root.trace, TRACE);
    assert_eq!(told.root.parent, "00f067aa0ba902b7");
    let read = &scene.got(id(&record))[0].1;
    let (trace, parent, flags) = parts(&only(read, "traceparent"));
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"));
    assert_eq!(parent, told.attempts[0].id);
    assert_eq!(only(read, "tracestate"), "vendor=1");
    let traces: HashSet<_> = collector
        .spans()
        .into_iter()
        .map(|span| span.trace)
        .collect();
    assert_eq!(traces, HashSet::from([TRACE.to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_anybody_else_begins_here() {
    let (scene, collector) = (Scene::new(1, agreeable).await, Collector::start().await);
    let balancer = scene
        .balancer(|config| collected(config, &collector.url()))
        .await;
    let nonsense = "00-nonsense";
    for given in [CLIENT, nonsense] {
        let (_, record) = ask(&balancer, traced(given)).await;
        let told = collector.trace(id(&record)).await;
        assert_ne!(told.root.trace, TRACE);
        assert_eq!(told.root.parent, "");
        let read = &scene.got(id(&record))[0].1;
        let (trace, ..) = parts(&only(read, "traceparent"));
        assert_eq!(trace, told.root.trace);
        assert_eq!(read.values("tracestate"), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_nodes_read_what_the_client_says() {
    let scene = Scene::new(1, agreeable).await;
    let balancer = scene.balancer(|_| ()).await;
    let (_, record) = ask(&balancer, traced(CLIENT)).await;
    let read = &scene.got(id(&record))[0].1;
    assert_eq!(only(read, "traceparent"), CLIENT);
    assert_eq!(only(read, "tracestate"), "vendor=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ratio_of_nothing_sends_nothing_and_counts_at_once() {
    let (scene, collector) = (Scene::new(1, agreeable).await, Collector::start().await);
    let mut balancer = scene
        .balancer(|config| {
            collected(config, &collector.url());
            config.set("tracing", "sample_ratio", "0%");
        })
        .await;
    for _ in 0..5 {
        let (_, record) = ask(&balancer, admin("GET", "/v2/lab/app/tags/list")).await;
        let (.., flags) = parts(&only(&scene.got(id(&record))[0].1, "traceparent"));
        assert_eq!(flags, "00");
    }
    balancer.reload(|config| {
        config.set("tracing", "sample_ratio", "100%");
    });
    balancer.says("settings reloaded").await;
    let (_, record) = ask(&balancer, admin("GET", "/v2/lab/app/tags/list")).await;
    collector.trace(id(&record)).await;
    let traces: HashSet<_> = collector
        .spans()
        .into_iter()
        .map(|span| span.trace)
        .collect();
    assert_eq!(traces.len(), 1);
}
