//! The node that a push would begin on is lost with the first request.

use tokio::time::Instant;

use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::image::digest;
use crate::harness::link::{Direction, Door, End};
use crate::harness::scripted::location;
use crate::harness::wait::{SOON, until};
use crate::registry::stage::blob;

use super::courier::Courier;
use super::survive::{SIZE, fresh, random};
use super::trial::{Fault, Trial};

/// How the node is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Nobody listens.
    Refused,
    /// It has the request, and then this befalls it.
    Struck(Fault),
    /// It opens an upload, and its answer is lost.
    Swallowed(End),
}

const LOSSES: [Loss; 7] = [
    Loss::Refused,
    Loss::Struck(Fault::Killed),
    Loss::Struck(Fault::Reset),
    Loss::Struck(Fault::Stopped),
    Loss::Swallowed(End::Reset),
    Loss::Swallowed(End::Close),
    Loss::Swallowed(End::Vanish),
];

/// Pushes a blob whose first request meets the loss.
async fn push(trial: &mut Trial, courier: &Courier, loss: Loss) {
    let (repository, content) = (fresh(), random(SIZE));
    // The same repository is drawn to the same node.
    courier.start(&repository).await.expect(202);
    let favourite = trial.holder(&repository).await;
    let post = format!("POST /v2/{repository}/");
    let before = trial.node(favourite).link();
    let before = before.bytes_within(&post, Direction::ToNode);
    let node = trial.node(favourite);
    match loss {
        Loss::Refused => node.link().set_door(Door::Refusing).await,
        Loss::Struck(_) => node.core.pause(),
        Loss::Swallowed(end) => node.link().cut_within(&post, Direction::FromNode, 1, end),
    }
    let began = Instant::now();
    let strike = async {
        if let Loss::Struck(fault) = loss {
            let link = trial.node(favourite).link();
            until("the request is with the node", SOON, async || {
                (link.bytes_within(&post, Direction::ToNode) > before).then_some(())
            })
            .await;
            trial.strike(favourite, fault).await;
        }
    };
    let (begun, ()) = tokio::join!(courier.start(&repository), strike);
    let took = began.elapsed().as_secs_f64();
    println!(
        "took {took:.2} s: {loss:?} at the POST, over {:?}",
        courier.offer
    );
    let upload = location(&begun.expect(202));
    let digest = digest(&content);
    let put = Request::new("PUT", &format!("{upload}&digest={digest}"));
    courier.send(put.body(content.clone())).await.expect(201);
    trial.heal().await;
    assert!(blob(&trial.stage.storage(), &digest) == content);
    let booked = trial.stage.cluster.database.booked_size(&digest);
    assert_eq!(booked, Some(SIZE as u64), "{loss:?}");
    trial.recorded(&repository, 3).await;
    assert_eq!(trial.asked(&repository).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_loses_its_node_with_the_first_request_begins_on_another() {
    let mut trial = Trial::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        for loss in LOSSES {
            push(&mut trial, &courier, loss).await;
        }
    }
}
