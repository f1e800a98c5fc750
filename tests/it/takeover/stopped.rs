//! The node of a push is stopped in its tracks: nothing breaks, and nothing comes.

use std::time::Duration;

use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::node::Common;

use super::courier::{Form, Moment};
use super::survive::{Case, survive, tell, undergo, undisturbed};
use super::trial::{Fault, TIMER, Trial};

/// Panics unless a push waited for no more timers than these, and for hardly anything else.
async fn expect_timers(trial: &Trial, before: f64, (most, took): (u32, Duration), what: &str) {
    let timers = trial.timers().await - before;
    assert!(timers <= f64::from(most), "{what}: {timers} timers");
    // What a busy machine takes for the rest is less than many timers would be.
    let slack = Duration::from_secs(15);
    assert!(took < most * TIMER + slack, "{what} took {took:?}");
}

/// Stops the node of a push at each of its moments.
async fn stopped_at_each_moment(offer: Offer, form: Form) {
    let mut trial = Trial::set().await;
    let courier = trial.courier(offer).await;
    let usual = undisturbed(&mut trial, &courier, form).await;
    let mut moments = vec![Moment::Begun, Moment::Body(0), Moment::Body(50)];
    if form != Form::Put {
        moments.push(Moment::Between);
    }
    for moment in moments {
        let fault = Fault::Stopped;
        let case = Case {
            form,
            moment,
            fault,
        };
        let before = trial.timers().await;
        let ordeal = survive(&mut trial, &courier, case, usual).await;
        expect_timers(&trial, before, (2, ordeal.took), &format!("{case:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_push_leaves_a_node_that_hangs() {
    stopped_at_each_moment(Offer::Http1, Form::Streamed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_one_put_leaves_a_node_that_hangs() {
    stopped_at_each_moment(Offer::Http2, Form::Put).await;
}

/// More than sockets hold back: the node takes no further bytes, and owes no answer yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_takes_no_more_bytes_is_left() {
    let mut trial = Trial::set().await;
    for (offer, form) in [
        (Offer::Http1, Form::Patched),
        (Offer::Http2, Form::Put),
        (Offer::Http2, Form::Streamed),
    ] {
        let courier = trial.courier(offer).await;
        let strike = async |trial: &mut Trial, holder, moment| {
            if moment == Moment::Body(1) {
                trial.reached(holder).await;
                trial.strike(holder, Fault::Stopped).await;
            }
        };
        let ordeal = undergo(&mut trial, &courier, (form, 40 << 20), strike).await;
        tell(
            &format!("40 MiB, stopped at 1 %, {form:?} over {offer:?}"),
            &ordeal,
            Duration::ZERO,
        );
        trial.heal().await;
        ordeal.expect_whole(&trial, ordeal.expect_one_takeover());
    }
}

/// Nothing but the push itself finds out.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hangs_unseen_by_probes_costs_its_timer_once() {
    let mut trial = Trial::with(Common::Shared, Cluster::builder(), |config| {
        config.set("health", "interval", "10m");
    })
    .await;
    for (offer, form) in [(Offer::Http1, Form::Streamed), (Offer::Http1, Form::Put)] {
        let courier = trial.courier(offer).await;
        let strike = async |trial: &mut Trial, holder, moment| {
            if moment == Moment::Body(50) {
                trial.reached(holder).await;
                trial.strike(holder, Fault::Stopped).await;
            }
        };
        let before = trial.timers().await;
        let ordeal = undergo(&mut trial, &courier, (form, 3_000_000), strike).await;
        tell(
            &format!("unseen by probes, stopped at 50 %, {form:?}"),
            &ordeal,
            Duration::ZERO,
        );
        for node in &trial.stage.cluster.nodes {
            node.resume();
        }
        ordeal.expect_whole(&trial, ordeal.expect_one_takeover());
        // The timer of the request, which is twice as long for a commit, and of what is asked after it at the
        // most one more.
        let timers = if form == Form::Put { 3 } else { 2 };
        expect_timers(&trial, before, (timers, ordeal.took), &format!("{form:?}")).await;
    }
}
