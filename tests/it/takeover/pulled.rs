//! The node of a pull is lost in the middle of a blob, and another one goes on at the same byte.

use crate::harness::certs::Offer;
use crate::harness::image::digest;
use crate::harness::link::{Direction, End, Flow};
use crate::harness::wait::{SOON, until};

use super::courier::{Courier, Ending, Form};
use super::survive::{fresh, random};
use super::trial::{Fault, Trial};
use tokio::time::Instant;

const SIZE: usize = 3_000_001;

/// A blob of the nodes: its path, its content, and the node it is read from first.
pub(super) struct Stored {
    pub(super) path: String,
    pub(super) repository: String,
    pub(super) content: Vec<u8>,
    pub(super) holder: usize,
}

pub(super) async fn stored(trial: &Trial, courier: &Courier, size: usize) -> Stored {
    let (repository, content) = (fresh(), random(size));
    let pushed = courier.push(&repository, (&content, Form::Put), async |_| ());
    assert_eq!(pushed.await.last().unwrap().status, 200);
    Stored {
        path: format!("/v2/{repository}/blobs/{}", digest(&content)),
        // What was written just now is read where it was written.
        holder: trial.holder(&repository).await,
        repository,
        content,
    }
}

/// Parts of a blob that clients ask for, with the bytes that they are.
const RANGES: [(Option<&str>, usize, usize); 5] = [
    (None, 0, SIZE),
    (Some("bytes=0-"), 0, SIZE),
    (Some("bytes=1000-"), 1000, SIZE),
    (Some("bytes=500000-2499999"), 500_000, 2_500_000),
    (Some("bytes=-2000000"), SIZE - 2_000_000, SIZE),
];

/// Reads each range of a fresh blob from a node that is cut off after so many bytes.
async fn cut_at(offer: Offer, ends: &[End]) {
    let mut trial = Trial::set().await;
    let courier = trial.courier(offer).await;
    for end in ends {
        for (number, (range, from, to)) in RANGES.into_iter().enumerate() {
            let blob = stored(&trial, &courier, SIZE).await;
            let before = trial.takeovers("download").len();
            // The head of the answer is a few hundred bytes.
            let after = [1, 700, 70_000, 1_500_000, 1_990_000][(number + *end as usize) % 5];
            let get = format!("GET {}", blob.path);
            let link = trial.node(blob.holder).link();
            link.cut_within(&get, Direction::FromNode, after, *end);
            let began = Instant::now();
            let (answer, ending) = courier.pull(&blob.path, range, async |_| ()).await;
            let took = began.elapsed().as_secs_f64();
            println!("took {took:.2} s: {end:?} after {after}, {range:?} over {offer:?}");
            assert_eq!(trial.node(blob.holder).link().cuts_left(), 0);
            assert_eq!(answer.status, if range.is_some() { 206 } else { 200 });
            assert_eq!(ending, Ending::Proper, "{end:?} after {after}, {range:?}");
            assert!(answer.body == blob.content[from..to], "wrong bytes");
            if range.is_some() {
                let told = format!("bytes {from}-{}/{SIZE}", to - 1);
                assert_eq!(answer.header("content-range"), Some(told.as_str()));
            }
            // Before its answer began, the node was not missed.
            if after > 1000 {
                trial.recorded(&blob.repository, 4).await;
                let takeovers = trial.takeovers("download").split_off(before);
                let name = trial.node(blob.holder).name.clone();
                let fits =
                    matches!(takeovers.as_slice(), [(from, to)] if *from == name && *to != name);
                assert!(fits, "{name}: {takeovers:?}");
            }
            trial.heal().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_over_http1_goes_on_when_its_node_is_cut_off() {
    cut_at(Offer::Http1, &[End::Reset, End::Close, End::Vanish]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_over_http2_goes_on_when_its_node_is_cut_off() {
    cut_at(Offer::Http2, &[End::Reset, End::Close, End::Vanish]).await;
}

/// The fault befalls the node of a large blob once so many percent of it have come.
async fn struck_at(offer: Offer, fault: Fault) {
    let mut trial = Trial::set().await;
    let courier = trial.courier(offer).await;
    // What is left of it is more than sockets and relays hold on the way.
    let size = 36 << 20;
    for percent in [1, 10, 25] {
        let blob = stored(&trial, &courier, size).await;
        // Without this the whole of it would be under way before anything is done about it.
        for node in &mut trial.stage.cluster.nodes {
            node.link().set_flow(Flow::Slow(40 << 20));
        }
        let mut struck = None;
        let (answer, ending) = courier
            .pull(&blob.path, None, async |had| {
                if struck.is_none() && had >= size / 100 * percent {
                    trial.strike(blob.holder, fault).await;
                    struck = Some(Instant::now());
                }
            })
            .await;
        let took = struck.unwrap().elapsed().as_secs_f64();
        println!("{took:.2} s from the strike to the end: {fault:?} at {percent} % over {offer:?}");
        trial.heal().await;
        assert_eq!((answer.status, ending), (200, Ending::Proper));
        assert!(answer.body == blob.content, "wrong bytes");
    }
    until("it was taken over each time", SOON, async || {
        (trial.takeovers("download").len() == 3).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_over_http1_goes_on_when_its_node_is_killed() {
    struck_at(Offer::Http1, Fault::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_over_http2_goes_on_when_its_node_is_killed() {
    struck_at(Offer::Http2, Fault::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_leaves_a_node_that_hangs() {
    struck_at(Offer::Http1, Fault::Stopped).await;
    struck_at(Offer::Http2, Fault::Stopped).await;
}

/// The node that goes on dies in its turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_survives_two_nodes() {
    let mut trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        let blob = stored(&trial, &courier, 3_000_000).await;
        let before = trial.takeovers("download").len();
        let get = format!("GET {}", blob.path);
        for number in 0..3 {
            let after = if number == blob.holder {
                800_000
            } else {
                1_200_000
            };
            let link = trial.node(number).link();
            link.cut_within(&get, Direction::FromNode, after, End::Vanish);
        }
        let pull = courier.pull(&blob.path, None, async |_| {
            let links = (0..3).map(|number| trial.node(number).link().cuts_left());
            if links.sum::<usize>() == 1 {
                // The third one may go on to the end.
                (0..3).for_each(|number| trial.node(number).link().forget_cuts());
            }
        });
        let (answer, ending) = pull.await;
        assert_eq!(ending, Ending::Proper);
        assert!(answer.body == blob.content, "wrong bytes");
        trial.recorded(&blob.repository, 4).await;
        assert_eq!(trial.takeovers("download").len() - before, 2);
        trial.heal().await;
    }
}

/// The client waits, as it would for a slow disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_waits_for_nodes_that_are_all_away() {
    let mut trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        let blob = stored(&trial, &courier, 3_000_000).await;
        let get = format!("GET {}", blob.path);
        for number in 0..3 {
            if number != blob.holder {
                trial.strike(number, Fault::Killed).await;
            }
        }
        let link = trial.node(blob.holder).link();
        link.cut_within(&get, Direction::FromNode, 1_000_000, End::Vanish);
        let pull = courier.pull(&blob.path, None, async |_| ());
        let back = async {
            until("the last node is gone", SOON, async || {
                (trial.node(blob.holder).link().cuts_left() == 0).then_some(())
            })
            .await;
            // The time itself is what is tried here.
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            trial.heal().await;
        };
        let ((answer, ending), ()) = tokio::join!(pull, back);
        assert_eq!(ending, Ending::Proper);
        assert!(answer.body == blob.content, "wrong bytes");
    }
}
