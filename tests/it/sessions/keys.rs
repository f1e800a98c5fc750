//! Nodes that sign with different keys: login, push and pull work all the same, and the operator reads what to do.

use std::collections::BTreeSet;

use serde_json::Value;

use super::pair::Pair;
use crate::harness::balancer::{Balancer, field};
use crate::harness::certs::Offer;
use crate::harness::clients::docker::Docker;
use crate::harness::clients::skopeo::Skopeo;
use crate::harness::cluster::{self, Builder, Cluster};
use crate::harness::core::{Account, Flavour};
use crate::harness::http::Request;
use crate::harness::image::Image;
use crate::harness::node::Common;
use crate::harness::signing::KeyName;

const DIFFER: &str = "nodes sign tokens with different keys";

/// Three nodes of which each has a signing key of its own.
fn strangers() -> Builder {
    Cluster::builder().all(|plan| plan.signing = Common::Own)
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_works_over_nodes_with_different_keys_and_two_balancers() {
    let pair = Pair::set(strangers(), |_| ()).await;
    let destination = pair.destination();
    let docker = Docker::start(&destination).await;
    for round in 0..3 {
        docker
            .login(&destination.authority, "builder", "Builder12345")
            .await
            .expect_success();
        let image = Image::small();
        let reference = destination.image(&format!("lab/keys-{round}:v1"));
        docker.load(&image, &reference).await.expect_success();
        docker.push(&reference).await.expect_success();
        docker.remove(&reference).await.expect_success();
        docker.pull(&reference).await.expect_success();
        assert_eq!(docker.image_id(&reference).await, image.id());
    }
    let said = pair.says(DIFFER).await;
    let remedy = field(&said, "remedy").as_str().unwrap();
    assert!(remedy.contains("private_key.pem"), "{remedy}");
    let nodes = field(&said, "nodes").as_str().unwrap().to_owned();
    assert!(nodes.contains(" / "), "{nodes}");
    for balancer in &pair.balancers {
        let lines = balancer.log();
        let times = lines.iter().filter(|line| field(line, "message") == DIFFER);
        assert!(times.count() <= 1, "said more than once");
    }
}

/// A balancer that saw no token being made meets tokens of all nodes.
#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_finds_out_by_trial_who_accepts_a_token() {
    let pair = Pair::set(strangers(), |_| ()).await;
    let target = pair.target(1);
    for number in 0..9 {
        let repository = format!("lab/trial-{number}");
        let from = pair.target(0);
        let token = cluster::token(&from, Account::BUILDER, &[&repository]).await;
        let base = Request::get("/v2/").bearer(&token);
        target.send(base).await.expect(200);
        let start = format!("/v2/{repository}/blobs/uploads/");
        let start = Request::new("POST", &start).bearer(&token);
        target.send(start).await.expect(202);
        let wish = Request::new("PUT", &format!("/v2/{repository}/manifests/v1"));
        let wish = wish.bearer(&token).body("{}");
        let status = target.send(wish).await.status;
        assert_ne!(status, 401, "{repository}");
    }
    let balancer = &pair.balancers[1];
    balancer.says(DIFFER).await;
    let trials = "pilotage_upstream_retries_total{reason=\"refused_token\"}";
    assert!(balancer.metric(trials).await.unwrap() > 0.0);
}

