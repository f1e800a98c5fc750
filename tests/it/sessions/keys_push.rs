//! Pushes over nodes that sign with different keys, request by request; and tokens on their way to clients.

use serde_json::Value;

use super::keys::shown;
use super::pair::Pair;
use crate::harness::balancer::{Balancer, field};
use crate::harness::certs::Offer;
use crate::harness::cluster::{self, Cluster};
use crate::harness::core::Account;
use crate::harness::front::Front;
use crate::harness::http::answer::Answer;
use crate::harness::http::{Request, Target};
use crate::harness::image::digest;
use crate::harness::node::Common;
use crate::harness::recorder::answer;
use crate::harness::wait::{SOON, until};

/// Path and query of where an upload goes on.
#[track_caller]
fn next(answer: &Answer) -> String {
    let location = answer.header("location").unwrap();
    let path = location.splitn(4, '/').nth(3).unwrap();
    format!("/{path}")
}

/// A token that this very node signed.
async fn token_of(cluster: &Cluster, node: usize, public: &str) -> String {
    let direct = cluster.direct(node, public);
    cluster::token(&direct, Account::BUILDER, &["lab/push"]).await
}

async fn start(target: &Target, token: &str) -> String {
    let path = "/v2/lab/push/blobs/uploads/";
    let request = Request::new("POST", path).bearer(token);
    next(&target.send(request).await.expect(202))
}

/// A client renews its token whenever it likes, and any node may be the one that hands it out.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_goes_on_with_a_token_of_another_node() {
    let nodes = Cluster::builder().all(|plan| plan.signing = Common::Own);
    let pair = Pair::set(nodes, |_| ()).await;
    let (target, public) = (pair.target(0), pair.name());
    let mut tokens = Vec::new();
    for node in 0..3 {
        tokens.push(token_of(&pair.cluster, node, &public).await);
    }
    for round in 0..3 {
        let [first, second, third] = [0, 1, 2].map(|number| &tokens[(round + number) % 3]);
        // It learns whose token is whose, as it does when it hands them out.
        for token in [first, second, third] {
            target
                .send(Request::get("/v2/").bearer(token))
                .await
                .expect(200);
        }
        let upload = start(&target, first).await;
        let content = format!("content of round {round}, in two parts");
        let (one, two) = content.as_bytes().split_at(9);
        let patch = Request::new("PATCH", &upload).bearer(second).body(one);
        let upload = next(&target.send(patch).await.expect(202));
        let put = format!("{upload}&digest={}", digest(content.as_bytes()));
        let put = Request::new("PUT", &put).bearer(third).body(two);
        target.send(put).await.expect(201);
        let read = format!("/v2/lab/push/blobs/{}", digest(content.as_bytes()));
        let blob = target
            .send(Request::get(&read).bearer(first))
            .await
            .expect(200);
        assert_eq!(blob.body, content.as_bytes());
    }
}

/// When the node of a push is lost, one that accepts its token takes over, not just any.
#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_prefers_nodes_that_accept_the_token() {
    let nodes = Cluster::builder().node(2, |plan| plan.signing = Common::Own);
    let mut cluster = nodes.start().await;
    let balancer = Balancer::before(&mut cluster, |_| ()).await;
    let (target, public) = (balancer.target(Offer::Http1), balancer.public_authority());
    let token = token_of(&cluster, 0, &public).await;
    // By the tokens that they hand out.
    until("all nodes have shown their keys", SOON, async || {
        cluster::token(&target, Account::BUILDER, &["lab/push"]).await;
        let nodes = shown(&balancer).await.into_iter().map(|(_, nodes)| nodes);
        (nodes.flatten().count() == 3).then_some(())
    })
    .await;
    for round in 0..4 {
        let upload = start(&target, &token).await;
        let content = format!("kept for round {round}");
        let patch = Request::new("PATCH", &upload)
            .bearer(&token)
            .body(content.as_bytes());
        let patched = target.send(patch).await.expect(202);
        let patches = |one: &Value| field(one, "method") == "PATCH";
        let records = balancer.records(round + 1, patches).await;
        let holder = field(&records[round], "node").as_str().unwrap().to_owned();
        assert_ne!(holder, "node-3");
        let node = cluster
            .nodes
            .iter_mut()
            .find(|node| node.name == holder)
            .unwrap();
        node.kill();
        let put = format!("{}&digest={}", next(&patched), digest(content.as_bytes()));
        target
            .send(Request::new("PUT", &put).bearer(&token))
            .await
            .expect(201);
        let node = cluster
            .nodes
            .iter_mut()
            .find(|node| node.name == holder)
            .unwrap();
        node.start_again().await;
        balancer.all_up(3).await;
    }
    let refused = "pilotage_edge_takeovers_total{kind=\"upload\",reason=\"unauthorized\"}";
    assert_eq!(balancer.metric(refused).await, Some(0.0));
    let retries = "pilotage_upstream_retries_total{reason=\"refused_token\"}";
    assert_eq!(balancer.metric(retries).await, Some(0.0));
}

/// Whatever a token service says passes as it came, small or large, packed or not.
#[tokio::test(flavor = "multi_thread")]
async fn answers_of_token_services_pass_unchanged() {
    let large = format!("{{\"token\":\"{}\"}}", "x".repeat(300_000));
    let packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3].as_slice();
    let sent = large.clone();
    let front = Front::scripted(
        2,
        |_| (),
        move |_, request| {
            let json = ("Content-Type", "application/json");
            let scope = request.target.split("scope=").nth(1)?;
            Some(match scope {
                "large" => answer(200, &[json], &sent),
                "packed" => {
                    let mut bytes = answer(200, &[json, ("Content-Encoding", "gzip")], "");
                    let head = String::from_utf8(bytes.clone()).unwrap();
                    bytes = head
                        .replace("Content-Length: 0", "Content-Length: 13")
                        .into_bytes();
                    bytes.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]);
                    bytes
                }
                "nonsense" => answer(200, &[json], "{\"token\":"),
                _ => answer(200, &[json], "{\"token\":\"a.b.c\",\"expires_in\":60}"),
            })
        },
    )
    .await;
    for (scope, expected) in [
        ("large", large.as_bytes()),
        ("packed", packed),
        ("nonsense", b"{\"token\":"),
        ("small", b"{\"token\":\"a.b.c\",\"expires_in\":60}"),
    ] {
        let request = Request::get(&format!("/service/token?scope={scope}"));
        let answer = front
            .h1()
            .send(request.header("Accept-Encoding", "gzip"))
            .await
            .expect(200);
        assert_eq!(answer.body, expected, "{scope}");
        assert_eq!(
            answer.header("content-encoding").is_some(),
            scope == "packed"
        );
    }
    for node in &front.nodes {
        for seen in node.requests() {
            assert_eq!(
                seen.values("Accept-Encoding"),
                ["gzip"],
                "what is asked for is passed on"
            );
        }
    }
}
