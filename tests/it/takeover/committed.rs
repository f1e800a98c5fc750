//! The node of a push is lost while it commits: before the commit took effect, or after.

use crate::harness::certs::Offer;
use crate::harness::core::Injection;
use crate::harness::image::digest;
use crate::harness::link::{Direction, End};
use crate::harness::wait::{SOON, until};
use crate::registry::stage::blob;

use super::courier::{Form, Moment};
use super::survive::{Ordeal, SIZE, tell, undergo, undisturbed};
use super::trial::{Fault, Trial};

/// Forms, each with the moment before its commit and the moment it is with the node.
const FORMS: [(Form, Moment, Moment); 3] = [
    (Form::Streamed, Moment::Between, Moment::Committing),
    (Form::Put, Moment::Body(99), Moment::Body(100)),
    (Form::Chunks, Moment::Between, Moment::Committing),
];

/// The core stands still while nginx takes the request, then everything dies or stays as it is.
async fn lost_before_effect(mut trial: Trial, offer: Offer, fault: Fault) {
    let courier = trial.courier(offer).await;
    for (form, before, committing) in FORMS {
        let usual = undisturbed(&mut trial, &courier, form).await;
        let strike = async |trial: &mut Trial, holder: usize, moment| {
            if moment == before {
                trial.node(holder).core.pause();
            }
            if moment == committing {
                let (repository, sent) = trial.progress.clone();
                let link = trial.node(holder).link();
                until("the commit is with the node", SOON, async || {
                    let put = format!("PUT /v2/{repository}/");
                    let had = link.bytes_within(&put, Direction::ToNode);
                    let body = if form == Form::Put { sent } else { 0 };
                    (had > body).then_some(())
                })
                .await;
                trial.strike(holder, fault).await;
            }
        };
        let ordeal = undergo(&mut trial, &courier, (form, SIZE), strike).await;
        tell(
            &format!("{fault:?} at the PUT, before effect, {form:?} over {offer:?}"),
            &ordeal,
            usual,
        );
        trial.heal().await;
        let keeper = ordeal.expect_one_takeover();
        ordeal.expect_whole(&trial, keeper);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_before_its_commit_took_effect_is_replaced() {
    lost_before_effect(Trial::set().await, Offer::Http1, Fault::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_killed_before_its_commit_took_effect_is_replaced() {
    lost_before_effect(Trial::of_strangers().await, Offer::Http2, Fault::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stopped_before_its_commit_took_effect_is_replaced() {
    lost_before_effect(Trial::set().await, Offer::Http2, Fault::Stopped).await;
}

/// The node commits, and nobody hears of it.
async fn answer_swallowed(
    trial: &mut Trial,
    offer: Offer,
    (form, before): (Form, Moment),
    end: End,
) -> Ordeal {
    let courier = trial.courier(offer).await;
    let usual = undisturbed(trial, &courier, form).await;
    let strike = async |trial: &mut Trial, holder: usize, moment| {
        if moment == before {
            let link = trial.node(holder).link();
            link.cut_within("PUT /v2/lab/", Direction::FromNode, 1, end);
        }
    };
    let ordeal = undergo(trial, &courier, (form, SIZE), strike).await;
    let what = format!("answer to the PUT swallowed by {end:?}, {form:?} over {offer:?}");
    tell(&what, &ordeal, usual);
    trial.heal().await;
    ordeal
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found_to_be_done() {
    let mut trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        for end in [End::Reset, End::Close, End::Vanish] {
            for (form, before, _) in FORMS {
                let ordeal = answer_swallowed(&mut trial, offer, (form, before), end).await;
                // The blob is there: nothing is sent again.
                assert_eq!(ordeal.takeovers, []);
                ordeal.expect_whole(&trial, &ordeal.holder);
            }
        }
    }
}

/// The blob is on a storage that is gone with its node: it is stored once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_gone_with_its_node_is_done_again_elsewhere() {
    let mut trial = Trial::of_strangers().await;
    for (form, before, _) in FORMS {
        let ordeal = answer_swallowed(&mut trial, Offer::Http1, (form, before), End::Vanish).await;
        let keeper = ordeal.expect_one_takeover();
        ordeal.expect_whole(&trial, keeper);
        let digest = digest(&ordeal.content);
        let left = blob(&trial.storage_of(&ordeal.holder), &digest);
        assert!(
            left == ordeal.content,
            "the first commit took effect as well"
        );
    }
}

/// The node lives on and has the blob, and no other node does.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found_with_the_stranger_that_did_it() {
    let mut trial = Trial::of_strangers().await;
    for (form, before, _) in FORMS {
        let ordeal = answer_swallowed(&mut trial, Offer::Http2, (form, before), End::Reset).await;
        assert_eq!(ordeal.takeovers, []);
        ordeal.expect_whole(&trial, &ordeal.holder);
    }
}

/// The node has stored something else than it was sent, or says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_finds_a_wrong_digest_in_right_bytes_is_not_believed() {
    let mut trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        for (form, _, _) in FORMS {
            let strike = async |trial: &mut Trial, holder: usize, moment| {
                if moment == Moment::Begun {
                    let body = r#"{"errors":[{"code":"DIGEST_INVALID","message":"no match"}]}"#;
                    let injection = Injection::once("PUT", "/v2/lab/", 400, body);
                    trial.node(holder).inject(injection).await;
                }
            };
            let ordeal = undergo(&mut trial, &courier, (form, SIZE), strike).await;
            let keeper = ordeal.expect_one_takeover();
            ordeal.expect_whole(&trial, keeper);
        }
    }
}
