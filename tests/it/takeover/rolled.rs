//! Transfers that outlast many nodes: the whole fleet is started anew, one node after the other, and more than
//! once.

use crate::harness::balancer::config::Config;
use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::http::Request;
use crate::harness::image::digest;
use crate::harness::node::Common;
use crate::harness::scripted::location;
use crate::registry::stage::blob;

use super::courier::{Ending, Form};
use super::pulled::stored;
use super::survive::{fresh, random};
use super::trial::{Fault, Trial};

/// More than a request has tries.
const DEATHS: usize = 6;
const SIZE: usize = 12 << 20;

async fn push_outlasts(offer: Offer, form: Form) {
    let mut trial = Trial::set().await;
    let courier = trial.courier(offer).await;
    let (repository, content) = (fresh(), random(SIZE));
    let digest = digest(&content);
    let upload = location(&courier.start(&repository).await);
    let mut node = trial.holder(&repository).await;
    let request = match form {
        Form::Put => Request::new("PUT", &format!("{upload}&digest={digest}")),
        _ => Request::new("PATCH", &upload),
    };
    let length = (form != Form::Streamed).then_some(SIZE);
    let mut sending = courier.begin(request, length).await;
    trial.progress = (repository.clone(), 0);
    for (death, part) in content.chunks(SIZE / DEATHS).enumerate() {
        sending.send(part).await;
        trial.progress.1 += part.len() as u64;
        trial.reached(node).await;
        trial.strike(node, Fault::Killed).await;
        if death + 1 < DEATHS {
            node = trial.taken_over("upload", death).await;
            trial.heal().await;
        }
    }
    let answer = sending.answer().await;
    if form == Form::Put {
        answer.expect(201);
    } else {
        let upload = location(&answer.expect(202));
        let put = Request::new("PUT", &format!("{upload}&digest={digest}"));
        courier.send(put).await.expect(201);
    }
    trial.heal().await;
    assert!(blob(&trial.stage.storage(), &digest) == content);
    let booked = trial.stage.cluster.database.booked_size(&digest);
    assert_eq!(booked, Some(SIZE as u64));
    assert_eq!(trial.takeovers("upload").len(), DEATHS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_push_outlasts_more_deaths_than_it_has_tries() {
    push_outlasts(Offer::Http1, Form::Streamed).await;
    push_outlasts(Offer::Http2, Form::Put).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_pull_outlasts_more_deaths_than_it_has_tries() {
    let few = |config: &mut Config| {
        config.set("retry", "attempts", 2);
    };
    let mut trial = Trial::with(Common::Shared, Cluster::builder(), few).await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        let before = trial.takeovers("download").len();
        let size = 64 << 20;
        let blob = stored(&trial, &courier, size).await;
        // Otherwise too much of it is on its way at any time.
        trial.heal_slowly(20 << 20).await;
        let (mut node, mut deaths, mut struck) = (blob.holder, 0, false);
        let pull = courier.pull(&blob.path, None, async |had| {
            if struck {
                // Seen only while the client reads on.
                if let Some((_, to)) = trial.takeovers("download").get(before + deaths) {
                    node = trial.number(to);
                    trial.heal_slowly(20 << 20).await;
                    (deaths, struck) = (deaths + 1, false);
                }
            } else if deaths < 3 && had >= (deaths + 1) * (6 << 20) {
                trial.strike(node, Fault::Killed).await;
                struck = true;
            }
        });
        let (answer, ending) = pull.await;
        assert_eq!((deaths, ending), (3, Ending::Proper));
        assert!(answer.body == blob.content, "wrong bytes");
        trial.heal().await;
    }
}
