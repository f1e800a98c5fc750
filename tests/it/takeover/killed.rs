//! The node of a push is killed, at each moment of it, for each form of client.

use crate::harness::certs::Offer;

use super::courier::{Form, Moment};
use super::survive::{Case, survive, undisturbed};
use super::trial::{Fault, Trial};

/// Kills the node of a push at each of its moments.
async fn killed_at_each_moment(mut trial: Trial, offer: Offer, form: Form) {
    let courier = trial.courier(offer).await;
    let usual = undisturbed(&mut trial, &courier, form).await;
    let mut moments = vec![
        Moment::Begun,
        Moment::Body(0),
        Moment::Body(1),
        Moment::Body(50),
        Moment::Body(99),
    ];
    if form != Form::Put {
        moments.push(Moment::Between);
    }
    for moment in moments {
        let fault = Fault::Killed;
        let case = Case {
            form,
            moment,
            fault,
        };
        survive(&mut trial, &courier, case, usual).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_push_over_http1_survives_its_node() {
    killed_at_each_moment(Trial::set().await, Offer::Http1, Form::Streamed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_push_over_http2_survives_its_node() {
    killed_at_each_moment(Trial::set().await, Offer::Http2, Form::Streamed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_known_length_over_http1_survives_its_node() {
    killed_at_each_moment(Trial::set().await, Offer::Http1, Form::Patched).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_known_length_over_http2_survives_its_node() {
    killed_at_each_moment(Trial::set().await, Offer::Http2, Form::Patched).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_one_put_over_http1_survives_its_node() {
    killed_at_each_moment(Trial::set().await, Offer::Http1, Form::Put).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_one_put_over_http2_survives_its_node() {
    killed_at_each_moment(Trial::set().await, Offer::Http2, Form::Put).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_chunks_over_http1_survives_its_node() {
    killed_at_each_moment(Trial::set().await, Offer::Http1, Form::Chunks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_chunks_over_http2_survives_its_node() {
    killed_at_each_moment(Trial::set().await, Offer::Http2, Form::Chunks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_a_storage_each_lose_no_streamed_push() {
    let trial = Trial::of_strangers().await;
    killed_at_each_moment(trial, Offer::Http1, Form::Streamed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_a_storage_each_lose_no_push_in_one_put() {
    let trial = Trial::of_strangers().await;
    killed_at_each_moment(trial, Offer::Http2, Form::Put).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_a_storage_each_lose_no_push_in_chunks() {
    let trial = Trial::of_strangers().await;
    killed_at_each_moment(trial, Offer::Http2, Form::Chunks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_a_secret_each_lose_no_streamed_push() {
    let trial = Trial::of_secrets().await;
    killed_at_each_moment(trial, Offer::Http2, Form::Streamed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_a_secret_each_lose_no_push_in_one_put() {
    let trial = Trial::of_secrets().await;
    killed_at_each_moment(trial, Offer::Http1, Form::Put).await;
}
