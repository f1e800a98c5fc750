//! What befalls traces on their way to their collector, and that no request waits for it.

use std::net::TcpListener;
use std::time::Duration;

use tokio::time::timeout;

use super::scene::{Scene, agreeable};
use super::secure::TlsFront;
use super::traced::{collected, id, only};
use super::work::{admin, ask};
use crate::harness::balancer::{Balancer, field};
use crate::harness::certs::Authority;
use crate::harness::collector::Collector;
use crate::harness::ports::{self, Subnet};
use crate::harness::recorder::answer;
use crate::harness::wait::{SOON, until};

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_at_the_end_is_sent_before_it() {
    let (scene, collector) = (Scene::new(1, agreeable).await, Collector::start().await);
    let mut balancer = scene
        .balancer(|config| {
            collected(config, &collector.url());
            config.set("tracing", "interval", "1h");
        })
        .await;
    let (_, record) = ask(&balancer, admin("GET", "/v2/lab/app/tags/list")).await;
    assert!(collector.requests().is_empty(), "it waits for others");
    assert!(balancer.stop(SOON).await.success());
    let told = collector.trace(id(&record)).await;
    assert_eq!(told.attempts.len(), 1);
}

const AWAY: &str = "collector does not take traces: they are dropped when too many wait";

/// Requests one after the other, all of them within a time in which no collector has to answer.
async fn unhindered(balancer: &Balancer, within: Duration) {
    let all = async {
        for _ in 0..10 {
            let (answer, _) = ask(balancer, admin("GET", "/v2/lab/app/tags/list")).await;
            assert_eq!(answer.status, 200);
        }
    };
    timeout(within, all).await.expect("requests do not wait");
}

/// More requests, until spans were dropped for this reason.
async fn dropped(balancer: &Balancer, reason: &str) {
    let name = format!("pilotage_observe_spans_dropped_total{{reason=\"{reason}\"}}");
    until("spans are dropped and counted", SOON, async || {
        unhindered(balancer, SOON).await;
        (balancer.metric(&name).await? > 0.0).then_some(())
    })
    .await;
}

