//! Where clients get their tokens, and what the registry calls itself.

use super::hand::Hand;
use super::stage::Stage;
use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::core::{Account, Flavour, Realm};
use crate::harness::http::Request;
use crate::harness::image::Image;

/// The public realm is in each challenge, and a token from there opens what was asked for.
async fn expect_public_realm(stage: &Stage, offer: Offer) {
    let anonymous = Hand::anonymous(&stage.balancer, offer).await;
    let realm = format!("realm=\"{}/service/token\"", stage.balancer.url());
    for path in ["/v2/", "/v2/lab/closed/manifests/v1"] {
        for _ in 0..6 {
            let answer = anonymous.get(path).await.expect(401);
            let challenges = answer.all("www-authenticate").collect::<Vec<_>>();
            assert_eq!(challenges.len(), 1, "{challenges:?}");
            assert!(challenges[0].contains(&realm), "{challenges:?}");
            let service = "service=\"harbor-registry\"";
            assert!(challenges[0].contains(service), "{challenges:?}");
        }
    }
    let [hand, _] = Hand::both(&stage.balancer, Account::BUILDER, &["lab/closed"]).await;
    for _ in 0..6 {
        hand.get("/v2/").await.expect(200);
    }
    hand.push_image("lab/closed", "v1", &Image::random(&[100]))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_names_the_public_realm() {
    let stage = Stage::set().await;
    for node in &stage.cluster.nodes {
        // Newer nodes build the realm from the Host of the request.
        node.switch(|switches| switches.realm = Realm::RequestHost)
            .await;
        expect_public_realm(&stage, Offer::Http1).await;
    }
    expect_public_realm(&stage, Offer::Http2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_name_themselves_hand_out_the_public_realm_and_url() {
    let nodes = Cluster::builder().all(|plan| plan.external_url = Some(String::new()));
    let stage = Stage::with(nodes, |_| ()).await;
    expect_public_realm(&stage, Offer::Http1).await;
    expect_public_realm(&stage, Offer::Http2).await;
    expect_public_system_info(&stage, "/api/v2.0/systeminfo").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_the_first_generation_hand_out_the_public_realm_and_url() {
    let nodes = Cluster::builder().all(|plan| {
        plan.flavour = Flavour::Harbor1;
        plan.external_url = Some(String::new());
    });
    let stage = Stage::with(nodes, |config| {
        config.set("health", "probe", "registry");
    })
    .await;
    expect_public_realm(&stage, Offer::Http1).await;
    expect_public_realm(&stage, Offer::Http2).await;
    expect_public_system_info(&stage, "/api/systeminfo").await;
}

async fn expect_public_system_info(stage: &Stage, path: &str) {
    let as_builder = Request::get(path).basic("builder", "Builder12345");
    for offer in [Offer::Http1, Offer::Http2] {
        let hand = Hand::anonymous(&stage.balancer, offer).await;
        for _ in 0..4 {
            let request = as_builder.clone().header("Accept-Encoding", "gzip");
            let answer = hand.send(request).await.expect(200);
            assert!(answer.complete);
            let info = answer.json();
            assert_eq!(info["external_url"], stage.balancer.url());
            assert_eq!(info["registry_url"], stage.balancer.public_authority());
            assert_eq!(info["auth_mode"], "db_auth");
        }
        let info = hand.get(path).await.expect(200).json();
        assert!(info["external_url"].is_null() && info["registry_url"].is_null());
        assert_eq!(info["auth_mode"], "db_auth");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn system_information_names_the_public_place_to_those_who_may_know() {
    let stage = Stage::set().await;
    expect_public_system_info(&stage, "/api/v2.0/systeminfo").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_service_answers_get_and_its_405_to_a_form_passes() {
    let stage = Stage::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let hand = Hand::anonymous(&stage.balancer, offer).await;
        let path = "/service/token?service=harbor-registry&scope=repository:lab/x:pull";
        let answer = hand
            .send(Request::get(path).basic("builder", "Builder12345"))
            .await
            .expect(200);
        assert!(!answer.json()["token"].as_str().unwrap().is_empty());
        let form = "grant_type=password&service=harbor-registry&username=builder\
                    &password=Builder12345&client_id=containerd-client\
                    &scope=repository%3Alab%2Fx%3Apull";
        let post = Request::new("POST", "/service/token")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form.as_bytes());
        let refused = hand.send(post).await.expect(405);
        assert_eq!(refused.text(), "Method Not Allowed\n");
        let unknown = hand.get("/service/token?service=other").await.expect(400);
        assert!(unknown.text().contains("other"), "{}", unknown.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_node_is_good_at_all_of_them() {
    let stage = Stage::set().await;
    let mut seen = std::collections::BTreeSet::new();
    let mut repositories = 0;
    // A repository is drawn to one node, so a few of them see all nodes.
    while seen.len() < 3 {
        repositories += 1;
        assert!(repositories < 30, "all repositories go to {seen:?}");
        let name = format!("lab/spread-{repositories}");
        let [hand, _] = Hand::both(&stage.balancer, Account::BUILDER, &[&name]).await;
        hand.push_image(&name, "v1", &Image::random(&[100])).await;
        seen.insert(stage.writer("manifest", &name).await);
    }
}
