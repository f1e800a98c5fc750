//! The public address in answers: scheme and authority exactly as the client used them.

use super::hand::Hand;
use super::stage::Stage;
use crate::harness::certs::Offer;
use crate::harness::cluster::{Cluster, PUBLIC_NAME};
use crate::harness::http::{Request, Target};
use crate::harness::image::{Image, digest};
use crate::harness::node::ForwardedProto;

/// Pushes an image and mounts one of its layers; every Location on the way names the authority of
/// the hand, or the helpers panic.
async fn push_and_mount(hand: &Hand) {
    let image = Image::random(&[1_000, 2_000]);
    hand.push_image("lab/named", "v1", &image).await;
    let layer = digest(&image.layers[0]);
    let path = format!("/v2/lab/other/blobs/uploads/?mount={layer}&from=lab/named");
    let mounted = hand.send(Request::new("POST", &path)).await.expect(201);
    assert_eq!(hand.path(&mounted), format!("/v2/lab/other/blobs/{layer}"));
    let upload = hand.start("lab/named").await;
    let upload = hand.patch(&upload, b"x").await;
    let status = hand.get(&upload.path).await.expect(204);
    hand.next(&upload, &status);
}

async fn hand_at(stage: &Stage, authority: &str, offer: Offer) -> Hand {
    let tls = stage.balancer.authority().client(offer);
    let target = Target::tls(stage.balancer.address(), authority, tls);
    let basic = Request::get("/").basic("builder", "Builder12345");
    let credentials = basic.headers[0].1.clone();
    Hand::at(target, offer).await.with(credentials)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_has_exactly_the_authority_the_client_used() {
    let stage = Stage::set().await;
    let port = stage.balancer.address().port();
    for authority in [
        format!("{PUBLIC_NAME}:{port}"),
        PUBLIC_NAME.to_owned(),
        format!("{PUBLIC_NAME}:443"),
        format!("{}:{port}", PUBLIC_NAME.to_uppercase()),
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
    ] {
        for offer in [Offer::Http1, Offer::Http2] {
            push_and_mount(&hand_at(&stage, &authority, offer).await).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_know_neither_our_name_nor_our_scheme_do_not_show() {
    let nodes = Cluster::builder().all(|plan| {
        plan.external_url = Some(String::new());
        plan.forwarded_proto = ForwardedProto::Overwritten;
    });
    let stage = Stage::with(nodes, |_| ()).await;
    let authority = stage.balancer.public_authority();
    for offer in [Offer::Http1, Offer::Http2] {
        push_and_mount(&hand_at(&stage, &authority, offer).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_is_a_path_alone_when_the_operator_wants_it() {
    let stage = Stage::with(Cluster::builder(), |config| {
        config.set("public", "location", "path");
    })
    .await;
    let authority = stage.balancer.public_authority();
    for offer in [Offer::Http1, Offer::Http2] {
        let hand = hand_at(&stage, &authority, offer).await;
        let content = format!("content over {offer:?}");
        let digest = digest(content.as_bytes());
        let start = Request::new("POST", "/v2/lab/bare/blobs/uploads/");
        let answer = hand.send(start).await.expect(202);
        let location = answer.header("location").unwrap();
        let id = answer.header("docker-upload-uuid").unwrap();
        let beginning = format!("/v2/lab/bare/blobs/uploads/{id}?_state=");
        assert!(location.starts_with(&beginning), "{location}");
        let patch = Request::new("PATCH", location).body(content.into_bytes());
        let answer = hand.send(patch).await.expect(202);
        let location = answer.header("location").unwrap();
        assert!(location.starts_with(&beginning), "{location}");
        let put = Request::new("PUT", &format!("{location}&digest={digest}"));
        let answer = hand.send(put).await.expect(201);
        let blob = format!("/v2/lab/bare/blobs/{digest}");
        assert_eq!(answer.header("location"), Some(blob.as_str()));
        // A realm is asked by clients that no longer know where they are.
        let anonymous = Hand::anonymous(&stage.balancer, offer).await;
        let answer = anonymous.get("/v2/").await.expect(401);
        let challenge = answer.header("www-authenticate").unwrap();
        let realm = format!("realm=\"https://{authority}/service/token\"");
        assert!(challenge.contains(&realm), "{challenge}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_a_client_do_not_steer_a_location() {
    let stage = Stage::set().await;
    let authority = stage.balancer.public_authority();
    for offer in [Offer::Http1, Offer::Http2] {
        let hand = hand_at(&stage, &authority, offer).await;
        let steering = |method: &str, path: &str| {
            Request::new(method, path)
                .header("Forwarded", "for=192.0.2.9;host=evil.test;proto=http")
                .header("X-Forwarded-Host", "evil.test")
                .header("X-Forwarded-Proto", "http")
                .header("X-Forwarded-Port", "81")
        };
        let start = steering("POST", "/v2/lab/steered/blobs/uploads/");
        let started = hand.upload("lab/steered", &hand.send(start).await.expect(202));
        let patch = steering("PATCH", &started.path).body(b"bytes".as_slice());
        let patched = hand.next(&started, &hand.send(patch).await.expect(202));
        let digest = digest(b"bytes");
        let put = steering("PUT", &patched.put(&digest).path);
        let done = hand.send(put).await.expect(201);
        assert_eq!(hand.path(&done), format!("/v2/lab/steered/blobs/{digest}"));
        let anonymous = Hand::anonymous(&stage.balancer, offer).await;
        let answer = anonymous.send(steering("GET", "/v2/")).await.expect(401);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(!challenge.contains("evil"), "{challenge}");
    }
}
