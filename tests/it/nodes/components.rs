//! Harbor's parts, failing one by one.

use serde_json::{Value, json};

use super::scene::number;
use super::work::{admin, ask, commit, next, node, patch, push_image, start_upload};
use crate::harness::balancer::{Balancer, field};
use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::core::Injection;
use crate::harness::http::Request;
use crate::harness::image::{Image, digest};
use crate::harness::wait::{SOON, until};

async fn cluster() -> (Cluster, Balancer) {
    let mut cluster = Cluster::builder().start().await;
    let balancer = Balancer::before(&mut cluster, |config| {
        config.set("health", "passive_down_after", 100_000);
    })
    .await;
    (cluster, balancer)
}

/// The standing of a node for pull, push, token, api and ui.
async fn standings(balancer: &Balancer, number: usize) -> Vec<String> {
    let node = balancer.nodes().await[number].clone();
    let traffic = node["health"]["traffic"].as_array().unwrap().clone();
    let standing = |lane: &Value| lane["standing"].as_str().unwrap().to_owned();
    traffic.iter().map(standing).collect()
}

async fn component_is(balancer: &Balancer, number: usize, component: &str, healthy: bool) {
    until(
        &format!("{component} is healthy: {healthy}"),
        SOON,
        async || {
            let node = balancer.nodes().await[number].clone();
            let all = node["health"]["components"].as_array()?.clone();
            let found = all.iter().find(|one| one["component"] == component)?;
            (found["healthy"] == healthy).then_some(())
        },
    )
    .await;
}

