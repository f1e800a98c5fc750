//! Nodes that keep their sessions for themselves: a browser stays on the node that logged it in.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::browser::{Browser, CURRENT};
use super::pair::Pair;
use crate::harness::balancer::config::Config;
use crate::harness::balancer::field;
use crate::harness::cluster::{Builder, Cluster};
use crate::harness::core::{Account, Keeping};
use crate::harness::http::Request;

pub(super) const ENDED: &str = "session of a browser ended on its node";

/// Nodes of which each knows its own sessions only, and takes only its own word against forged requests.
pub(super) fn loners() -> Builder {
    let alone = Cluster::builder().all(|plan| plan.sessions = Keeping::Memory);
    (0..3).fold(alone, |nodes, number| {
        nodes.node(number, |plan| {
            plan.csrf_key = format!("a csrf key of node {number} alone....");
        })
    })
}

/// Two balancers that share nothing but the key: a cookie tells one what the other knows.
pub(super) fn pinned(config: &mut Config) {
    config.set("sessions", "mode", "pinned");
    config.set("sessions", "own_cookie", "pilotage");
}

fn node(record: &Value) -> String {
    field(record, "node")
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The node that the browser's session lives on.
async fn home(pair: &Pair, browser: &mut Browser) -> String {
    let id = format!("home-{:016x}", fastrand::u64(..));
    let request = Request::get(CURRENT).header("X-Request-Id", &id);
    browser.send(request).await.expect(200);
    let record =
        crate::harness::wait::until("it is recorded", crate::harness::wait::SOON, async || {
            let records = pair.records("api").into_iter();
            records
                .rev()
                .find(|record| field(record, "request_id") == id.as_str())
        })
        .await;
    node(&record)
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_stay_where_they_logged_in_over_both_balancers() {
    let pair = Pair::set(loners(), pinned).await;
    let mut homes = BTreeSet::new();
    for _ in 0..8 {
        let mut browser = pair.browser();
        browser.login(Account::ADMIN).await;
        let home = home(&pair, &mut browser).await;
        browser.works(10).await;
        assert_eq!(self::home(&pair, &mut browser).await, home);
        homes.insert(home);
        browser.logout().await;
        assert_eq!(browser.user().await, None);
    }
    assert!(!homes.is_empty());
    assert!(pair.said(ENDED).is_empty());
    for balancer in &pair.balancers {
        let own = "pilotage_affinity_session_lookups_total{found=\"own_cookie\"}";
        assert!(balancer.metric(own).await.unwrap() > 0.0);
    }
}

/// Redis tells one balancer what the other knows, and nothing of it in clear.
#[tokio::test(flavor = "multi_thread")]
async fn balancers_that_meet_in_redis_need_no_cookie_of_their_own() {
    let mode = |config: &mut Config| {
        config.set("sessions", "mode", "pinned");
    };
    let mut pair = Pair::over_redis(loners(), mode).await;
    let mut browsers = Vec::new();
    for _ in 0..6 {
        let mut browser = pair.browser();
        browser.login(Account::ADMIN).await;
        browser.works(6).await;
        browsers.push(browser);
    }
    let mut found = 0.0;
    for balancer in &pair.balancers {
        let redis = "pilotage_affinity_session_lookups_total{found=\"redis\"}";
        found += balancer.metric(redis).await.unwrap();
    }
    assert!(found >= 6.0, "{found}");
    let held = held(&pair).await;
    assert!(
        held.contains("pilotage:1:s:") && held.contains("node-"),
        "{held}"
    );
    for browser in &browsers {
        assert!(!held.contains(&browser.jar.cookies["sid"]));
    }
    // What each has seen by itself is enough from then on.
    pair.cluster.stop_redis();
    for browser in &mut browsers {
        browser.works(6).await;
    }
    assert!(pair.said(ENDED).is_empty());
}

/// Everything that Redis holds for the balancers: keys with their values.
async fn held(pair: &Pair) -> String {
    let url = format!("redis://{}/9", pair.cluster.redis_address);
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut ask = redis::cmd("KEYS");
    let keys: Vec<String> = ask.arg("*").query_async(&mut connection).await.unwrap();
    let mut held = String::new();
    for key in keys {
        let value: Option<String> = redis::cmd("GET")
            .arg(&key)
            .query_async(&mut connection)
            .await
            .unwrap_or_default();
        let life: i64 = redis::cmd("TTL")
            .arg(&key)
            .query_async(&mut connection)
            .await
            .unwrap();
        assert!(life > 0, "{key} stays for ever");
        writeln!(held, "{key} {value:?}").unwrap();
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn one_balancer_needs_no_cookie_of_its_own() {
    let pair = Pair::set(loners(), |config| {
        config.set("sessions", "mode", "pinned");
    })
    .await;
    let mut browser = pair.browser_of(0);
    browser.login(Account::ADMIN).await;
    browser.works(20).await;
    assert!(!browser.jar.cookies.contains_key("pilotage"));
    let local = "pilotage_affinity_session_lookups_total{found=\"local\"}";
    assert!(pair.balancers[0].metric(local).await.unwrap() >= 20.0);
    assert!(
        pair.balancers[0]
            .metric("pilotage_affinity_sessions ")
            .await
            .unwrap()
            > 0.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_whose_node_is_killed_logs_in_again_and_the_log_says_why() {
    let mut pair = Pair::set(loners(), pinned).await;
    let mut browser = pair.browser();
    browser.login(Account::ADMIN).await;
    let home = home(&pair, &mut browser).await;
    pair.lose(&home).await;
    // The session was there alone.
    browser.get(CURRENT).await.expect(401);
    browser.login(Account::ADMIN).await;
    browser.works(10).await;
    assert_ne!(self::home(&pair, &mut browser).await, home);
    let said = pair.says(ENDED).await;
    assert_eq!(field(&said, "from"), home.as_str());
    assert_eq!(field(&said, "reason"), "down");
    assert!(!field(&said, "to").is_null() && !field(&said, "client").is_null());
    for balancer in &pair.balancers {
        for line in balancer.log().iter().map(Value::to_string) {
            for cookie in browser.jar.cookies.values() {
                assert!(!line.contains(cookie), "{line}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_leaves_a_node_that_drains() {
    let mut pair = Pair::set(loners(), pinned).await;
    let mut browser = pair.browser();
    browser.login(Account::ADMIN).await;
    let home = home(&pair, &mut browser).await;
    for balancer in &mut pair.balancers {
        balancer.reload(|config| {
            config.set_node(&home, "drain", true);
        });
        balancer.says("settings reloaded").await;
    }
    browser.get(CURRENT).await.expect(401);
    browser.login(Account::ADMIN).await;
    browser.works(6).await;
    let said = pair.says(ENDED).await;
    assert_eq!(field(&said, "reason"), "draining");
    let moved = "pilotage_affinity_sessions_moved_total{reason=\"draining\"}";
    let mut total = 0.0;
    for balancer in &pair.balancers {
        total += balancer.metric(moved).await.unwrap();
    }
    assert!(total >= 1.0);
}

/// One failure is no reason to lose a login.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_fails_once_keeps_its_browsers() {
    let mut pair = Pair::set(loners(), pinned).await;
    let mut browser = pair.browser();
    browser.login(Account::ADMIN).await;
    let home = home(&pair, &mut browser).await;
    let number = pair.cluster.nodes.iter().position(|one| one.name == home);
    let node = &mut pair.cluster.nodes[number.unwrap()];
    node.inject(crate::harness::core::Injection {
        content_type: "text/html".to_owned(),
        ..crate::harness::core::Injection::once("GET", CURRENT, 502, "<html>502</html>")
    })
    .await;
    browser.works(6).await;
    assert_eq!(self::home(&pair, &mut browser).await, home);
    assert!(pair.said(ENDED).is_empty());
}

/// docker keeps no cookies, and what a registry client sends of them means nothing.
#[tokio::test(flavor = "multi_thread")]
async fn registry_traffic_ignores_cookies() {
    let pair = Pair::set(loners(), pinned).await;
    let mut browser = pair.browser();
    browser.login(Account::ADMIN).await;
    for number in 0..30 {
        let path = format!("/v2/lab/cookie-{number}/tags/list");
        let request = Request::get(&path).basic("admin", "Harbor12345");
        let answer = browser.send(request).await;
        assert!(
            answer
                .all("set-cookie")
                .all(|cookie| !cookie.starts_with("pilotage="))
        );
    }
    let records = pair.records("tags");
    let nodes: BTreeSet<_> = records.iter().map(node).collect();
    assert_eq!(nodes.len(), 3, "{nodes:?}");
}
