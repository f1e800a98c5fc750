//! The node of a manifest is lost, while it is put or while it is read.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;
use crate::harness::image::{Image, MANIFEST_TYPE, digest};
use crate::harness::link::{Direction, End};
use crate::harness::wait::{SOON, until};
use crate::registry::stage::expect_stored;

use super::courier::{Courier, Form};
use super::survive::fresh;
use super::trial::{Fault, Trial};

/// A repository with everything of an image but its manifest, and the node that its manifest goes to.
async fn unpublished(trial: &mut Trial, courier: &Courier) -> (String, Image, usize) {
    let (repository, image) = (fresh(), Image::small());
    for content in image.layers.iter().chain([&image.config]) {
        let pushed = courier.push(&repository, (content, Form::Put), async |_| ());
        assert_eq!(pushed.await.last().unwrap().status, 200);
    }
    // The same repository is drawn to the same node.
    publish(courier, &repository, "first", &image)
        .await
        .expect(201);
    let writer = trial.stage.writer("manifest", &repository).await;
    let number = trial.number(&writer);
    (repository, image, number)
}

async fn publish(courier: &Courier, repository: &str, tag: &str, image: &Image) -> Answer {
    let path = format!("/v2/{repository}/manifests/{tag}");
    let put = Request::new("PUT", &path).header("Content-Type", MANIFEST_TYPE);
    courier.send(put.body(image.manifest())).await
}

#[track_caller]
fn expect_published(trial: &Trial, answer: Answer, (repository, image): (&str, &Image)) {
    let answer = answer.expect(201);
    let wanted = digest(&image.manifest());
    assert_eq!(
        answer.header("docker-content-digest"),
        Some(wanted.as_str())
    );
    expect_stored(&trial.stage.storage(), repository, "second", image);
    let puts = trial.asked(repository).into_iter();
    let puts = puts.filter(|(method, route, _)| method == "PUT" && route == "manifest");
    assert!(puts.count() <= 2, "the client asked once more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_whose_node_dies_with_it_is_put_on_another() {
    let mut trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        for fault in [Fault::Killed, Fault::Reset, Fault::Stopped] {
            let (repository, image, node) = unpublished(&mut trial, &courier).await;
            trial.node(node).core.pause();
            let began = Instant::now();
            let strike = async {
                let put = format!("PUT /v2/{repository}/manifests/second");
                let link = trial.node(node).link();
                until("the manifest is with the node", SOON, async || {
                    (link.bytes_within(&put, Direction::ToNode) > 0).then_some(())
                })
                .await;
                trial.strike(node, fault).await;
            };
            let put = publish(&courier, &repository, "second", &image);
            let (answer, ()) = tokio::join!(put, strike);
            let took = began.elapsed().as_secs_f64();
            println!("lost {took:.2} s: {fault:?} at the manifest PUT, over {offer:?}");
            trial.heal().await;
            expect_published(&trial, answer, (&repository, &image));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_whose_answer_is_lost_is_found_to_be_there() {
    let mut trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        for end in [End::Reset, End::Close, End::Vanish] {
            let (repository, image, node) = unpublished(&mut trial, &courier).await;
            let put = format!("PUT /v2/{repository}/manifests/second");
            let link = trial.node(node).link();
            link.cut_within(&put, Direction::FromNode, 1, end);
            let answer = publish(&courier, &repository, "second", &image).await;
            assert_eq!(trial.node(node).link().cuts_left(), 0);
            let puts = |trial: &mut Trial| {
                let had = |number| {
                    let link = trial.node(number).link();
                    u32::from(link.bytes_within(&put, Direction::ToNode) > 0)
                };
                (0..3).map(had).sum::<u32>()
            };
            assert_eq!(puts(&mut trial), 1, "it was put again");
            trial.heal().await;
            expect_published(&trial, answer, (&repository, &image));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_waits_for_nodes_that_are_all_away() {
    let mut trial = Trial::set().await;
    let courier = trial.courier(Offer::Http1).await;
    let (repository, image, _) = unpublished(&mut trial, &courier).await;
    for number in 0..3 {
        trial.strike(number, Fault::Killed).await;
    }
    let back = async {
        // The time itself is what is tried here.
        tokio::time::sleep(Duration::from_secs(3)).await;
        trial.heal().await;
    };
    let put = publish(&courier, &repository, "second", &image);
    let (answer, ()) = tokio::join!(put, back);
    expect_published(&trial, answer, (&repository, &image));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_whose_node_dies_is_read_from_another() {
    let mut trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        let (repository, image, node) = unpublished(&mut trial, &courier).await;
        let path = format!("/v2/{repository}/manifests/first");
        for after in [1, 300] {
            for end in [End::Reset, End::Close, End::Vanish] {
                let link = trial.node(node).link();
                let get = format!("GET {path}");
                link.cut_within(&get, Direction::FromNode, after, end);
                let request = Request::get(&path).header("Accept", MANIFEST_TYPE);
                let answer = courier.send(request).await;
                let left = trial.node(node).link().cuts_left();
                assert_eq!((left, answer.status), (0, 200), "{}", answer.text());
                assert!(answer.complete && answer.body == image.manifest());
                trial.heal().await;
            }
        }
    }
}
