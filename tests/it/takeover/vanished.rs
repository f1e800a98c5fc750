//! The host of a node vanishes: packets are dropped, and no connection is told.

use std::time::Duration;

use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::node::Common;
use crate::harness::remote::Remote;

use super::courier::{Ending, Form, Moment};
use super::pulled::stored;
use super::survive::{SIZE, tell, undergo};
use super::trial::{TIMER, Trial};

/// Three nodes on hosts of their own.
async fn set() -> (Trial, Vec<Remote>) {
    let mut remotes = Vec::new();
    let trial = Trial::with(Common::Shared, Cluster::builder(), |config| {
        let folder = config.folder().to_owned();
        for node in &mut config.nodes {
            let url = node["url"].as_str().unwrap();
            let remote = Remote::before(url.strip_prefix("http://").unwrap(), &folder);
            node["url"] = format!("http://{}", remote.authority()).into();
            remotes.push(remote);
        }
    })
    .await;
    (trial, remotes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_leaves_a_host_that_vanishes() {
    let (mut trial, remotes) = set().await;
    for (offer, form, when) in [
        (Offer::Http1, Form::Streamed, Moment::Begun),
        (Offer::Http1, Form::Streamed, Moment::Body(50)),
        (Offer::Http2, Form::Put, Moment::Body(50)),
        (Offer::Http2, Form::Patched, Moment::Between),
    ] {
        let courier = trial.courier(offer).await;
        let mut gone = None;
        let strike = async |trial: &mut Trial, holder: usize, moment| {
            if moment == when {
                if let Moment::Body(_) = when {
                    trial.reached(holder).await;
                }
                remotes[holder].vanish();
                gone = Some(holder);
            }
        };
        let ordeal = undergo(&mut trial, &courier, (form, SIZE), strike).await;
        let what = format!("host vanished, {when:?}, {form:?} over {offer:?}");
        tell(&what, &ordeal, Duration::ZERO);
        remotes[gone.expect("one vanished")].appear();
        trial.heal().await;
        ordeal.expect_whole(&trial, ordeal.expect_one_takeover());
        // A few timers, and what a busy machine takes for the rest.
        let most = 3 * TIMER + Duration::from_secs(15);
        assert!(ordeal.took < most, "{what}: {:?}", ordeal.took);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_leaves_a_host_that_vanishes() {
    let (mut trial, remotes) = set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        // More than sockets and relays hold on the way.
        let blob = stored(&trial, &courier, 40_000_000).await;
        let mut gone = false;
        let pull = courier.pull(&blob.path, None, async |had| {
            if had > 1_000_000 && !gone {
                remotes[blob.holder].vanish();
                gone = true;
            }
        });
        let (answer, ending) = pull.await;
        remotes[blob.holder].appear();
        assert_eq!((answer.status, ending), (200, Ending::Proper));
        assert!(answer.body == blob.content, "wrong bytes");
        trial.heal().await;
    }
    assert_eq!(trial.takeovers("download").len(), 2);
}
