//! Nodes that keep sessions in their common Redis: any node serves any browser. One that does not is found.

use std::collections::BTreeSet;

use super::browser::CURRENT;
use super::pair::Pair;
use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, field};
use crate::harness::cluster::Cluster;
use crate::harness::core::{Account, Keeping};
use crate::harness::wait::{SOON, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_works_over_all_nodes_and_balancers_and_outlives_a_node() {
    let mut pair = Pair::set(Cluster::builder(), |_| ()).await;
    let mut browser = pair.browser();
    browser.open().await;
    browser.try_login(Account::ADMIN, "wrong").await.expect(401);
    browser.login(Account::ADMIN).await;
    browser.works(20).await;
    let nodes: BTreeSet<_> = pair
        .records("api")
        .iter()
        .map(|record| field(record, "node").to_string())
        .collect();
    assert_eq!(nodes.len(), 3, "{nodes:?}");
    pair.lose("node-2").await;
    browser.works(20).await;
    browser.logout().await;
    assert_eq!(browser.user().await, None);
    assert!(pair.said(DIVIDED).is_empty());
}

/// What a balancer shows of a node.
async fn misfits(balancer: &Balancer, node: &str) -> Vec<String> {
    let nodes = balancer.nodes().await;
    let shown = nodes.iter().find(|one| one["id"] == node).unwrap();
    let misfits = shown["misfits"].as_array().unwrap().iter();
    misfits
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

const DIVIDED: &str = "nodes do not know each other's sessions of browsers";
const UNKNOWN: &str =
    "pilotage_upstream_misconfigured{misfit=\"unknown_sessions\",node=\"node-3\"}";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_know_the_sessions_of_others_is_named_once_and_harms_no_reader() {
    let nodes = Cluster::builder().node(2, |plan| plan.sessions = Keeping::Memory);
    let pair = Pair::set(nodes, |_| ()).await;
    let balancer = &pair.balancers[0];
    let mut found = 0;
    // Whoever is logged in by the odd node itself is known there alone, and would be lost with the next click.
    for _ in 0..40 {
        let mut browser = pair.browser_of(0);
        browser.open().await;
        if browser
            .try_login(Account::ADMIN, "Harbor12345")
            .await
            .status
            != 200
        {
            continue;
        }
        found += 1;
        for _ in 0..6 {
            assert_eq!(browser.user().await.as_deref(), Some("admin"));
            browser.get("/api/v2.0/systeminfo").await.expect(200);
        }
    }
    assert!(found > 5, "only {found} logins");
    let said = pair.said(DIVIDED);
    let told: Vec<_> = said
        .iter()
        .map(|line| {
            let remedy = field(line, "remedy").as_str().unwrap();
            assert!(
                remedy.contains("_REDIS_URL") && remedy.contains("CSRF_KEY"),
                "{remedy}"
            );
            field(line, "nodes").as_str().unwrap()
        })
        .collect();
    assert_eq!(told.last(), Some(&"node-1, node-2 / node-3"), "{told:?}");
    assert!(told.len() <= 3, "said again and again: {told:?}");
    assert_eq!(misfits(balancer, "node-1").await, [""; 0]);
    assert_eq!(misfits(balancer, "node-3").await, ["unknown_sessions"]);
    assert_eq!(balancer.metric(UNKNOWN).await, Some(1.0));
    let asked = "pilotage_upstream_retries_total{reason=\"unknown_session\"}";
    assert!(balancer.metric(asked).await.unwrap() > 0.0);
}

/// Sessions that ended, expired or never were are refused by every node: nobody is to blame.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_over_raise_no_alarm() {
    let pair = Pair::set(Cluster::builder(), |_| ()).await;
    let mut browser = pair.browser();
    browser.login(Account::ADMIN).await;
    browser.works(8).await;
    let kept = browser.jar.cookies.clone();
    // Through one balancer alone: the other still remembers who knew the session.
    let mut browser = browser.at(pair.target(0));
    browser.logout().await;
    for number in [0, 1, 0, 1, 0, 1] {
        let mut late = pair.browser_of(number);
        late.jar.cookies.clone_from(&kept);
        late.get(CURRENT).await.expect(401);
    }
    let mut stranger = pair.browser();
    let made_up = (
        "sid".to_owned(),
        "0123456789abcdef0123456789abcdef".to_owned(),
    );
    stranger.jar.cookies.extend([made_up]);
    stranger.get(CURRENT).await.expect(401);
    assert!(pair.said(DIVIDED).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_is_lost_for_all_nodes_is_no_nodes_fault() {
    // Without Redis a stand-in takes seconds to say how it is, and is not to be taken for dead.
    let patient = |config: &mut Config| {
        config.set("health", "timeout", "30s");
    };
    let mut pair = Pair::set(Cluster::builder(), patient).await;
    let mut browser = pair.browser();
    browser.login(Account::ADMIN).await;
    browser.works(6).await;
    pair.cluster.stop_redis();
    let kept = browser.jar.cookies.clone();
    for _ in 0..4 {
        browser.jar.cookies.clone_from(&kept);
        browser.get(CURRENT).await.expect(401);
    }
    assert!(pair.said(DIVIDED).is_empty());
    pair.cluster.start_redis().await;
    until("a new login works", SOON, async || {
        let mut fresh = pair.browser();
        fresh.get("/api/v2.0/systeminfo").await;
        fresh.get(CURRENT).await;
        let login = fresh.try_login(Account::ADMIN, "Harbor12345").await;
        (login.status == 200 && fresh.user().await.is_some()).then_some(())
    })
    .await;
}
