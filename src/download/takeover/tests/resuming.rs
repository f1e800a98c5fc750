//! Which answers go on where a node was lost.

use super::*;

#[test]
fn every_loss_in_the_middle_asks_for_the_bytes_that_are_left() {
    for loss in every_loss() {
        let mut takeover = begin(ClientRange::Whole, 2);
        takeover.step(Event::Opened(whole()));
        takeover.step(Event::Bytes(60));
        assert_eq!(takeover.step(loss.clone()), ask_from(60, 99), "{loss:?}");
        let rest = takeover.step(Event::Opened(part("bytes 60-99/100")));
        assert_eq!(rest, Action::Resume);
        assert_eq!(takeover.step(Event::Bytes(40)), finish(0, 40));
    }
}

#[test]
fn the_rest_of_a_range_is_counted_from_the_start_of_the_blob() {
    let cases = [
        ("bytes=20-49", "bytes 20-49/100", 20, 49),
        ("bytes=20-", "bytes 20-99/100", 20, 99),
        ("bytes=-30", "bytes 70-99/100", 70, 99),
        ("bytes=90-500", "bytes 90-99/100", 90, 99),
    ];
    for (asked, told, first, last) in cases {
        let mut takeover = begin(range(asked), 3);
        let length = last - first + 1;
        assert_eq!(
            takeover.step(Event::Opened(part(told))),
            Action::Start { length }
        );
        assert_eq!(takeover.step(Event::Bytes(3)), pass(0, 3));
        assert_eq!(
            takeover.step(Event::Ended),
            ask_from(first + 3, last),
            "{asked}"
        );
        let rest = format!("bytes {}-{last}/100", first + 3);
        assert_eq!(takeover.step(Event::Opened(part(&rest))), Action::Resume);
        assert_eq!(
            takeover.step(Event::Bytes(length - 3)),
            finish(0, length - 3)
        );
    }
}

#[test]
fn a_whole_answer_goes_on_after_what_the_client_has() {
    let mut takeover = begin(range("bytes=20-49"), 3);
    takeover.step(Event::Opened(part("bytes 20-49/100")));
    takeover.step(Event::Bytes(10));
    takeover.step(Event::Failed(Lost::Stalled));
    assert_eq!(takeover.step(Event::Opened(whole())), Action::Resume);
    assert_eq!(takeover.step(Event::Bytes(25)), pass(25, 0));
    assert_eq!(takeover.step(Event::Bytes(10)), pass(5, 5));
    assert_eq!(takeover.step(Event::Bytes(60)), finish(0, 15));
}

#[test]
fn a_body_that_is_too_long_passes_no_more_than_is_left() {
    let mut takeover = begin(ClientRange::Whole, 3);
    takeover.step(Event::Opened(whole()));
    assert_eq!(takeover.step(Event::Bytes(5000)), finish(0, 100));
    let mut takeover = interrupted(60);
    takeover.step(Event::Opened(part("bytes 60-99/100")));
    assert_eq!(takeover.step(Event::Bytes(41)), finish(0, 40));
}

#[test]
fn only_what_fits_exactly_goes_on() {
    let chunked = |facts| Facts {
        content_length: None,
        ..facts
    };
    let cases = [
        ("the rest", part("bytes 60-99/100"), true),
        (
            "the rest, length unsaid",
            chunked(part("bytes 60-99/100")),
            true,
        ),
        ("the rest, nameless", bare(part("bytes 60-99/100")), true),
        ("all", whole(), true),
        ("all, nameless", bare(whole()), true),
        ("all, length unsaid", chunked(whole()), false),
        (
            "another size",
            Facts {
                content_length: Some(101),
                ..whole()
            },
            false,
        ),
        ("a byte too early", part("bytes 59-99/100"), false),
        ("a byte too late", part("bytes 61-99/100"), false),
        ("a byte too short", part("bytes 60-98/100"), false),
        ("another total", part("bytes 60-99/101"), false),
        ("unknown total", part("bytes 60-99/*"), false),
        ("no part", part("bytes */100"), false),
        ("parts of it", part(""), false),
        (
            "a length that contradicts",
            Facts {
                content_length: Some(41),
                ..part("bytes 60-99/100")
            },
            false,
        ),
        (
            "compressed",
            Facts {
                shape: Shape::Encoded,
                ..whole()
            },
            false,
        ),
        (
            "a page",
            Facts {
                shape: Shape::Page,
                ..bare(whole())
            },
            false,
        ),
    ];
    for (name, facts, fits) in cases {
        let action = interrupted(60).step(Event::Opened(facts));
        let expected = if fits {
            Action::Resume
        } else {
            ask_from(60, 99)
        };
        assert_eq!(action, expected, "{name}");
    }
}

