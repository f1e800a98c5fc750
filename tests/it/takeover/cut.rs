//! Connections to the node of a push end, by reset or by FIN, and the node lives on.

use crate::harness::certs::Offer;

use super::courier::{Form, Moment};
use super::survive::{Case, survive, undisturbed};
use super::trial::{Fault, Trial};

async fn cut_at_each_moment(offer: Offer, form: Form) {
    let mut trial = Trial::set().await;
    let courier = trial.courier(offer).await;
    let usual = undisturbed(&mut trial, &courier, form).await;
    for fault in [Fault::Reset, Fault::Closed] {
        for percent in [0, 1, 50, 99] {
            let case = Case {
                form,
                moment: Moment::Body(percent),
                fault,
            };
            survive(&mut trial, &courier, case, usual).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_push_survives_the_end_of_its_connection() {
    cut_at_each_moment(Offer::Http1, Form::Streamed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_one_put_survives_the_end_of_its_connection() {
    cut_at_each_moment(Offer::Http2, Form::Put).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_chunks_survives_the_end_of_its_connection() {
    cut_at_each_moment(Offer::Http2, Form::Chunks).await;
}