pub(super) async fn shown(balancer: &Balancer) -> Vec<(String, BTreeSet<String>)> {
    let page = balancer.admin("/nodes").await.json();
    let keys = page["signing_keys"].as_array().unwrap().iter();
    keys.map(|key| {
        let nodes = key["nodes"].as_array().unwrap().iter();
        let nodes = nodes.map(|node| node.as_str().unwrap().to_owned());
        (key["key"].as_str().unwrap().to_owned(), nodes.collect())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_to_those_who_accept_their_token_from_then_on() {
    let nodes = Cluster::builder().node(2, |plan| plan.signing = Common::Own);
    let mut cluster = nodes.start().await;
    let balancer = Balancer::before(&mut cluster, |_| ()).await;
    let target = balancer.target(Offer::Http1);
    let mut tokens = Vec::new();
    while shown(&balancer)
        .await
        .iter()
        .map(|(_, nodes)| nodes.len())
        .sum::<usize>()
        < 3
    {
        tokens.push(cluster::token(&target, Account::BUILDER, &["lab/app"]).await);
        assert!(tokens.len() < 200, "a node never hands out a token");
    }
    let keys = shown(&balancer).await;
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_eq!(
        balancer.metric("pilotage_affinity_signing_keys ").await,
        Some(2.0)
    );
    let mut sent = 0;
    for token in tokens.iter().take(40) {
        for path in ["/v2/", "/v2/lab/app/tags/list"] {
            let request = Request::get(path).bearer(token);
            let answer = target.send(request.header("X-Request-Id", "at-once")).await;
            assert_ne!(answer.status, 401);
            sent += 1;
        }
    }
    let ours = |record: &Value| field(record, "request_id") == "at-once";
    for record in balancer.records(sent, ours).await {
        assert_eq!(
            field(&record, "attempt"),
            1,
            "nobody is asked twice: {record}"
        );
    }
    // An expired token is nobody's mistake but its own.
    cluster.nodes[0]
        .switch(|switches| switches.token_seconds = -7_200)
        .await;
    cluster.nodes[1]
        .switch(|switches| switches.token_seconds = -7_200)
        .await;
    cluster.nodes[2]
        .switch(|switches| switches.token_seconds = -7_200)
        .await;
    let expired = cluster::token(&target, Account::BUILDER, &["lab/app"]).await;
    let retries = "pilotage_upstream_retries_total{reason=\"refused_token\"}";
    let tried = balancer.metric(retries).await;
    target
        .send(Request::get("/v2/").bearer(&expired))
        .await
        .expect(401);
    assert_eq!(balancer.metric(retries).await, tried);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_one_key_are_asked_once_and_nothing_is_said() {
    let mut cluster = Cluster::builder().start().await;
    let balancer = Balancer::before(&mut cluster, |_| ()).await;
    let target = balancer.target(Offer::Http1);
    for number in 0..12 {
        let name = format!("lab/one-{number}");
        let token = cluster::token(&target, Account::BUILDER, &[&name]).await;
        target
            .send(Request::get("/v2/").bearer(&token))
            .await
            .expect(200);
        // It may not push elsewhere, whoever is asked.
        let path = format!("/v2/tiny/one-{number}/blobs/uploads/");
        let refused = Request::new("POST", &path).bearer(&token);
        target.send(refused).await.expect(401);
    }
    let attempts = balancer.access_log();
    let twice = attempts
        .iter()
        .filter(|record| field(record, "attempt") != 1);
    assert!(
        twice.count() <= 6,
        "a right refusal is not doubted again and again"
    );
    assert!(
        balancer
            .log()
            .iter()
            .all(|line| field(line, "message") != DIFFER)
    );
    assert_eq!(
        balancer.metric("pilotage_affinity_signing_keys ").await,
        Some(1.0)
    );
}

/// Registries of the first generation check tokens themselves, and want the certificate in them.
#[tokio::test(flavor = "multi_thread")]
async fn skopeo_works_where_registries_check_tokens_by_certificate() {
    let nodes = Cluster::builder().all(|plan| {
        (plan.flavour, plan.key_name) = (Flavour::Harbor1, KeyName::X5c);
        plan.signing = Common::Own;
    });
    // It does not begin anew by itself: what one balancer has not kept must go on in the common storage.
    let pair = Pair::set(nodes, |config| {
        config.set("affinity", "shared_storage", true);
    })
    .await;
    let destination = pair.destination();
    let (image, skopeo) = (Image::small(), Skopeo::new(&destination));
    skopeo
        .login("builder", "Builder12345")
        .await
        .expect_success();
    for round in 0..3 {
        let name = destination.image(&format!("lab/old-{round}:v1"));
        skopeo.push(&image, &name).await.expect_success();
        let pulled = skopeo.pull(&name).await.expect_success();
        assert_eq!(pulled.stdout, image.id());
    }
    pair.says(DIFFER).await;
}
