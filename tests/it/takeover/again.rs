//! Clients that come back: with an old address from the start, after a break of their own, or to ask how far
//! they came.

use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;
use crate::harness::image::digest;
use crate::harness::link::Direction;
use crate::harness::scripted::location;
use crate::harness::wait::{SOON, until};
use crate::registry::stage::blob;

use super::courier::Courier;
use super::survive::{SIZE, fresh, random};
use super::trial::{Fault, Trial};

const OFFERS: [Offer; 2] = [Offer::Http1, Offer::Http2];

fn put(upload: &str, content: &[u8]) -> Request {
    Request::new("PUT", &format!("{upload}&digest={}", digest(content)))
}

fn patch(upload: &str, range: std::ops::Range<usize>) -> Request {
    let told = format!("{}-{}", range.start, range.end - 1);
    Request::new("PATCH", upload).header("Content-Range", &told)
}

/// Sends a part of a body and then leaves, as a client does whose own connection broke. A node has some of it by then:
/// nobody can overtake it.
async fn abandon((trial, courier): (&Trial, &Courier), request: Request, content: &[u8]) {
    let (repository, _) = request.path.split_once("/blobs/").unwrap();
    let begins = format!("{} {repository}/", request.method);
    let had = || {
        let nodes = trial.stage.cluster.nodes.iter();
        let links = nodes.filter_map(|node| node.link.as_ref());
        let bytes = links.map(|link| link.bytes_within(&begins, Direction::ToNode));
        bytes.sum::<u64>()
    };
    let before = had();
    let mut sending = courier.begin(request, Some(content.len())).await;
    sending.send(&content[..content.len() / 2]).await;
    until("a node is asked", SOON, async || {
        (had() > before).then_some(())
    })
    .await;
}

async fn expect_stored(trial: &Trial, courier: &Courier, repository: &str, content: &[u8]) {
    let digest = digest(content);
    assert!(blob(&trial.stage.storage(), &digest) == content);
    let booked = trial.stage.cluster.database.booked_size(&digest);
    assert_eq!(booked, Some(content.len() as u64), "the booked size");
    let path = format!("/v2/{repository}/blobs/{digest}");
    courier.send(Request::new("HEAD", &path)).await.expect(200);
}

/// containerd from 2.3 on: the same PUT once more, from its first byte.
#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_broke_off_may_be_sent_again_to_the_same_address() {
    let trial = Trial::set().await;
    for offer in OFFERS {
        let courier = trial.courier(offer).await;
        let (repository, content) = (fresh(), random(SIZE));
        let upload = location(&courier.start(&repository).await);
        for _ in 0..3 {
            abandon((&trial, &courier), put(&upload, &content), &content).await;
        }
        let again = put(&upload, &content).body(content.clone());
        courier.send(again).await.expect(201);
        expect_stored(&trial, &courier, &repository, &content).await;
    }
}

/// The client has not heard of its success: it asks for it once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_was_done_may_be_sent_again() {
    let trial = Trial::set().await;
    for offer in OFFERS {
        let courier = trial.courier(offer).await;
        let (repository, content) = (fresh(), random(SIZE));
        let upload = location(&courier.start(&repository).await);
        for _ in 0..2 {
            let again = put(&upload, &content).body(content.clone());
            courier.send(again).await.expect(201);
        }
        expect_stored(&trial, &courier, &repository, &content).await;
    }
}

/// The first address again, and all bytes from the first one: the nodes have others by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_patch_may_be_sent_again_from_the_start_to_the_first_address() {
    let trial = Trial::set().await;
    for offer in OFFERS {
        let courier = trial.courier(offer).await;
        let (repository, content) = (fresh(), random(SIZE));
        let first = location(&courier.start(&repository).await);
        abandon((&trial, &courier), Request::new("PATCH", &first), &content).await;
        let again = Request::new("PATCH", &first).body(content.clone());
        courier.send(again.clone()).await.expect(202);
        // Even of what was acknowledged the client may think better.
        let patched = courier.send(again).await.expect(202);
        let range = format!("0-{}", SIZE - 1);
        assert_eq!(patched.header("range"), Some(range.as_str()));
        let done = courier.send(put(&location(&patched), &content)).await;
        done.expect(201);
        expect_stored(&trial, &courier, &repository, &content).await;
    }
}

