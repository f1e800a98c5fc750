//! Other ends of an upload: given up, mended, interrupted by a new start of ours.

use super::hand::Hand;
use super::stage::Stage;
use crate::harness::certs::Offer;
use crate::harness::core::Account;
use crate::harness::http::Request;
use crate::harness::image::digest;

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_cancelled_by_the_administrator_alone() {
    let stage = Stage::set().await;
    let developers = Hand::both(&stage.balancer, Account::BUILDER, &["lab/given-up"]).await;
    let admins = Hand::both(&stage.balancer, Account::ADMIN, &["lab/given-up"]).await;
    for (developer, admin) in developers.iter().zip(&admins) {
        let upload = developer.start("lab/given-up").await;
        let upload = developer.patch(&upload, b"some bytes").await;
        let cancel = Request::new("DELETE", &upload.path);
        let refused = developer.send(cancel.clone()).await.expect(401);
        assert_eq!(refused.error_code(), "UNAUTHORIZED");
        developer.get(&upload.path).await.expect(204);
        let done = admin.send(cancel).await.expect(204);
        assert_eq!(
            done.header("docker-upload-uuid"),
            Some(upload.id.as_str()),
            "the client's own id"
        );
        let gone = developer.get(&upload.path).await.expect(404);
        assert_eq!(gone.error_code(), "BLOB_UPLOAD_UNKNOWN");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_digest_is_refused_by_the_registry_and_can_be_corrected() {
    let stage = Stage::set().await;
    for hand in Hand::both(&stage.balancer, Account::BUILDER, &["lab/mended"]).await {
        let upload = hand.start("lab/mended").await;
        let upload = hand.patch(&upload, b"the content").await;
        for wrong in [digest(b"other content"), "sha256:short".to_owned()] {
            let refused = hand.send(upload.put(&wrong)).await.expect(400);
            assert_eq!(refused.error_code(), "DIGEST_INVALID");
        }
        let right = digest(b"the content");
        hand.send(upload.put(&right)).await.expect(201);
        let path = format!("/v2/lab/mended/blobs/{right}");
        assert_eq!(hand.get(&path).await.expect(200).body, b"the content");
        // Who asks once more, as its answer was lost, hears that the blob is there.
        hand.send(upload.put(&right)).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_a_new_start_of_the_balancer() {
    let mut stage = Stage::set().await;
    let repositories = ["lab/restarted"];
    let hand = Hand::of(
        &stage.balancer,
        Offer::Http1,
        Account::BUILDER,
        &repositories,
    )
    .await;
    let upload = hand.start("lab/restarted").await;
    let upload = hand.patch(&upload, b"before ").await;
    stage.balancer.restart().await;
    stage.balancer.all_up(3).await;
    let upload = hand.patch(&upload, b"and after").await;
    let digest = digest(b"before and after");
    hand.send(upload.put(&digest)).await.expect(201);
}
