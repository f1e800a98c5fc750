//! More than one node at a time: two that die one after the other, and all of them away for a while.

use std::time::Duration;

use tokio::time::sleep;

use crate::harness::certs::Offer;

use super::courier::{Form, Moment};
use super::survive::{SIZE, tell, undergo};
use super::trial::{Fault, Trial};

/// The second node dies while it has the whole push again, or while it is still getting it.
async fn two_die(mut trial: Trial, offer: Offer, form: Form) {
    let courier = trial.courier(offer).await;
    for (first, second) in [(1, 50), (50, 99)] {
        let before = trial.takeovers("upload").len();
        let strike = async |trial: &mut Trial, holder, moment| {
            if moment == Moment::Body(first) {
                trial.reached(holder).await;
                trial.strike(holder, Fault::Killed).await;
            }
            if moment == Moment::Body(second) {
                let heir = trial.taken_over("upload", before).await;
                trial.strike(heir, Fault::Killed).await;
            }
        };
        let ordeal = undergo(&mut trial, &courier, (form, SIZE), strike).await;
        tell(
            &format!("killed at {first} % and {second} %, {form:?} over {offer:?}"),
            &ordeal,
            Duration::ZERO,
        );
        trial.heal().await;
        let [(from, heir), (again, keeper)] = ordeal.takeovers.as_slice() else {
            panic!("{:?}", ordeal.takeovers);
        };
        assert_eq!((from, again), (&ordeal.holder, heir));
        ordeal.expect_whole(&trial, keeper);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_push_survives_two_nodes() {
    two_die(Trial::set().await, Offer::Http1, Form::Streamed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_one_put_survives_two_nodes() {
    two_die(Trial::set().await, Offer::Http2, Form::Put).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_survives_two_nodes_with_a_storage_each() {
    two_die(Trial::of_strangers().await, Offer::Http1, Form::Patched).await;
}

/// The node that takes over dies as soon as it has the new upload, and the third one commits.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_survives_the_death_of_its_heir_at_the_commit() {
    let mut trial = Trial::set().await;
    let courier = trial.courier(Offer::Http1).await;
    let before = trial.takeovers("upload").len();
    let strike = async |trial: &mut Trial, holder, moment| {
        if moment == Moment::Body(50) {
            trial.reached(holder).await;
            trial.strike(holder, Fault::Killed).await;
        }
        if moment == Moment::Between {
            let heir = trial.taken_over("upload", before).await;
            trial.strike(heir, Fault::Killed).await;
        }
    };
    let ordeal = undergo(&mut trial, &courier, (Form::Streamed, SIZE), strike).await;
    tell(
        "killed at 50 % and between PATCH and PUT",
        &ordeal,
        Duration::ZERO,
    );
    trial.heal().await;
    assert_eq!(ordeal.takeovers.len(), 2);
    let (_, keeper) = ordeal.takeovers.last().unwrap();
    ordeal.expect_whole(&trial, keeper);
}

/// All nodes die at a moment, and come back after five seconds.
async fn all_away(offer: Offer, form: Form, moments: &[Moment]) {
    let mut trial = Trial::set().await;
    let courier = trial.courier(offer).await;
    for away in moments {
        let strike = async |trial: &mut Trial, _, moment| {
            if moment == *away {
                for number in 0..3 {
                    trial.strike(number, Fault::Killed).await;
                }
                // The time itself is what is tried here.
                sleep(Duration::from_secs(5)).await;
                trial.heal().await;
            }
        };
        let ordeal = undergo(&mut trial, &courier, (form, SIZE), strike).await;
        tell(
            &format!("all killed for 5 s at {away:?}, {form:?} over {offer:?}"),
            &ordeal,
            Duration::ZERO,
        );
        let keeper = ordeal.takeovers.last().map_or(&ordeal.holder, |(_, to)| to);
        ordeal.expect_whole(&trial, keeper);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_push_waits_for_nodes_that_are_all_away() {
    let moments = [
        Moment::Body(0),
        Moment::Body(50),
        Moment::Between,
        Moment::Committing,
    ];
    all_away(Offer::Http1, Form::Streamed, &moments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_one_put_waits_for_nodes_that_are_all_away() {
    let moments = [Moment::Begun, Moment::Body(50), Moment::Body(99)];
    all_away(Offer::Http2, Form::Put, &moments).await;
}
