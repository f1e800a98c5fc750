//! Lists of tags, repositories and referrers.

use serde_json::{Value, json};

use super::hand::Hand;
use super::stage::Stage;
use crate::harness::certs::Offer;
use crate::harness::core::{Account, Referrers};
use crate::harness::http::Request;
use crate::harness::image::{Image, MANIFEST_TYPE, digest};

/// Follows the links of a list and gives the pages; each link has to be relative.
async fn pages(hand: &Hand, first: &str, member: &str) -> Vec<Vec<Value>> {
    let mut next = Some(first.to_owned());
    let mut pages = Vec::new();
    while let Some(path) = next {
        let answer = hand.get(&path).await.expect(200);
        pages.push(answer.json()[member].as_array().unwrap().clone());
        next = answer.header("link").map(|link| {
            let target = link.strip_prefix('<').unwrap();
            let (target, rest) = target.split_once('>').unwrap();
            assert!(target.starts_with("/v2/"), "{link}");
            assert_eq!(rest, "; rel=\"next\"");
            target.to_owned()
        });
    }
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_come_in_pages_whose_links_pass_untouched() {
    let stage = Stage::set().await;
    for hand in Hand::both(&stage.balancer, Account::BUILDER, &["lab/tags"]).await {
        let image = Image::random(&[100]);
        for tag in ["v1", "v2", "v3"] {
            hand.push_image("lab/tags", tag, &image).await;
        }
        let whole = pages(&hand, "/v2/lab/tags/tags/list", "tags").await;
        assert_eq!(whole, [["v1", "v2", "v3"]]);
        let paged = pages(&hand, "/v2/lab/tags/tags/list?n=2", "tags").await;
        assert_eq!(paged, [vec!["v1", "v2"], vec!["v3"]]);
        let wrong = hand.get("/v2/lab/tags/tags/list?n=many").await;
        wrong.expect(400);
        let unknown = hand.get("/v2/lab/nothing/tags/list").await.expect(404);
        assert_eq!(unknown.error_code(), "NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_comes_in_pages_and_for_the_administrator_alone() {
    let stage = Stage::set().await;
    let [pusher, _] = Hand::both(&stage.balancer, Account::BUILDER, &["lab/a"]).await;
    for repository in ["lab/a", "lab/b", "lab/c/d"] {
        let image = Image::random(&[100]);
        pusher.push_image(repository, "v1", &image).await;
    }
    for offer in [Offer::Http1, Offer::Http2] {
        let anonymous = Hand::anonymous(&stage.balancer, offer).await;
        let as_admin = Request::get("/").basic("admin", "Harbor12345");
        let admin = Hand::anonymous(&stage.balancer, offer).await;
        let admin = admin.with(as_admin.headers[0].1.clone());
        let whole = pages(&admin, "/v2/_catalog", "repositories").await;
        assert_eq!(whole, [["lab/a", "lab/b", "lab/c/d"]]);
        let paged = pages(&admin, "/v2/_catalog?n=1", "repositories").await;
        assert_eq!(paged, [["lab/a"], ["lab/b"], ["lab/c/d"]]);
        let as_builder = Request::get("/v2/_catalog").basic("builder", "Builder12345");
        for refused in [Request::get("/v2/_catalog"), as_builder] {
            let answer = anonymous.send(refused).await.expect(401);
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, Some("Basic realm=\"harbor\""));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn referrers_are_an_index_where_nodes_have_it_and_404_where_not() {
    let stage = Stage::set().await;
    let [hand, other] = Hand::both(&stage.balancer, Account::BUILDER, &["lab/signed"]).await;
    let subject = hand.push_image("lab/signed", "v1", &Image::small()).await;
    let config = b"{}";
    hand.push_blob("lab/signed", config).await;
    let signature = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": { "mediaType": "application/x-signature", "digest": digest(config), "size": 2 },
        "layers": [],
        "subject": { "mediaType": MANIFEST_TYPE, "digest": subject, "size": 1 },
    });
    let put = Request::new("PUT", "/v2/lab/signed/manifests/signature");
    let put = put.header("Content-Type", MANIFEST_TYPE);
    let put = put.body(signature.to_string().into_bytes());
    let answer = hand.send(put).await.expect(201);
    assert_eq!(answer.header("oci-subject"), Some(subject.as_str()));
    let path = format!("/v2/lab/signed/referrers/{subject}");
    let filtered = format!("{path}?artifactType=application/x-signature");
    for hand in [&hand, &other] {
        let answer = hand.get(&filtered).await.expect(200);
        let found = &answer.json()["manifests"];
        assert_eq!(found.as_array().unwrap().len(), 1);
        let signature = digest(signature.to_string().as_bytes());
        assert_eq!(found[0]["digest"], signature.as_str());
        assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"));
        assert_eq!(answer.header("x-total-count"), Some("1"));
    }
    for node in &stage.cluster.nodes {
        node.switch(|switches| switches.referrers = Referrers::Missing)
            .await;
    }
    for hand in [&hand, &other] {
        let answer = hand.get(&path).await.expect(404);
        // The node's own words, and no fault of the node.
        assert!(!answer.text().contains("pilotage"), "{}", answer.text());
        assert!(answer.header("retry-after").is_none());
    }
}
