//! The rules of the machine, one test each; what is built here is used by all of them.

mod always;
mod opening;
mod resuming;

use super::*;
use crate::download::facts::{Shape, Tag};
use crate::download::goal::ClientRange;
use crate::registry::digest::Digest;
use crate::registry::range::{ByteRange, ContentRange};

const SIZE: u64 = 100;

fn digest() -> String {
    format!("sha256:{}", "0a".repeat(32))
}

fn other_digest() -> String {
    format!("sha256:{}", "0b".repeat(32))
}

fn begin(range: ClientRange, attempts: u32) -> Takeover {
    let digest = Digest::parse(&digest()).unwrap();
    let (takeover, action) = Takeover::new(Goal { digest, range }, attempts);
    assert_eq!(action, as_client());
    takeover
}

/// A whole blob of which the client has the first bytes, when its node is lost.
fn interrupted(passed: u64) -> Takeover {
    let mut takeover = begin(ClientRange::Whole, 9);
    takeover.step(Event::Opened(whole()));
    if passed > 0 {
        takeover.step(Event::Bytes(passed));
    }
    let ask = takeover.step(Event::Failed(Lost::Broken));
    assert_eq!(ask, ask_from(passed, SIZE - 1));
    takeover
}

fn range(text: &str) -> ClientRange {
    ClientRange::One(ByteRange::parse(text).unwrap())
}

/// What a registry answers.
fn answer(status: u16) -> Facts {
    Facts {
        status: StatusCode::from_u16(status).unwrap(),
        content_length: Some(SIZE),
        content_range: None,
        digest: Some(Tag::new(&digest())),
        entity_tag: Some(Tag::new(&format!("\"{}\"", digest()))),
        shape: Shape::Plain,
    }
}

fn whole() -> Facts {
    answer(200)
}

fn part(content_range: &str) -> Facts {
    let content_range = ContentRange::parse(content_range);
    let content_length = match content_range {
        Some(ContentRange::Part { first, last, .. }) => Some(last - first + 1),
        Some(ContentRange::Unsatisfied { .. }) | None => Some(SIZE),
    };
    Facts {
        content_length,
        content_range,
        ..answer(206)
    }
}

fn bare(mut facts: Facts) -> Facts {
    facts.digest = None;
    facts.entity_tag = None;
    facts
}

fn as_client() -> Action {
    let range = AskRange::AsClient;
    Action::Ask { range }
}

fn ask_from(first: u64, last: u64) -> Action {
    let range = AskRange::From { first, last };
    Action::Ask { range }
}

fn pass(skip: u64, take: u64) -> Action {
    Action::Pass { skip, take }
}

fn finish(skip: u64, take: u64) -> Action {
    Action::Finish { skip, take }
}

fn relay() -> Action {
    let length = RelayLength::AsTold;
    Action::Relay { length }
}

fn every_loss() -> [Event; 6] {
    [
        Event::Ended,
        Event::Failed(Lost::Unreachable),
        Event::Failed(Lost::Broken),
        Event::Failed(Lost::Stalled),
        Event::Failed(Lost::BadAnswer),
        Event::Failed(Lost::Shared),
    ]
}

#[test]
fn when_no_node_is_left_the_loss_before_is_told() {
    let none = Event::Failed(Lost::NoNode);
    let mut takeover = begin(ClientRange::Whole, 3);
    assert_eq!(takeover.step(none.clone()), Action::Refuse(Lost::NoNode));
    let mut takeover = begin(ClientRange::Whole, 3);
    takeover.step(Event::Failed(Lost::Stalled));
    assert_eq!(takeover.step(none.clone()), Action::Refuse(Lost::Stalled));
    let mut takeover = interrupted(60);
    assert_eq!(takeover.step(none), Action::Cut(Lost::Broken));
}

#[test]
fn a_client_that_leaves_ends_everything() {
    let mut relaying = begin(ClientRange::Whole, 3);
    relaying.step(Event::Opened(answer(404)));
    let mut passing = begin(ClientRange::Whole, 3);
    passing.step(Event::Opened(whole()));
    for mut takeover in [
        begin(ClientRange::Whole, 3),
        passing,
        interrupted(3),
        relaying,
    ] {
        assert_eq!(takeover.step(Event::ClientLeft), Action::Leave);
        assert_eq!(takeover.step(Event::Opened(whole())), Action::Leave);
    }
}

#[test]
fn an_event_out_of_turn_is_a_bad_answer() {
    for event in [Event::Bytes(3), Event::Ended] {
        assert_eq!(
            begin(ClientRange::Whole, 1).step(event),
            Action::Refuse(Lost::BadAnswer)
        );
    }
    let mut takeover = begin(ClientRange::Whole, 1);
    takeover.step(Event::Opened(whole()));
    let action = takeover.step(Event::Opened(whole()));
    assert_eq!(action, Action::Cut(Lost::BadAnswer));
}

#[test]
fn a_whole_blob_passes_and_ends_with_its_last_byte() {
    let mut takeover = begin(ClientRange::Whole, 3);
    assert_eq!(
        takeover.step(Event::Opened(whole())),
        Action::Start { length: SIZE }
    );
    assert_eq!(takeover.step(Event::Bytes(60)), pass(0, 60));
    assert_eq!((takeover.passed(), takeover.left()), (60, 40));
    assert_eq!(takeover.step(Event::Bytes(40)), finish(0, 40));
    assert_eq!(
        (takeover.passed(), takeover.left(), takeover.asks()),
        (100, 0, 1)
    );
}