/// Sends a blob in quarters; the third one is sent to the address that the second one was sent to.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_may_be_sent_again_to_the_address_before() {
    let trial = Trial::set().await;
    for offer in OFFERS {
        let courier = trial.courier(offer).await;
        let (repository, content) = (fresh(), random(4_000_000));
        let chunk = async |answer: &Answer, from: usize| {
            let request = patch(&location(answer), from..from + 1_000_000);
            let body = content[from..from + 1_000_000].to_vec();
            courier.send(request.body(body)).await.expect(202)
        };
        let begun = courier.start(&repository).await;
        let one = chunk(&begun, 0).await;
        chunk(&one, 1_000_000).await;
        // Its answer never came, as far as the client knows.
        let two = chunk(&one, 1_000_000).await;
        assert_eq!(two.header("range"), Some("0-1999999"));
        let three = chunk(&two, 2_000_000).await;
        let four = chunk(&three, 3_000_000).await;
        courier
            .send(put(&location(&four), &content))
            .await
            .expect(201);
        expect_stored(&trial, &courier, &repository, &content).await;
    }
}

/// regclient: after a chunk that failed it asks how far it came, and goes on from there.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_how_far_it_came_goes_on_from_there() {
    let mut trial = Trial::set().await;
    for offer in OFFERS {
        let courier = trial.courier(offer).await;
        let (repository, content) = (fresh(), random(SIZE));
        let upload = location(&courier.start(&repository).await);
        let half = patch(&upload, 0..SIZE / 2).body(&content[..SIZE / 2]);
        let half = courier.send(half).await.expect(202);
        let rest = patch(&location(&half), SIZE / 2..SIZE);
        abandon((&trial, &courier), rest, &content[SIZE / 2..]).await;
        let holder = trial.holder(&repository).await;
        trial.strike(holder, Fault::Killed).await;
        // What it held is half of a chunk more than the client knows, and gone.
        let again = patch(&location(&half), SIZE / 2..SIZE).body(&content[SIZE / 2..]);
        let whole = courier.send(again).await.expect(202);
        let told = courier
            .send(Request::get(&location(&whole)))
            .await
            .expect(204);
        let range = format!("0-{}", SIZE - 1);
        assert_eq!(told.header("range"), Some(range.as_str()));
        assert_eq!(
            told.header("docker-upload-uuid"),
            half.header("docker-upload-uuid")
        );
        courier
            .send(put(&location(&told), &content))
            .await
            .expect(201);
        trial.heal().await;
        expect_stored(&trial, &courier, &repository, &content).await;
    }
}

/// It has thought better of one request and sent another, which overtakes the first one in the balancer.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_taken_back_while_it_waited_undoes_nothing() {
    let trial = Trial::set().await;
    let courier = trial.courier(Offer::Http2).await;
    let (repository, content) = (fresh(), random(SIZE));
    let half = location(&courier.start(&repository).await);
    let half = patch(&half, 0..SIZE / 2).body(&content[..SIZE / 2]);
    let half = location(&courier.send(half).await.expect(202));
    let (rest, part) = (&content[SIZE / 2..], SIZE / 4);
    let mut second = courier
        .begin(patch(&half, SIZE / 2..SIZE), Some(rest.len()))
        .await;
    second.send(&rest[..part]).await;
    let running = async |count: f64| {
        let name = "pilotage_edge_running_requests ";
        until("so many requests are under way", SOON, async || {
            (trial.stage.balancer.metric(name).await == Some(count)).then_some(())
        })
        .await;
    };
    running(1.0).await;
    let mut first = courier
        .begin(patch(&half, SIZE / 2..SIZE), Some(rest.len()))
        .await;
    first.send(&rest[..1]).await;
    running(2.0).await;
    drop(first);
    // Whoever has read this has read before that the other was taken back.
    courier.send(Request::get("/v2/")).await.expect(200);
    second.send(&rest[part..]).await;
    let whole = second.answer().await.expect(202);
    running(0.0).await;
    let told = courier.send(Request::get(&location(&whole))).await;
    let range = format!("0-{}", SIZE - 1);
    assert_eq!(told.expect(204).header("range"), Some(range.as_str()));
    let put = put(&location(&whole), &content);
    courier.send(put).await.expect(201);
    assert_eq!(trial.takeovers("upload"), []);
    expect_stored(&trial, &courier, &repository, &content).await;
}

/// A wrong digest is the client's business; with the right one the upload goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_by_a_wrong_digest_may_be_corrected() {
    let trial = Trial::set().await;
    for offer in OFFERS {
        let courier = trial.courier(offer).await;
        let (repository, content) = (fresh(), random(SIZE));
        let upload = location(&courier.start(&repository).await);
        let patched = courier
            .send(Request::new("PATCH", &upload).body(content.clone()))
            .await
            .expect(202);
        let upload = location(&patched);
        let refused = courier.send(put(&upload, b"something else")).await;
        assert_eq!(refused.expect(400).error_code(), "DIGEST_INVALID");
        courier.send(put(&upload, &content)).await.expect(201);
        assert_eq!(trial.takeovers("upload"), []);
        expect_stored(&trial, &courier, &repository, &content).await;
    }
}
