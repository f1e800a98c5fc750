use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::observe::labels::Outcome;
use crate::observe::record::Record;

const RATIO: &str = "100%";

fn node(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

fn place(name: &str) -> Asked {
    Asked {
        node: node(name),
        host: "10.0.0.1".to_owned(),
        port: 8080,
    }
}

fn record() -> Record<'static> {
    Record {
        request_id: "id-1",
        method: "GET",
        host: Some("registry.example.com:8443"),
        tls: Some("TLSv1.3"),
        route: "blob",
        repo: Some("lab/app"),
        attempt: 2,
        takeovers: 1,
        status: 200,
        outcome: Outcome::TakenOver,
        bytes_out: 9,
        ..Record::unread(
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            Duration::from_secs(10),
        )
    }
}

fn sampled() -> Trail {
    Trail::begin(None, Ratio::parse(RATIO).unwrap(), (7, 1))
}

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn finish(trail: &mut Trail, record: &Record<'_>, now: Instant) -> Option<Trace> {
    trail.finish(record, now, UNIX_EPOCH + Duration::from_secs(1_000))
}

fn said<'s>(span: &'s Span, key: &str) -> Option<&'s Value> {
    let found = span.attributes.iter().find(|(name, _)| *name == key);
    found.map(|(_, value)| value)
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn a_pull_that_met_a_dead_node_is_a_root_with_its_attempts_and_its_takeover() {
    let begin = start();
    let at = |seconds| begin + Duration::from_secs(seconds);
    let mut trail = sampled();
    trail.asks(2, || place("a"), at(1));
    trail.hears(200);
    trail.ends(Attempt::LostMidway, at(3));
    trail.asks(3, || place("b"), at(4));
    trail.hears(206);
    let takeover = Takeover {
        kind: TakeoverKind::Download,
        reason: TakeoverReason::Lost,
        from: Some(node("a")),
        to: Some(node("b")),
        since: at(2),
    };
    trail.moves(4, takeover, at(5));
    trail.ends(Attempt::Answered, at(10));
    let trace = finish(&mut trail, &record(), at(10)).unwrap();
    assert_eq!(trace.dropped, 0);
    let [root, first, second, moved] = trace.spans.as_slice() else {
        panic!("{trace:?}");
    };
    assert_eq!(
        (root.kind, root.parent, root.name.as_str()),
        (Kind::Server, None, "GET blob")
    );
    assert_eq!((root.start, root.end), (990 * SECOND, 1_000 * SECOND));
    assert_eq!(root.cause, Cause::None);
    for (span, from, to) in [(first, 1, 3), (second, 4, 10), (moved, 2, 5)] {
        assert_eq!(span.parent, Some(root.id));
        assert_eq!(
            (span.start, span.end),
            ((990 + from) * SECOND, (990 + to) * SECOND)
        );
    }
    assert_eq!((first.kind, first.cause), (Kind::Client, Cause::Failed));
    assert_eq!(said(first, "pilotage.outcome"), Some(&text("lost_midway")));
    assert_eq!(said(first, "error.type"), Some(&text("lost_midway")));
    assert_eq!(said(first, "http.request.resend_count"), None);
    assert_eq!(
        (second.cause, said(second, "error.type")),
        (Cause::None, None)
    );
    assert_eq!(
        said(second, "http.request.resend_count"),
        Some(&Value::Number(1))
    );
    assert_eq!(said(second, "server.port"), Some(&Value::Number(8080)));
    assert_eq!(said(moved, "pilotage.takeover.from"), Some(&text("a")));
    assert_eq!(said(moved, "pilotage.takeover.reason"), Some(&text("lost")));
    assert_eq!(trail.context(), None, "it is over");
}

