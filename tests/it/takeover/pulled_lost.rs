//! A pull that nobody can go on with: the client must see that, and may ask for the rest.

use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::link::{Direction, Door, End};
use crate::harness::node::Common;
use crate::harness::wait::{SOON, until};

use super::courier::Ending;
use super::pulled::stored;
use super::trial::{Fault, Trial};

/// The last node goes in the middle, and the others were away before.
async fn lost_for_good(offer: Offer, end: End) -> (Ending, usize) {
    let patience = |config: &mut crate::harness::balancer::config::Config| {
        config.set("retry", "patience", "1s");
    };
    let mut trial = Trial::with(Common::Shared, Cluster::builder(), patience).await;
    let courier = trial.courier(offer).await;
    let blob = stored(&trial, &courier, 3_000_000).await;
    for number in 0..3 {
        if number != blob.holder {
            trial.strike(number, Fault::Killed).await;
        }
    }
    let get = format!("GET {}", blob.path);
    // It stands still until its door is shut: nobody gets in again after the cut.
    let node = trial.node(blob.holder);
    node.core.pause();
    let (link, core) = (node.link.as_mut().unwrap(), &node.core);
    link.cut_within(&get, Direction::FromNode, 1_000_000, end);
    let shut = async {
        until("the node is asked", SOON, async || {
            (link.bytes_within(&get, Direction::ToNode) > 0).then_some(())
        })
        .await;
        link.set_door(Door::Refusing).await;
        core.resume();
    };
    let pull = courier.pull(&blob.path, None, async |_| ());
    let ((answer, ending), ()) = tokio::join!(pull, shut);
    assert_eq!(answer.status, 200);
    assert!(!answer.complete);
    assert_eq!(answer.header("content-length"), Some("3000000"));
    // The rest is to be had as soon as a node is back: what clients do after FIN.
    trial.heal().await;
    let rest = format!("bytes={}-", answer.body.len());
    let (rest, proper) = courier.pull(&blob.path, Some(&rest), async |_| ()).await;
    assert_eq!((rest.status, proper), (206, Ending::Proper));
    let whole = [answer.body.as_slice(), &rest.body].concat();
    assert!(whole == blob.content, "wrong bytes");
    (ending, answer.body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http1_a_lost_pull_ends_with_fin_and_not_with_a_reset() {
    for end in [End::Close, End::Reset] {
        let (ending, had) = lost_for_good(Offer::Http1, end).await;
        assert_eq!(ending, Ending::Closed);
        // All that the node gave was passed on first; a reset takes back what is still under way.
        let least = if end == End::Close { 990_000 } else { 1 };
        assert!((least..1_000_000).contains(&had), "{had}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_a_lost_pull_ends_with_a_reset_and_not_properly() {
    let (ending, had) = lost_for_good(Offer::Http2, End::Reset).await;
    assert_eq!(ending, Ending::Reset);
    assert!(had < 1_000_000, "{had}");
}

/// Nothing was promised yet: the client reads what is the matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_never_began_is_refused_in_words() {
    let patience = |config: &mut crate::harness::balancer::config::Config| {
        config.set("retry", "patience", "1s");
    };
    let mut trial = Trial::with(Common::Shared, Cluster::builder(), patience).await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        let blob = stored(&trial, &courier, 100_000).await;
        for number in 0..3 {
            trial.strike(number, Fault::Killed).await;
        }
        let get = crate::harness::http::Request::get(&blob.path);
        let answer = courier.send(get).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.error_code(), "UNAVAILABLE");
        assert!(answer.complete && answer.header("retry-after").is_some());
        trial.heal().await;
    }
}
