//! Login at a provider of single sign-on: the browser leaves for the provider and comes back, perhaps through the
//! other balancer, to a node that has to know what it was sent away with.

use super::browser::Browser;
use super::pair::Pair;
use super::pinned::{loners, pinned};
use crate::harness::balancer::config::Config;
use crate::harness::cluster::{Builder, Cluster};
use crate::harness::http::{Request, Target};
use crate::harness::ports::Subnet;
use crate::harness::provider;

/// Follows the redirects of a login as a browser does.
async fn round_trip(browser: &mut Browser, public: &str) {
    let away = browser.get("/c/oidc/login").await.expect(302);
    let away = away.header("location").unwrap().to_owned();
    let (address, path) = away
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let provider = Target::plain(address.parse().unwrap(), "provider");
    let back = provider
        .send(Request::get(&format!("/{path}")))
        .await
        .expect(302);
    let back = back.header("location").unwrap().to_owned();
    let path = back.strip_prefix(public).expect("the public address");
    let home = browser.get(path).await.expect(302);
    assert_eq!(home.header("location"), Some("/harbor/projects"));
}

async fn logs_in(nodes: Builder, change: impl Fn(&mut Config)) {
    let host = Subnet::take().host(1);
    let provider = provider::start(host).await;
    let address = provider.address();
    let nodes = (0..3).fold(nodes, |nodes, number| {
        nodes.node(number, |plan| plan.provider = Some(address))
    });
    let pair = Pair::set(nodes, change).await;
    for _ in 0..6 {
        let mut browser = pair.browser();
        browser.open().await;
        round_trip(&mut browser, &format!("https://{}", pair.name())).await;
        browser.works(6).await;
        browser.logout().await;
        assert_eq!(browser.user().await, None);
    }
    // A code and a state that belong to nobody log nobody in.
    let mut forger = pair.browser();
    forger.open().await;
    let forged = forger.get("/c/oidc/callback?code=code-0&state=0").await;
    forged.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_at_a_provider_comes_back_to_nodes_that_share_sessions() {
    logs_in(Cluster::builder(), |_| ()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_at_a_provider_comes_back_to_the_node_it_left_from() {
    logs_in(loners(), pinned).await;
}
