//! What holds whatever happens.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn any_facts() -> impl Strategy<Value = Facts> {
    let status = prop::sample::select(vec![200, 200, 206, 206, 206, 307, 404, 416, 500, 304]);
    let lengths = prop::option::of(prop_oneof![0..120_u64, Just(SIZE), any::<u64>()]);
    let ranges = prop::option::of(prop_oneof![
        (0..SIZE).prop_map(|first| part_of(first, SIZE - 1, SIZE)),
        (0..SIZE, 0..SIZE, 1..=SIZE).prop_map(|(first, last, total)| part_of(first, last, total)),
        Just(ContentRange::Unsatisfied { total: SIZE }),
        Just(part_of(0, u64::MAX - 1, u64::MAX)),
    ]);
    let tags = || prop::option::of(prop::sample::select(vec![digest(), other_digest()]));
    let shape = prop::sample::select(vec![
        Shape::Plain,
        Shape::Plain,
        Shape::Encoded,
        Shape::Page,
    ]);
    let drawn = (status, lengths, ranges, tags(), tags(), shape);
    drawn.prop_map(
        |(status, content_length, content_range, digest, entity_tag, shape)| Facts {
            status: StatusCode::from_u16(status).unwrap(),
            content_length,
            content_range,
            digest: digest.as_deref().map(Tag::new),
            entity_tag: entity_tag.as_deref().map(Tag::new),
            shape,
        },
    )
}

/// As a node that means well says it: a part that is read is never outside its total.
fn part_of(first: u64, last: u64, total: u64) -> ContentRange {
    let last = last.min(total - 1);
    ContentRange::Part {
        first: first.min(last),
        last,
        total: Some(total),
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let losses = vec![
        Lost::Unreachable,
        Lost::Broken,
        Lost::Stalled,
        Lost::BadAnswer,
        Lost::NoNode,
    ];
    prop_oneof![
        6 => any_facts().prop_map(Event::Opened),
        6 => prop_oneof![0..60_u64, any::<u64>()].prop_map(Event::Bytes),
        2 => Just(Event::Ended),
        2 => prop::sample::select(losses).prop_map(Event::Failed),
        1 => Just(Event::ClientLeft),
    ]
}

fn any_range() -> impl Strategy<Value = ClientRange> {
    prop_oneof![
        2 => Just(ClientRange::Whole),
        1 => Just(ClientRange::Opaque),
        1 => (0..120_u64).prop_map(|first| ClientRange::One(ByteRange::From { first })),
        1 => (0..120_u64).prop_map(|length| ClientRange::One(ByteRange::Last { length })),
    ]
}

/// What an outsider sees of a download.
#[derive(Default)]
struct Witness {
    asks: u32,
    promised: Option<u64>,
    taken: u64,
    last_word: Option<Action>,
}

impl Witness {
    fn see(&mut self, offered: u64, action: Action, takeover: &Takeover) {
        if let Some(word) = self.last_word {
            assert_eq!(action, word, "something after the end");
            return;
        }
        match action {
            Action::Ask { .. } => self.asks += 1,
            Action::Start { length } => assert_eq!(self.promised.replace(length), None),
            Action::Pass { skip, take } => self.take(offered, skip, take),
            Action::Finish { skip, take } => {
                self.take(offered, skip, take);
                self.last_word = Some(finish(0, 0));
                assert!(self.promised.is_none_or(|promised| promised == self.taken));
            }
            Action::Refuse(_) | Action::Cut(_) | Action::Leave => self.last_word = Some(action),
            Action::Follow { .. } | Action::Relay { .. } | Action::Resume => (),
        }
        assert_eq!(self.asks, takeover.asks());
        assert_eq!(self.taken, takeover.passed());
        let size = self.taken + takeover.left();
        assert!(self.promised.is_none_or(|promised| promised == size));
    }

    fn take(&mut self, offered: u64, skip: u64, take: u64) {
        assert!(skip.checked_add(take).is_some_and(|used| used <= offered));
        if self.promised.is_some() {
            self.taken += take;
        }
    }
}

proptest! {
    #[test]
    fn no_sequence_of_events_breaks_what_always_holds(
        range in any_range(), attempts in 0..6_u32, events in vec(any_event(), 0..60),
    ) {
        let mut takeover = begin(range, attempts);
        let mut witness = Witness { asks: 1, ..Witness::default() };
        for event in events {
            let offered = match event {
                Event::Bytes(bytes) => bytes,
                Event::Opened(_) | Event::Ended | Event::Failed(_) | Event::ClientLeft => 0,
            };
            let action = takeover.step(event);
            witness.see(offered, action, &takeover);
            prop_assert!(witness.asks <= attempts.max(1));
        }
    }
}
