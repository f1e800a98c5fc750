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

async fn start(target: &Target, token: &str, repository: &str) -> String {
    let path = format!("/v2/{repository}/blobs/uploads/");
    let request = Request::new("POST", &path).bearer(token);
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
        let upload = start(&target, first, "lab/push").await;
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

/// The other balancer has none of the bytes, and the node that has them refuses the token of the commit.
async fn commit_elsewhere(shared_storage: bool) -> (Pair, Answer, String, String) {
    let nodes = Cluster::builder().all(|plan| plan.signing = Common::Own);
    let pair = Pair::set(nodes, |config| {
        config.set("affinity", "shared_storage", shared_storage);
    })
    .await;
    let public = pair.name();
    let first = token_of(&pair.cluster, 0, &public).await;
    let second = token_of(&pair.cluster, 1, &public).await;
    for (number, balancer) in pair.balancers.iter().enumerate() {
        let target = pair.target(number);
        for (token, least) in [(&first, 1.0), (&second, 2.0)] {
            let refused = async || {
                let ping = Request::get("/v2/").bearer(token);
                target.send(ping).await.expect(200);
                (balancer.metric(REFUSALS).await? >= least).then_some(())
            };
            until("who accepts the token is known", SOON, refused).await;
        }
    }
    let upload = start(&pair.target(0), &first, "lab/push").await;
    let content = b"kept by the balancer that is not asked";
    let patch = Request::new("PATCH", &upload).bearer(&first).body(content);
    let upload = next(&pair.target(0).send(patch).await.expect(202));
    let put = format!("{upload}&digest={}", digest(content));
    let put = Request::new("PUT", &put).bearer(&second);
    let answer = pair.target(1).send(put).await;
    let blob = format!("/v2/lab/push/blobs/{}", digest(content));
    (pair, answer, second, blob)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_session_s_node_refuses_commits_over_shared_storage() {
    let (pair, answer, token, blob) = commit_elsewhere(true).await;
    answer.expect(201);
    let read = Request::get(&blob).bearer(&token);
    let read = pair.target(1).send(read).await.expect(200);
    assert_eq!(read.body, b"kept by the balancer that is not asked");
}

/// To be told that one may not is final; whoever is told that the upload is gone begins a new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_only_other_nodes_accept_begins_anew_over_storage_apart() {
    let (pair, answer, token, _) = commit_elsewhere(false).await;
    let answer = answer.expect(503);
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(said.contains("start it again"), "{said}");
    start(&pair.target(1), &token, "lab/push").await;
}

/// A push whose node dies between its bytes and the commit; it is the `round`-th of its test.
async fn lose_holder(
    (cluster, balancer): (&mut Cluster, &Balancer),
    token: &str,
    (repository, round): (&str, usize),
) {
    let target = balancer.target(Offer::Http1);
    let upload = start(&target, token, repository).await;
    let content = format!("kept for round {round}");
    let patch = Request::new("PATCH", &upload).bearer(token);
    let patched = target
        .send(patch.body(content.as_bytes()))
        .await
        .expect(202);
    let patches = |one: &Value| field(one, "method") == "PATCH";
    let records = balancer.records(round + 1, patches).await;
    let holder = field(&records[round], "node").as_str().unwrap().to_owned();
    assert_ne!(holder, "node-3");
    let mut nodes = cluster.nodes.iter_mut();
    let node = nodes.find(|node| node.name == holder).unwrap();
    node.kill();
    let put = format!("{}&digest={}", next(&patched), digest(content.as_bytes()));
    let put = Request::new("PUT", &put).bearer(token);
    target.send(put).await.expect(201);
    node.start_again().await;
    balancer.all_up(3).await;
}

/// How often a node refused a token that another was asked about.
const REFUSALS: &str = "pilotage_upstream_retries_total{reason=\"refused_token\"}";
/// How many takeovers met a node that does not accept the token.
const REFUSED: &str = "pilotage_edge_takeovers_total{kind=\"upload\",reason=\"unauthorized\"}";

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
        lose_holder((&mut cluster, &balancer), &token, ("lab/push", round)).await;
    }
    assert_eq!(balancer.metric(REFUSED).await, Some(0.0));
    assert_eq!(balancer.metric(REFUSALS).await, Some(0.0));
}

/// No node has shown its key: who accepts the token is learnt from the pushes, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_that_was_refused_tells_who_accepts_the_token() {
    let nodes = Cluster::builder().node(2, |plan| plan.signing = Common::Own);
    let mut cluster = nodes.start().await;
    let balancer = Balancer::before(&mut cluster, |_| ()).await;
    // Each has a favourite of its own, so the odd node is met soon, and would be met again.
    let names: Vec<String> = (0..10).map(|number| format!("lab/push-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let direct = cluster.direct(0, &balancer.public_authority());
    let token = cluster::token(&direct, Account::BUILDER, &names).await;
    for (round, name) in names.into_iter().enumerate() {
        lose_holder((&mut cluster, &balancer), &token, (name, round)).await;
    }
    let refused = balancer.metric(REFUSED).await.unwrap();
    assert!(refused <= 1.0, "{refused} of 10 takeovers were refused");
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