async fn node_becomes(balancer: &Balancer, number: usize, wanted: [&str; 5]) {
    until(&format!("node {number} is {wanted:?}"), SOON, async || {
        (standings(balancer, number).await == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_no_client_needs_eject_nobody() {
    let (cluster, balancer) = cluster().await;
    for component in ["jobservice", "registryctl"] {
        let sick = |error: &str| (component.to_owned(), error.to_owned());
        cluster.nodes[0]
            .switch(|now| now.components.extend([sick("gone")]))
            .await;
        component_is(&balancer, 0, component, false).await;
        assert_eq!(standings(&balancer, 0).await, ["up"; 5], "{component}");
        cluster.nodes[0].switch(|now| now.components.clear()).await;
        component_is(&balancer, 0, component, true).await;
    }
    let names = [
        "core",
        "database",
        "jobservice",
        "portal",
        "redis",
        "registry",
        "registryctl",
    ];
    let mut parts = names
        .map(|name| json!({ "name": name, "status": "healthy" }))
        .to_vec();
    parts.push(json!({ "name": "trivy", "status": "unhealthy", "error": "gone" }));
    let document = json!({ "status": "unhealthy", "components": parts });
    let injection = Injection {
        times: 1_000_000,
        ..Injection::once("GET", "/api/v2.0/health", 200, &document.to_string())
    };
    cluster.nodes[0].inject(injection).await;
    component_is(&balancer, 0, "trivy", false).await;
    assert_eq!(standings(&balancer, 0).await, ["up"; 5], "trivy");
    let metric = "pilotage_fleet_component_up{component=\"trivy\",node=\"node-1\"";
    assert_eq!(balancer.metric(metric).await, Some(0.0));
    let changed = balancer.log().into_iter().filter(|line| {
        field(line, "message") == "node standing changed" && field(line, "to") != "up"
    });
    assert_eq!(changed.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_portal_moves_browsers_and_nobody_else() {
    let (mut cluster, balancer) = cluster().await;
    let target = balancer.target(Offer::Http1);
    let page = || Request::get("/harbor/projects");
    cluster.nodes[0].portal.kill();
    // Before any probe has noticed.
    for _ in 0..12 {
        target.send(page()).await.expect(200);
    }
    node_becomes(&balancer, 0, ["up", "up", "up", "up", "down"]).await;
    for _ in 0..12 {
        let (answer, record) = ask(&balancer, page()).await;
        answer.expect(200);
        assert_ne!(node(&record), "node-1");
    }
    cluster.nodes[0].start_again().await;
    node_becomes(&balancer, 0, ["up"; 5]).await;
}

/// An upload that lives on this node, by its number.
async fn upload_on(balancer: &Balancer, home: usize) -> String {
    for attempt in 0..100 {
        let request = start_upload(&format!("lab/home-{attempt}"));
        let (started, record) = ask(balancer, request).await;
        if number(&node(&record)) == home {
            return next(&started.expect(202));
        }
    }
    panic!("no repository is drawn to node {home}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_registry_moves_pulls_and_pushes_and_leaves_the_rest() {
    let (mut cluster, balancer) = cluster().await;
    let target = balancer.target(Offer::Http1);
    let image = Image::random(&[20_000]);
    push_image(&target, "lab/app", "v1", &image).await;
    let upload = upload_on(&balancer, 0).await;
    cluster.nodes[0].registry.kill();
    // Core says 502 and nothing else: another node takes the upload over, or is asked by a read.
    let (patched, record) = ask(&balancer, patch(&upload, b"some bytes")).await;
    assert_ne!(node(&record), "node-1");
    let done = commit(&next(&patched.expect(202)), &digest(b"some bytes"));
    target.send(done).await.expect(201);
    let layer = format!("/v2/lab/app/blobs/{}", digest(&image.layers[0]));
    for number in 0..12 {
        target.send(admin("GET", &layer)).await.expect(200);
        target
            .send(admin("HEAD", "/v2/lab/app/manifests/v1"))
            .await
            .expect(200);
        target
            .send(start_upload(&format!("lab/moved-{number}")))
            .await
            .expect(202);
    }
    node_becomes(&balancer, 0, ["down", "down", "up", "suspect", "up"]).await;
    for round in 0..10 {
        let repository = format!("lab/after-{round}");
        let bytes = format!("bytes {round}");
        let (started, record) = ask(&balancer, start_upload(&repository)).await;
        assert_ne!(node(&record), "node-1");
        let (patched, record) = ask(&balancer, patch(&next(&started), bytes.as_bytes())).await;
        assert_ne!(node(&record), "node-1");
        let done = commit(&next(&patched.expect(202)), &digest(bytes.as_bytes()));
        target.send(done).await.expect(201);
        let (pulled, record) = ask(&balancer, admin("GET", &layer)).await;
        pulled.expect(200);
        assert_ne!(node(&record), "node-1");
        target
            .send(admin("GET", "/api/v2.0/systeminfo"))
            .await
            .expect(200);
    }
    let mut seen = Vec::new();
    for _ in 0..30 {
        seen.push(node(&ask(&balancer, Request::get("/harbor")).await.1));
    }
    assert!(
        seen.iter().any(|name| name == "node-1"),
        "its pages are as good as ever"
    );
    cluster.nodes[0].start_again().await;
    node_becomes(&balancer, 0, ["up"; 5]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_core_moves_everything() {
    let (mut cluster, balancer) = cluster().await;
    let target = balancer.target(Offer::Http1);
    push_image(&target, "lab/app", "v1", &Image::random(&[1_000])).await;
    cluster.nodes[2].core.kill();
    for number in 0..12 {
        target.send(Request::get("/v2/")).await.expect(401);
        target
            .send(admin("GET", "/v2/lab/app/manifests/v1"))
            .await
            .expect(200);
        target
            .send(start_upload(&format!("lab/moved-{number}")))
            .await
            .expect(202);
        target
            .send(admin("GET", "/api/v2.0/systeminfo"))
            .await
            .expect(200);
    }
    node_becomes(&balancer, 2, ["down"; 5]).await;
    for _ in 0..12 {
        let (answer, record) = ask(&balancer, Request::get("/harbor/projects")).await;
        answer.expect(200);
        assert_ne!(node(&record), "node-3");
    }
    cluster.nodes[2].start_again().await;
    node_becomes(&balancer, 2, ["up"; 5]).await;
}

/// Messages about a fault of the cluster, with the component each names.
fn alarms(balancer: &Balancer, component: &str, begin: &str) -> usize {
    let all = balancer.log().into_iter();
    all.filter(|line| {
        let message = field(line, "message")
            .as_str()
            .unwrap_or_default()
            .to_owned();
        message.starts_with(begin) && field(line, "component") == component
    })
    .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_all_nodes_show_is_the_clusters_and_ejects_nobody() {
    let (mut cluster, balancer) = cluster().await;
    for component in ["database", "redis"] {
        let metric = format!("pilotage_fleet_cluster_fault{{component=\"{component}\"");
        assert_eq!(balancer.metric(&metric).await, Some(0.0));
        match component {
            "database" => cluster.database.set_down(true),
            _ => cluster.stop_redis(),
        }
        until("the cluster is known to be sick", SOON, async || {
            (balancer.metric(&metric).await == Some(1.0)).then_some(())
        })
        .await;
        for number in 0..3 {
            component_is(&balancer, number, component, false).await;
        }
        // Long enough for every threshold.
        let probes = "pilotage_upstream_probes_total{node=\"node-1\",outcome=\"unwell\"";
        let before = balancer.metric(probes).await.unwrap_or(0.0);
        until("many more probes", SOON, async || {
            (balancer.metric(probes).await? > before + 5.0).then_some(())
        })
        .await;
        let page = balancer.admin("/metrics").await.text();
        let down = page
            .lines()
            .filter(|line| line.starts_with("pilotage_fleet_node_up{") && !line.ends_with(" 1"));
        assert_eq!(down.collect::<Vec<_>>(), Vec::<&str>::new(), "{component}");
        let answer = balancer
            .target(Offer::Http1)
            .send(Request::get("/v2/"))
            .await;
        assert_eq!(answer.status, 401, "nodes are asked all the same");
        match component {
            "database" => cluster.database.set_down(false),
            _ => cluster.start_redis().await,
        }
        until("the fault is over", SOON, async || {
            (balancer.metric(&metric).await == Some(0.0)).then_some(())
        })
        .await;
        balancer.all_up(3).await;
        until("the log says so", SOON, async || {
            (alarms(&balancer, component, "cluster fault is over") == 1).then_some(())
        })
        .await;
        assert_eq!(
            alarms(&balancer, component, "every node reports the same"),
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_alone_has_lost_the_database_is_left() {
    let (cluster, balancer) = cluster().await;
    let lost = (
        "database".to_owned(),
        "dial tcp: connection refused".to_owned(),
    );
    cluster.nodes[1]
        .switch(|now| now.components.extend([lost]))
        .await;
    let up = "pilotage_fleet_node_up{node=\"node-2\",traffic=\"pull\"";
    until("it gets no more pulls", SOON, async || {
        (balancer.metric(up).await == Some(0.0)).then_some(())
    })
    .await;
    let fault = "pilotage_fleet_cluster_fault{component=\"database\"";
    assert_eq!(balancer.metric(fault).await, Some(0.0));
    for _ in 0..20 {
        let (answer, record) = ask(&balancer, Request::get("/v2/")).await;
        answer.expect(401);
        assert_ne!(node(&record), "node-2");
    }
    cluster.nodes[1].switch(|now| now.components.clear()).await;
    balancer.all_up(3).await;
    assert_eq!(balancer.metric(up).await, Some(1.0));
}
