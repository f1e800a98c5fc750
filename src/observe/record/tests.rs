use std::net::Ipv4Addr;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::observe::names::RECORD_FIELDS;

static NODE: LazyLock<NodeId> = LazyLock::new(|| NodeId::parse("harbor-1").unwrap());

fn full(text: &str) -> Record<'_> {
    Record {
        request_id: text,
        client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        method: text,
        host: Some(text),
        protocol: "HTTP/2",
        tls: Some("TLSv1.3"),
        route: "blob",
        repo: Some(text),
        reference: Some(text),
        session: Some(text),
        node: Some(&NODE),
        first_node: Some(&NODE),
        attempt: 2,
        takeovers: 1,
        rescued: Rescued {
            lost: Duration::from_secs(1),
            replayed: 7,
            unprotected: Some(Unprotected::DiskShare),
            synthesized: Some(Synthesized::Created),
        },
        status: 200,
        fault: Some("node_lost"),
        outcome: Outcome::TakenOver,
        bytes_in: 0,
        bytes_out: u64::MAX,
        first_byte: Some(Duration::from_micros(1_204)),
        total: Duration::from_hours(1),
    }
}

fn json(record: &Record<'_>) -> (String, Value) {
    let mut line = String::from("{\"level\":\"INFO\"");
    record.write_json(&mut line);
    line.push('}');
    let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    (line, value)
}

#[test]
fn a_full_record_has_exactly_the_declared_fields_in_their_order() {
    let (line, value) = json(&full("x"));
    assert_eq!(value.as_object().unwrap().len(), RECORD_FIELDS.len() + 1);
    let places: Vec<_> = RECORD_FIELDS
        .iter()
        .map(|name| line.find(&format!(",\"{name}\":")).unwrap())
        .collect();
    assert!(places.is_sorted());
    let mut text = String::new();
    full("x").write_text(&mut text);
    let names: Vec<_> = text
        .split_whitespace()
        .map(|pair| pair.split('=').next().unwrap())
        .collect();
    assert_eq!(names, RECORD_FIELDS);
}

#[test]
fn what_is_absent_is_left_out() {
    let record = Record {
        repo: None,
        fault: None,
        first_node: None,
        rescued: Rescued::default(),
        first_byte: None,
        ..full("x")
    };
    let (_, value) = json(&record);
    let absent =
        "repo fault first_node lost_ms replayed_bytes unprotected synthesized first_byte_ms";
    for name in absent.split(' ') {
        assert_eq!(value.get(name), None);
    }
}

#[test]
fn times_are_milliseconds_with_three_places() {
    let mut text = String::new();
    full("x").write_text(&mut text);
    assert!(
        text.ends_with("first_byte_ms=1.204 total_ms=3600000.000"),
        "{text}"
    );
}

#[test]
fn plain_words_stand_bare_and_others_in_quotes() {
    let mut text = String::new();
    Record {
        host: Some(""),
        repo: Some("a b"),
        ..full("sha256:0f")
    }
    .write_text(&mut text);
    assert!(text.contains(" reference=sha256:0f "));
    assert!(text.contains(" host=\"\" "));
    assert!(text.contains(" repo=\"a b\" "));
}

#[test]
fn a_long_text_is_cut() {
    let long = "\u{1f433}".repeat(1000);
    let (line, value) = json(&Record {
        host: Some(&long),
        ..full("x")
    });
    assert!(line.len() < 2000);
    assert!(value["host"].as_str().unwrap().ends_with("\u{1f433}..."));
}

#[test]
fn a_redacted_value_shows_nothing() {
    let secret = Redacted::new("hunter2");
    assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), {
        "[redacted] [redacted] Some([redacted])"
    });
    assert_eq!(*secret.reveal(), "hunter2");
}

proptest! {
    #[test]
    fn whatever_a_client_says_is_one_line_and_comes_back(text in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
        let (line, value) = json(&full(&text));
        prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        for name in ["request_id", "method", "host", "repo", "reference", "session"] {
            prop_assert_eq!(value[name].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn the_text_form_is_one_line_of_pairs(text in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
        let mut line = String::new();
        full(&text).write_text(&mut line);
        prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        prop_assert_eq!(pairs(&line), RECORD_FIELDS);
    }
}

/// The names in a line of pairs, read by the rule a log collector goes by.
fn pairs(line: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = line;
    while let Some(after) = rest.strip_prefix(' ') {
        let (name, value) = after.split_once('=').unwrap();
        names.push(name);
        rest = if value.starts_with('"') {
            let mut parts = serde_json::Deserializer::from_str(value).into_iter::<String>();
            parts.next().unwrap().unwrap();
            &value[parts.byte_offset()..]
        } else {
            &value[value.find(' ').unwrap_or(value.len())..]
        };
    }
    assert_eq!(rest, "");
    names
}
