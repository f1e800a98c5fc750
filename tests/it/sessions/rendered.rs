//! A real browser logs in, loses a node, and goes on.

use std::collections::BTreeMap;

use super::chrome::{Chrome, shows};
use super::pair::Pair;
use super::pinned::{ENDED, loners, pinned};
use crate::harness::balancer::field;
use crate::harness::cluster::Cluster;

/// The node that answered most of what the page asked of the API.
fn busiest(pair: &Pair) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for record in pair.records("api") {
        let node = field(&record, "node").as_str().unwrap_or_default();
        *counts.entry(node.to_owned()).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .unwrap()
        .0
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_stays_logged_in_when_a_node_that_shares_sessions_is_killed() {
    let mut pair = Pair::set(Cluster::builder(), |_| ()).await;
    let mut chrome = Chrome::open(&pair).await;
    let url = format!("https://{}/", pair.name());
    assert_eq!(chrome.log_in("admin", "wrong").await, "refused with 401");
    assert_eq!(chrome.log_in("admin", "Harbor12345").await, "admin");
    let lost = busiest(&pair);
    pair.lose(&lost).await;
    for _ in 0..6 {
        assert_eq!(chrome.visit(&url).await, "admin");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_logs_in_again_when_the_node_of_its_session_is_killed() {
    let mut pair = Pair::set(loners(), pinned).await;
    let mut chrome = Chrome::open(&pair).await;
    let url = format!("https://{}/", pair.name());
    assert_eq!(chrome.log_in("admin", "Harbor12345").await, "admin");
    for _ in 0..6 {
        assert_eq!(chrome.visit(&url).await, "admin");
    }
    assert!(pair.said(ENDED).is_empty());
    let home = busiest(&pair);
    pair.lose(&home).await;
    shows(&mut chrome, &url, "nobody").await;
    assert_eq!(chrome.log_in("admin", "Harbor12345").await, "admin");
    for _ in 0..6 {
        assert_eq!(chrome.visit(&url).await, "admin");
    }
    let said = pair.says(ENDED).await;
    assert_eq!(field(&said, "from"), home.as_str());
}
