//! The sealed address of an upload: what is not exactly ours is an unknown upload.

use super::hand::{Hand, Upload};
use super::stage::Stage;
use crate::harness::cluster::Cluster;
use crate::harness::core::Account;
use crate::harness::http::Request;
use crate::harness::image::digest;
use crate::harness::link::Direction;
use crate::harness::wait::{SOON, until};

/// Every request of an upload to this address is answered as the registry answers about uploads it
/// does not know.
async fn expect_unknown(hand: &Hand, upload: &Upload) {
    let put = upload.put(&digest(b"all")).body(b"all".as_slice());
    let requests = [
        Request::get(&upload.path),
        Request::new("PATCH", &upload.path).body(b"all".as_slice()),
        put,
        Request::new("DELETE", &upload.path),
    ];
    for request in requests {
        let method = request.method.clone();
        let answer = hand.send(request).await;
        assert_eq!(answer.status, 404, "{method} {}", upload.path);
        assert_eq!(answer.error_code(), "BLOB_UPLOAD_UNKNOWN", "{method}");
        let form = answer.header("content-type").unwrap_or_default();
        assert!(form.starts_with("application/json"), "{form}");
        assert!(answer.header("x-request-id").is_some());
    }
    let head = hand.send(Request::new("HEAD", &upload.path)).await;
    assert_eq!((head.status, head.body.len()), (404, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_or_altered_token_is_an_unknown_upload_and_no_node_hears_of_it() {
    let mut stage = Stage::with(Cluster::builder(), |config| {
        // Without probes, what nodes receive is what we passed on.
        config.set("health", "interval", "1h");
    })
    .await;
    let repositories = ["lab/forged"];
    for hand in Hand::both(&stage.balancer, Account::ADMIN, &repositories).await {
        let upload = hand.start("lab/forged").await;
        let sealed = upload.state();
        let mut forgeries = vec![String::new(), "forged".to_owned(), format!("{sealed}A")];
        forgeries.push(sealed[1..].to_owned());
        forgeries.push("A".repeat(sealed.len()));
        for at in [0, sealed.len() / 4, sealed.len() / 2, sealed.len() - 2] {
            let mut altered = sealed.as_bytes().to_vec();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            forgeries.push(String::from_utf8(altered).unwrap());
        }
        let before = received(&mut stage);
        for forged in forgeries {
            expect_unknown(&hand, &upload.forged(&forged)).await;
        }
        let (bare, _) = upload.path.split_once('?').unwrap();
        let path = bare.to_owned();
        // Without any query, the digest of a PUT begins one.
        let answer = hand.get(&path).await.expect(404);
        assert_eq!(answer.error_code(), "BLOB_UPLOAD_UNKNOWN");
        assert_eq!(received(&mut stage), before, "a node saw a forged address");
        hand.get(&upload.path).await.expect(204);
    }
}

fn received(stage: &mut Stage) -> u64 {
    let nodes = stage.cluster.nodes.iter_mut();
    nodes.map(|node| node.link().bytes(Direction::ToNode)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_its_own_repository_and_upload_alone() {
    let stage = Stage::set().await;
    let repositories = ["lab/one", "lab/two"];
    for hand in Hand::both(&stage.balancer, Account::ADMIN, &repositories).await {
        let one = hand.start("lab/one").await;
        let elsewhere = Upload {
            path: one.path.replacen("/v2/lab/one/", "/v2/lab/two/", 1),
            ..one.clone()
        };
        expect_unknown(&hand, &elsewhere).await;
        let other = hand.start("lab/one").await;
        expect_unknown(&hand, &one.forged(other.state())).await;
        hand.get(&one.path).await.expect(204);
        hand.get(&other.path).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_an_unknown_upload() {
    let stage = Stage::with(Cluster::builder(), |config| {
        config.set("affinity", "upload_lifetime", "1s");
    })
    .await;
    let [hand, _] = Hand::both(&stage.balancer, Account::ADMIN, &["lab/late"]).await;
    let upload = hand.start("lab/late").await;
    until("the token expires", SOON, async || {
        let answer = hand.get(&upload.path).await;
        (answer.status == 404).then_some(())
    })
    .await;
    expect_unknown(&hand, &upload).await;
}