#[test]
fn the_root_has_the_names_of_the_conventions() {
    let now = start();
    let trace = finish(&mut sampled(), &record(), now).unwrap();
    let root = &trace.spans[0];
    for (key, value) in [
        ("http.request.method", text("GET")),
        ("http.route", text("blob")),
        ("http.response.status_code", Value::Number(200)),
        ("url.scheme", text("https")),
        ("server.address", text("registry.example.com")),
        ("server.port", Value::Number(8443)),
        ("client.address", text("192.0.2.7")),
        ("network.protocol.version", text("1.1")),
        ("tls.protocol.version", text("1.3")),
        ("pilotage.repository", text("lab/app")),
        ("pilotage.request_id", text("id-1")),
    ] {
        assert_eq!(said(root, key), Some(&value), "{key}");
    }
    let other = Record {
        method: "BREW",
        host: Some("[2001:db8::1]"),
        status: 503,
        fault: Some("no_node"),
        ..record()
    };
    let trace = finish(&mut sampled(), &other, now).unwrap();
    let root = &trace.spans[0];
    assert_eq!(
        (root.name.as_str(), root.cause),
        ("_OTHER blob", Cause::Failed)
    );
    assert_eq!(said(root, "error.type"), Some(&text("no_node")));
    assert_eq!(said(root, "server.address"), Some(&text("2001:db8::1")));
    assert_eq!(said(root, "server.port"), None);
}

#[test]
fn a_node_is_told_the_span_of_its_own_attempt() {
    let begin = start();
    let mut trail = sampled();
    let root = trail.context().unwrap();
    trail.asks(2, || place("a"), begin);
    let first = trail.context().unwrap();
    trail.asks(3, || place("b"), begin);
    let second = trail.context().unwrap();
    assert_eq!((first.trace, second.trace), (root.trace, root.trace));
    let trace = finish(&mut trail, &record(), begin).unwrap();
    let ids: Vec<_> = trace.spans.iter().map(|span| span.id).collect();
    assert_eq!(ids, [root.span, first.span, second.span]);
    assert_eq!(
        said(&trace.spans[1], "pilotage.outcome"),
        Some(&text("answered"))
    );
}

#[test]
fn a_trace_of_a_client_is_gone_on_with_and_sampled_as_the_client_says() {
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let given = Context::parse(given).unwrap();
    let never = Ratio::parse("0%").unwrap();
    let mut trail = Trail::begin(Some(given), never, (7, 1));
    let root = trail.context().unwrap();
    assert_eq!((root.trace, root.sampled), (given.trace, Sampled::Yes));
    assert_ne!(root.span, given.span);
    let trace = finish(&mut trail, &record(), start()).unwrap();
    assert_eq!(trace.spans[0].parent, Some(given.span));
    let unsampled = Context {
        sampled: Sampled::No,
        ..given
    };
    let mut trail = Trail::begin(Some(unsampled), Ratio::parse(RATIO).unwrap(), (7, 1));
    assert_eq!(finish(&mut trail, &record(), start()), None);
}

#[test]
fn of_what_nobody_samples_nodes_are_told_and_nothing_is_kept() {
    let mut trail = Trail::begin(None, Ratio::parse("0%").unwrap(), (7, 1));
    let root = trail.context().unwrap();
    trail.asks(2, || panic!("nothing is kept"), start());
    let attempt = trail.context().unwrap();
    assert_eq!((attempt.trace, attempt.sampled), (root.trace, Sampled::No));
    assert_ne!(attempt.span, root.span);
    trail.sends("PUT");
    trail.hears(200);
    assert_eq!(finish(&mut trail, &record(), start()), None);
    let mut off = Trail::default();
    off.asks(2, || panic!("nothing is kept"), start());
    assert_eq!(off.context(), None);
    assert_eq!(finish(&mut off, &record(), start()), None);
}

#[test]
fn spans_that_are_too_many_are_counted() {
    let begin = start();
    let mut trail = sampled();
    for number in 0..70 {
        trail.asks(100 + number, || place("a"), begin);
        trail.ends(Attempt::ConnectFailed, begin);
    }
    let trace = finish(&mut trail, &record(), begin).unwrap();
    assert_eq!((trace.spans.len(), trace.dropped), (65, 6));
}

#[test]
fn a_long_text_of_a_client_is_cut() {
    let long = "é".repeat(1_000);
    let record = Record {
        reference: Some(&long),
        ..record()
    };
    let trace = finish(&mut sampled(), &record, start()).unwrap();
    let Some(Value::Text(kept)) = said(&trace.spans[0], "pilotage.reference") else {
        panic!("it is not told");
    };
    assert_eq!(kept.len(), 320);
}
