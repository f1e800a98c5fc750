//! The node of a DELETE is lost after it did what it was asked, and before it said so.

use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::image::{Image, MANIFEST_TYPE, digest};
use crate::harness::link::{Direction, End};

use super::courier::{Courier, Form};
use super::survive::fresh;
use super::trial::Trial;

async fn manifest(courier: &Courier, repository: &str) -> String {
    let image = Image::random(&[1000]);
    for blob in [image.config.as_slice(), image.layers[0].as_slice()] {
        let pushed = courier.push(repository, (blob, Form::Put), async |_| ());
        assert_eq!(pushed.await.last().unwrap().status, 200);
    }
    let path = format!("/v2/{repository}/manifests/{}", digest(&image.manifest()));
    let put = Request::new("PUT", &path).header("Content-Type", MANIFEST_TYPE);
    courier
        .send(put.body(&image.manifest()[..]))
        .await
        .expect(201);
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_node_deleted_is_deleted() {
    let mut trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        let repository = fresh();
        let path = manifest(&courier, &repository).await;
        let request = format!("DELETE {path}");
        // What was written just now is deleted where it was written.
        let writer = trial.stage.writer("manifest", &repository).await;
        let number = trial.number(&writer);
        let link = trial.node(number).link();
        link.cut_within(&request, Direction::FromNode, 1, End::Reset);
        let answer = courier.send(Request::new("DELETE", &path)).await;
        assert_eq!(trial.node(number).link().cuts_left(), 0);
        assert_eq!((answer.status, answer.text().as_ref()), (202, ""));
        let again = courier.send(Request::new("DELETE", &path)).await;
        assert_eq!(again.expect(404).error_code(), "NOT_FOUND");
        trial.heal().await;
    }
}