#[test]
fn two_nodes_are_mixed_only_when_they_name_the_same_blob() {
    let tag = |text: &str| Some(Tag::new(text));
    let other = other_digest();
    let cases = [
        (tag(&digest()), tag(&digest()), true),
        (None, tag(&format!("W/\"{}\"", digest())), true),
        (tag(&other), None, false),
        (tag(&other), tag(&digest()), false),
        (tag(&digest()), tag(&other), false),
        (None, tag("5f-1a"), false),
        (tag("sha512:0a"), None, false),
    ];
    for (digest, entity_tag, fits) in cases {
        let facts = Facts {
            digest,
            entity_tag,
            ..part("bytes 60-99/100")
        };
        let expected = if fits {
            Action::Resume
        } else {
            ask_from(60, 99)
        };
        let action = interrupted(60).step(Event::Opened(facts.clone()));
        assert_eq!(action, expected, "{facts:?}");
    }
}

#[test]
fn a_name_that_the_first_node_left_out_binds_from_the_second_on() {
    let mut takeover = begin(ClientRange::Whole, 9);
    takeover.step(Event::Opened(bare(whole())));
    takeover.step(Event::Bytes(10));
    takeover.step(Event::Ended);
    let tagged = |text: &str, content_range: &str| Facts {
        entity_tag: Some(Tag::new(text)),
        ..bare(part(content_range))
    };
    let action = takeover.step(Event::Opened(tagged("one", "bytes 10-99/100")));
    assert_eq!(action, Action::Resume);
    takeover.step(Event::Ended);
    let action = takeover.step(Event::Opened(tagged("two", "bytes 10-99/100")));
    assert_eq!(action, ask_from(10, 99));
}

#[test]
fn refusals_of_another_node_cost_an_attempt_and_no_more() {
    for status in [204, 304, 400, 401, 403, 404, 416, 429, 500, 502, 503] {
        let mut takeover = interrupted(60);
        let action = takeover.step(Event::Opened(answer(status)));
        assert_eq!(action, ask_from(60, 99), "{status}");
        let mut takeover = begin(ClientRange::Whole, 2);
        takeover.step(Event::Opened(whole()));
        takeover.step(Event::Ended);
        let action = takeover.step(Event::Opened(answer(status)));
        assert_eq!(action, Action::Cut(Lost::BadAnswer), "{status}");
    }
}

#[test]
fn a_redirect_to_the_rest_is_followed_and_bounded() {
    let range = AskRange::From {
        first: 60,
        last: 99,
    };
    let mut takeover = interrupted(60);
    for status in [301, 302, 303, 307, 308] {
        let action = takeover.step(Event::Opened(bare(answer(status))));
        assert_eq!(action, Action::Follow { range }, "{status}");
    }
    let action = takeover.step(Event::Opened(bare(answer(307))));
    assert_eq!(action, ask_from(60, 99));
    let action = takeover.step(Event::Opened(bare(answer(307))));
    assert_eq!(action, Action::Follow { range });
    let foreign = Facts {
        entity_tag: Some(Tag::new("5f-1a")),
        ..bare(part("bytes 60-99/100"))
    };
    assert_eq!(takeover.step(Event::Opened(foreign)), Action::Resume);
    assert_eq!(takeover.step(Event::Bytes(40)), finish(0, 40));
}

#[test]
fn a_storage_is_held_to_size_and_digest_too() {
    let cases = [
        part("bytes 60-99/101"),
        Facts {
            digest: Some(Tag::new(&other_digest())),
            ..part("bytes 60-99/100")
        },
        Facts {
            shape: Shape::Encoded,
            ..bare(whole())
        },
        answer(403),
    ];
    for facts in cases {
        let mut takeover = interrupted(60);
        takeover.step(Event::Opened(bare(answer(307))));
        let action = takeover.step(Event::Opened(facts.clone()));
        assert_eq!(action, ask_from(60, 99), "{facts:?}");
    }
}

#[test]
fn a_loss_after_much_has_come_gets_all_the_tries_again() {
    let mut takeover = begin(ClientRange::Whole, 2);
    takeover.step(Event::Opened(whole()));
    takeover.step(Event::Bytes(10));
    let broken = Event::Failed(Lost::Broken);
    assert_eq!(takeover.step(broken.clone()), ask_from(10, SIZE - 1));
    takeover.step(Event::Opened(part("bytes 10-99/100")));
    takeover.step(Event::Bytes(10));
    takeover.renew();
    assert_eq!(takeover.step(broken.clone()), ask_from(20, SIZE - 1));
    assert_eq!(takeover.step(broken), Action::Cut(Lost::Broken));
    assert_eq!(takeover.asks(), 3);
}
