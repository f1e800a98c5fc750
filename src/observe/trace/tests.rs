use proptest::prelude::*;

use super::*;

const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_traceparent_is_read_as_its_writer_meant_it() {
    let context = Context::parse(GIVEN).unwrap();
    assert_eq!(
        context.trace.to_string(),
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(context.span.to_string(), "00f067aa0ba902b7");
    assert_eq!(context.sampled, Sampled::Yes);
    let unsampled = GIVEN.replace("-01", "-02");
    assert_eq!(Context::parse(&unsampled).unwrap().sampled, Sampled::No);
    let bytes = context.trace.to_bytes();
    assert_eq!(bytes[..2], [0x4b, 0xf9]);
    assert_eq!(context.span.to_bytes()[1], 0xf0);
}

#[test]
fn what_is_not_exactly_a_traceparent_is_none() {
    for text in [
        "",
        "00",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
    ] {
        assert_eq!(Context::parse(text), None, "{text:?}");
    }
}

#[test]
fn a_later_version_may_go_on_behind_a_dash() {
    let later = GIVEN.replacen("00", "cc", 1) + "-what-the-future-will-be-like";
    assert_eq!(Context::parse(&later), Context::parse(GIVEN));
}

#[test]
fn a_ratio_is_read_as_it_is_written() {
    for text in ["0%", "100%", "10%", "0.1%", "0.0001%", "33.3333%"] {
        assert_eq!(Ratio::parse(text).unwrap().to_string(), text);
    }
    for text in [
        "",
        "%",
        "10",
        "0.1",
        "101%",
        "100.0001%",
        "-1%",
        "+1%",
        "1.%",
        ".5%",
        "0.00001%",
        "1 %",
        "1000%",
        "1e1%",
    ] {
        assert_eq!(Ratio::parse(text), None, "{text:?}");
    }
}

#[test]
fn a_ratio_takes_its_part_of_all_traces() {
    let taken = |ratio: &str| {
        let ratio = Ratio::parse(ratio).unwrap();
        // A walk through ids that is as even as random ones are.
        let ids =
            (0..10_000).map(|n: u128| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        ids.filter(|id| ratio.takes(TraceId::drawn(*id)) == Sampled::Yes)
            .count()
    };
    assert_eq!((taken("0%"), taken("100%")), (0, 10_000));
    let tenth = taken("10%");
    assert!((800..1_200).contains(&tenth), "{tenth}");
}

proptest! {
    #[test]
    fn a_context_is_read_as_it_was_written(trace in 1u128.., span in 1u64.., sampled: bool) {
        let sampled = if sampled { Sampled::Yes } else { Sampled::No };
        let context = Context { trace: TraceId::drawn(trace), span: SpanId::drawn(span), sampled };
        prop_assert_eq!(Context::parse(&context.to_string()), Some(context));
    }

    #[test]
    fn whatever_is_read_is_written_the_same_in_its_known_part(text in "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-0[01]") {
        if let Some(context) = Context::parse(&text) {
            let written = context.to_string();
            prop_assert_eq!(&written[2..], &text[2..]);
        }
    }

    #[test]
    fn no_text_makes_it_stumble(text in ".{0,80}") {
        prop_assert!(Context::parse(&text).is_none_or(|read| text.contains(&read.trace.to_string())));
        prop_assert!(Ratio::parse(&text).is_none_or(|_| text.ends_with('%')));
    }
}
