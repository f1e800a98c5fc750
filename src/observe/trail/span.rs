//! What is told of a request to whoever collects traces: spans, named by OpenTelemetry's conventions for HTTP.
//!
//! Everything is taken from the record and the trail, so a span says no more of a client than the record does.
//! There is no path, no query and no header; what a node is asked for is the record's route and repository.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::fleet::node::NodeId;
use crate::observe::labels::{Attempt, Label as _, Outcome};
use crate::observe::record::Record;
use crate::observe::trace::{Sampled, SpanId, TraceId};

use super::{Moved, Run, Trail, Tried};

/// All spans of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub id: TraceId,
    /// The request's own first.
    pub spans: Vec<Span>,
    /// Further ones that were too many.
    pub dropped: u32,
}

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub id: SpanId,
    pub parent: Option<SpanId>,
    pub kind: Kind,
    pub name: String,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    pub cause: Cause,
    pub attributes: Vec<(&'static str, Value)>,
}

/// Which side of an exchange a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request of a client.
    Server,
    /// A request of ours to a node.
    Client,
    Internal,
}

/// Whether the work failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    None,
    Failed,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(i64),
}

impl Trail {
    /// The spans of a request that is over now, where somebody wants them. The trail is empty then.
    pub fn finish(&mut self, record: &Record<'_>, now: Instant, wall: SystemTime) -> Option<Trace> {
        let run = self.0.take()?;
        if run.root.sampled == Sampled::No {
            return None;
        }
        let clock = Clock { now, wall };
        let method = known_method(record.method);
        let mut spans = vec![root(&run, record, &clock)];
        let attempts = run.attempts.iter().enumerate();
        spans.extend(attempts.map(|(number, one)| attempt(&run, (number, one), method, &clock)));
        spans.extend(run.takeovers.iter().map(|one| takeover(&run, one, &clock)));
        Some(Trace {
            id: run.root.trace,
            spans,
            dropped: run.dropped,
        })
    }
}

fn root(run: &Run, record: &Record<'_>, clock: &Clock) -> Span {
    let method = known_method(record.method);
    let mut about = vec![
        ("http.request.method", text(method)),
        (
            "url.scheme",
            text(if record.tls.is_some() {
                "https"
            } else {
                "http"
            }),
        ),
        ("http.route", text(record.route)),
        ("client.address", text(&record.client.to_string())),
        ("network.protocol.name", text("http")),
        ("http.request.body.size", number(record.bytes_in)),
        ("http.response.body.size", number(record.bytes_out)),
        ("pilotage.request_id", text(record.request_id)),
        ("pilotage.outcome", text(record.outcome.as_str())),
        ("pilotage.takeovers", number(record.takeovers)),
    ];
    if let Some((_, version)) = record.protocol.split_once('/') {
        about.push(("network.protocol.version", text(version)));
    }
    if let Some(version) = record.tls.and_then(|tls| tls.strip_prefix("TLSv")) {
        about.push(("tls.protocol.version", text(version)));
    }
    if let Some((host, port)) = record.host.map(split_port) {
        about.push(("server.address", text(host)));
        about.extend(port.map(|port| ("server.port", number(port))));
    }
    let told = [
        ("pilotage.repository", record.repo),
        ("pilotage.reference", record.reference),
        ("pilotage.node", record.node.map(NodeId::as_str)),
        ("pilotage.fault", record.fault),
    ];
    about.extend(
        told.into_iter()
            .filter_map(|(key, value)| Some((key, text(value?)))),
    );
    if record.status > 0 {
        about.push(("http.response.status_code", number(record.status)));
    }
    let cause = if record.status >= SERVER_ERROR || record.outcome == Outcome::Cut {
        Cause::Failed
    } else {
        Cause::None
    };
    if cause == Cause::Failed {
        let status = record.status.to_string();
        about.push(("error.type", text(record.fault.unwrap_or(&status))));
    }
    Span {
        id: run.root.span,
        parent: run.parent,
        kind: Kind::Server,
        name: format!("{method} {}", record.route),
        start: clock.before(record.total),
        end: clock.before(Duration::ZERO),
        cause,
        attributes: about,
    }
}