fn times_said(balancer: &Balancer) -> usize {
    let log = balancer.log();
    log.iter()
        .filter(|line| field(line, "message") == AWAY)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_no_request_anything_and_is_told_once() {
    let scene = Scene::new(1, agreeable).await;
    let address = ports::free(Subnet::take().host(1));
    let balancer = scene
        .balancer(|config| {
            collected(config, &format!("http://{address}"));
            config.set("tracing", "queue", 1);
        })
        .await;
    unhindered(&balancer, SOON).await;
    dropped(&balancer, "queue_full").await;
    dropped(&balancer, "unsent").await;
    balancer.says(AWAY).await;
    assert_eq!(times_said(&balancer), 1);
    let collector = Collector::at(address).await;
    until("it takes traces again", SOON, async || {
        ask(&balancer, admin("GET", "/v2/lab/app/tags/list")).await;
        (!collector.spans().is_empty()).then_some(())
    })
    .await;
    balancer.says("collector takes traces again").await;
    assert_eq!(times_said(&balancer), 1);
    until("what is sent is counted", SOON, async || {
        let sent = balancer.metric("pilotage_observe_spans_sent_total").await;
        (sent? > 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_costs_no_request_anything_and_not_the_stop() {
    let scene = Scene::new(1, agreeable).await;
    // Connections are made, and nobody takes them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let patience = SOON * 2;
    let mut balancer = scene
        .balancer(|config| {
            collected(config, &url);
            config.set("tracing", "timeout", format!("{}s", patience.as_secs()));
            config.set("tracing", "queue", 1);
        })
        .await;
    unhindered(&balancer, patience).await;
    dropped(&balancer, "queue_full").await;
    assert!(balancer.stop(patience / 2).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_refuses_is_counted_and_not_sent_again() {
    let scene = Scene::new(1, agreeable).await;
    let refusing = Scene::new(1, |_| answer(401, &[], "no")).await;
    let balancer = scene
        .balancer(|config| collected(config, &refusing.nodes[0].url()))
        .await;
    ask(&balancer, admin("GET", "/v2/lab/app/tags/list")).await;
    let line = balancer.says(AWAY).await;
    assert_eq!(field(&line, "fault"), "it answers 401");
    let name = "pilotage_observe_spans_dropped_total{reason=\"refused\"}";
    until(
        "the request and its attempt are counted",
        SOON,
        async || (balancer.metric(name).await == Some(2.0)).then_some(()),
    )
    .await;
    assert_eq!(refusing.counts(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_took_is_not_sent_again_because_its_answer_never_ends() {
    let scene = Scene::new(1, agreeable).await;
    let endless = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    let taking = Scene::new(1, |_| endless.to_vec()).await;
    let balancer = scene
        .balancer(|config| {
            collected(config, &taking.nodes[0].url());
            config.set("tracing", "timeout", "5s");
        })
        .await;
    ask(&balancer, admin("GET", "/v2/lab/app/tags/list")).await;
    until("its spans count as sent", SOON, async || {
        let sent = balancer.metric("pilotage_observe_spans_sent_total").await;
        (sent == Some(2.0)).then_some(())
    })
    .await;
    assert_eq!(taking.counts(), [1]);
    assert_eq!(times_said(&balancer), 0);
}

/// A balancer that believes one authority, and a collector that shows the certificate of another, or of the same.
async fn over_tls(
    believed: &Authority,
    shown: &Authority,
) -> (Scene, Balancer, Collector, TlsFront) {
    let (scene, collector) = (Scene::new(1, agreeable).await, Collector::start().await);
    let ca_file = scene.scratch.write("collector-ca.pem", believed.pem());
    let host = scene.subnet.host(99);
    let address = ports::free(host);
    let certificate = shown.issue(&[&host.to_string()]);
    let front = TlsFront::open(address, &certificate, collector.address()).await;
    let balancer = scene
        .balancer(|config| {
            collected(config, &front.url());
            config.set("tracing", "ca_file", ca_file.to_str().unwrap());
        })
        .await;
    (scene, balancer, collector, front)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_behind_tls_has_to_prove_who_it_is() {
    let (believed, other) = (Authority::new(), Authority::new());
    let (_scene, balancer, collector, _front) = over_tls(&believed, &believed).await;
    let (_, record) = ask(&balancer, admin("GET", "/v2/lab/app/tags/list")).await;
    collector.trace(id(&record)).await;
    let (_scene, balancer, collector, front) = over_tls(&believed, &other).await;
    ask(&balancer, admin("GET", "/v2/lab/app/tags/list")).await;
    let line = balancer.says(AWAY).await;
    assert_eq!(field(&line, "fault"), "its certificate cannot be verified");
    assert!(front.greeted() > 0 && collector.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_for_the_collector_come_from_a_file_that_may_change() {
    let (scene, collector) = (Scene::new(1, agreeable).await, Collector::start().await);
    let file = scene
        .scratch
        .write("otlp.headers", "Authorization: Bearer one\nX-Tenant: lab\n");
    let balancer = scene
        .balancer(|config| {
            collected(config, &format!("{}/own/path", collector.url()));
            config.set("tracing", "headers_file", file.to_str().unwrap());
        })
        .await;
    for credential in ["Bearer one", "Bearer two"] {
        let text = format!("Authorization: {credential}\nX-Tenant: lab\n");
        scene.scratch.write("otlp.headers", text);
        let (_, record) = ask(&balancer, admin("GET", "/v2/lab/app/tags/list")).await;
        collector.trace(id(&record)).await;
        let last = collector.requests().pop().unwrap();
        assert_eq!(last.target, "/own/path");
        assert_eq!(only(&last, "authorization"), credential);
        assert_eq!(only(&last, "x-tenant"), "lab");
    }
}
