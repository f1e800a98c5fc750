//! What becomes of a first answer.

use super::*;

#[test]
fn a_whole_answer_to_a_range_is_passed_whole() {
    let mut takeover = begin(range("bytes=20-29"), 3);
    assert_eq!(
        takeover.step(Event::Opened(whole())),
        Action::Start { length: SIZE }
    );
    takeover.step(Event::Bytes(5));
    assert_eq!(takeover.step(Event::Ended), ask_from(5, 99));
}

#[test]
fn an_empty_blob_is_never_asked_for_again() {
    for end in every_loss().into_iter().chain([Event::Bytes(3)]) {
        let mut takeover = begin(ClientRange::Whole, 3);
        let empty = Facts {
            content_length: Some(0),
            ..whole()
        };
        assert_eq!(
            takeover.step(Event::Opened(empty)),
            Action::Start { length: 0 }
        );
        assert_eq!(takeover.step(end.clone()), finish(0, 0), "{end:?}");
    }
}

#[test]
fn an_answer_that_nobody_could_go_on_with_is_relayed() {
    let unsized_body = Facts {
        content_length: None,
        ..whole()
    };
    let cases = [
        (ClientRange::Whole, answer(401)),
        (ClientRange::Whole, answer(403)),
        (ClientRange::Whole, answer(404)),
        (ClientRange::Whole, answer(307)),
        (ClientRange::Whole, answer(304)),
        (ClientRange::Whole, answer(429)),
        (ClientRange::Whole, unsized_body),
        (
            ClientRange::Whole,
            Facts {
                shape: Shape::Encoded,
                ..whole()
            },
        ),
        (range("bytes=0-9"), part("bytes 0-9/*")),
        (ClientRange::Opaque, part("")),
        (ClientRange::Opaque, whole()),
    ];
    for (range, facts) in cases {
        let action = begin(range, 3).step(Event::Opened(facts.clone()));
        assert_eq!(action, relay(), "{range:?} {facts:?}");
    }
}

#[test]
fn a_relayed_answer_that_breaks_is_cut() {
    for facts in [
        answer(404),
        Facts {
            content_length: None,
            ..whole()
        },
    ] {
        for loss in [Lost::Broken, Lost::Stalled] {
            let mut takeover = begin(ClientRange::Whole, 3);
            takeover.step(Event::Opened(facts.clone()));
            assert_eq!(takeover.step(Event::Bytes(40)), pass(0, 40));
            assert_eq!(takeover.step(Event::Failed(loss)), Action::Cut(loss));
        }
    }
    let mut takeover = begin(ClientRange::Whole, 3);
    takeover.step(Event::Opened(answer(404)));
    assert_eq!(takeover.step(Event::Ended), Action::Cut(Lost::Broken));
}

#[test]
fn a_relayed_answer_ends_as_its_length_says() {
    let mut takeover = begin(ClientRange::Whole, 3);
    takeover.step(Event::Opened(answer(404)));
    assert_eq!(takeover.step(Event::Bytes(101)), finish(0, 100));
    let mut takeover = begin(ClientRange::Whole, 3);
    takeover.step(Event::Opened(Facts {
        content_length: None,
        ..answer(404)
    }));
    assert_eq!(takeover.step(Event::Bytes(33)), pass(0, 33));
    assert_eq!(takeover.step(Event::Ended), finish(0, 0));
    for end in every_loss() {
        let mut takeover = begin(ClientRange::Whole, 3);
        takeover.step(Event::Opened(answer(304)));
        assert_eq!(takeover.step(end), finish(0, 0));
    }
}

#[test]
fn the_body_of_a_refused_range_ends_where_the_node_closes() {
    for (end, action) in [
        (Event::Ended, finish(0, 0)),
        (Event::Failed(Lost::Broken), finish(0, 0)),
        (Event::Failed(Lost::Stalled), Action::Cut(Lost::Stalled)),
    ] {
        let mut takeover = begin(range("bytes=100-"), 3);
        let length = RelayLength::Untold;
        let refused = Facts {
            content_range: Some(ContentRange::Unsatisfied { total: SIZE }),
            ..answer(416)
        };
        assert_eq!(
            takeover.step(Event::Opened(refused)),
            Action::Relay { length }
        );
        assert_eq!(takeover.step(Event::Bytes(33)), pass(0, 33));
        assert_eq!(takeover.step(end), action);
    }
}

#[test]
fn a_first_answer_that_contradicts_the_question_never_goes_out() {
    let wrong = Some(Tag::new(&other_digest()));
    let cases = [
        (
            ClientRange::Whole,
            Facts {
                digest: wrong.clone(),
                ..whole()
            },
        ),
        (
            ClientRange::Whole,
            Facts {
                entity_tag: wrong,
                ..whole()
            },
        ),
        (ClientRange::Whole, part("bytes 0-9/100")),
        (ClientRange::Whole, part("bytes 0-99/100")),
        (range("bytes=0-9"), part("bytes 0-8/100")),
        (range("bytes=0-9"), part("bytes 1-10/100")),
        (range("bytes=0-9"), part("")),
        (
            range("bytes=0-9"),
            Facts {
                content_length: Some(9),
                ..part("bytes 0-9/100")
            },
        ),
    ];
    for (range, facts) in cases {
        let mut takeover = begin(range, 2);
        assert_eq!(
            takeover.step(Event::Opened(facts.clone())),
            as_client(),
            "{facts:?}"
        );
        let action = takeover.step(Event::Opened(facts));
        assert_eq!(action, Action::Refuse(Lost::BadAnswer));
    }
}

#[test]
fn a_failing_node_is_quoted_only_when_no_other_may_be_asked() {
    let page = Facts {
        shape: Shape::Page,
        ..bare(whole())
    };
    for facts in [answer(500), answer(502), answer(503), page] {
        let mut takeover = begin(ClientRange::Whole, 2);
        assert_eq!(
            takeover.step(Event::Opened(facts.clone())),
            as_client(),
            "{facts:?}"
        );
        assert_eq!(takeover.step(Event::Opened(facts)), relay());
    }
}

#[test]
fn nothing_is_written_before_an_answer_begins() {
    let mut takeover = begin(ClientRange::Whole, 3);
    assert_eq!(takeover.step(Event::Failed(Lost::Unreachable)), as_client());
    assert_eq!(takeover.step(Event::Failed(Lost::Stalled)), as_client());
    let refused = Action::Refuse(Lost::Broken);
    assert_eq!(takeover.step(Event::Failed(Lost::Broken)), refused);
    assert_eq!(takeover.asks(), 3);
}