fn attempt(run: &Run, (number_of, tried): (usize, &Tried), asked: &str, clock: &Clock) -> Span {
    let method = tried.method.as_deref().map_or(asked, known_method);
    let (ended, outcome) = tried.ended.unwrap_or((clock.now, Attempt::Answered));
    let mut about = vec![
        ("http.request.method", text(method)),
        ("server.address", text(&tried.place.host)),
        ("server.port", number(tried.place.port)),
        ("pilotage.node", text(tried.place.node.as_str())),
        ("pilotage.outcome", text(outcome.as_str())),
    ];
    if number_of > 0 {
        about.push(("http.request.resend_count", number(number_of)));
    }
    if let Some(status) = tried.status {
        about.push(("http.response.status_code", number(status)));
    }
    let failed = !matches!(outcome, Attempt::Answered | Attempt::ClientLeft);
    let refused = tried.status.filter(|status| *status >= CLIENT_ERROR);
    let error = if failed {
        Some(outcome.as_str().to_owned())
    } else {
        refused.map(|status| status.to_string())
    };
    let cause = error.as_ref().map_or(Cause::None, |_| Cause::Failed);
    about.extend(error.map(|error| ("error.type", Value::Text(error))));
    Span {
        id: tried.span,
        parent: Some(run.root.span),
        kind: Kind::Client,
        name: method.to_owned(),
        start: clock.at(tried.begun),
        end: clock.at(ended),
        cause,
        attributes: about,
    }
}

fn takeover(run: &Run, moved: &Moved, clock: &Clock) -> Span {
    let told = &moved.takeover;
    let mut about = vec![
        ("pilotage.takeover.kind", text(told.kind.as_str())),
        ("pilotage.takeover.reason", text(told.reason.as_str())),
    ];
    let nodes = [
        ("pilotage.takeover.from", &told.from),
        ("pilotage.takeover.to", &told.to),
    ];
    let nodes = nodes.into_iter();
    about.extend(nodes.filter_map(|(key, node)| Some((key, text(node.as_ref()?.as_str())))));
    Span {
        id: moved.span,
        parent: Some(run.root.span),
        kind: Kind::Internal,
        name: "takeover".to_owned(),
        start: clock.at(told.since.min(moved.until)),
        end: clock.at(moved.until),
        cause: Cause::None,
        attributes: about,
    }
}

/// The end of the request on both clocks.
struct Clock {
    now: Instant,
    wall: SystemTime,
}

impl Clock {
    fn at(&self, instant: Instant) -> u64 {
        self.before(self.now.saturating_duration_since(instant))
    }

    fn before(&self, ago: Duration) -> u64 {
        let at = self.wall.checked_sub(ago).unwrap_or(UNIX_EPOCH);
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A method as the conventions write it: what is none of the known ones could be anything.
fn known_method(method: &str) -> &str {
    let known = [
        "GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    if known.contains(&method) {
        method
    } else {
        "_OTHER"
    }
}

/// A host without its brackets, and its port if it names one.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        Some(_) | None => (authority, None),
    };
    (host.trim_matches(['[', ']']), port)
}

/// As much of a text as a record would keep.
fn text(value: &str) -> Value {
    let end = value.floor_char_boundary(TEXT_LIMIT);
    Value::Text(value.get(..end).unwrap_or_default().to_owned())
}

fn number(value: impl TryInto<i64>) -> Value {
    Value::Number(value.try_into().unwrap_or(i64::MAX))
}

const CLIENT_ERROR: u16 = 400;
const SERVER_ERROR: u16 = 500;
/// The longest repository name has 255 bytes.
const TEXT_LIMIT: usize = 320;
