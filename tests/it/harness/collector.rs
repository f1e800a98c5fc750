//! A stand-in for a collector of OpenTelemetry traces: it takes what is sent over OTLP/http, and shows it as spans.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::balancer::SECRETS;
use super::ports::{self, Subnet};
use super::recorder::{Received, Recorder, answer};
use super::wait::{SOON, until};

/// One span as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub trace: String,
    pub id: String,
    /// Empty, when there is none.
    pub parent: String,
    pub name: String,
    /// Such as `Server`.
    pub kind: String,
    pub start: u64,
    pub end: u64,
    pub failed: bool,
    pub attributes: BTreeMap<String, String>,
    /// What is said of the sender.
    pub sender: BTreeMap<String, String>,
}

impl Seen {
    /// An attribute; empty when there is none.
    pub fn says(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

/// All spans of one request.
#[derive(Debug)]
pub struct Told {
    pub root: Seen,
    /// In the order of their beginnings.
    pub attempts: Vec<Seen>,
    pub takeovers: Vec<Seen>,
}

impl Told {
    /// Panics unless everything happened while the request ran.
    #[track_caller]
    pub fn expect_within_the_request(&self) {
        let root = &self.root;
        for span in self.attempts.iter().chain(&self.takeovers) {
            let times = [root.start, span.start, span.end, root.end];
            assert!(times.is_sorted(), "{span:#?} within {root:#?}");
        }
    }
}

/// A collector that takes everything.
#[derive(Debug)]
pub struct Collector {
    recorder: Recorder,
}

impl Collector {
    pub async fn start() -> Self {
        Self::at(ports::free(Subnet::take().host(1))).await
    }

    /// At an address that was chosen beforehand.
    pub async fn at(address: SocketAddr) -> Self {
        let taken = |_: &Received| answer(200, &[("Content-Type", "application/x-protobuf")], "");
        Self {
            recorder: Recorder::start(address, taken).await,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.recorder.address()
    }

    pub fn url(&self) -> String {
        self.recorder.url()
    }

    /// What was sent to it so far.
    pub fn requests(&self) -> Vec<Received> {
        self.recorder.all()
    }

    /// All spans so far, in the order in which they came.
    #[track_caller]
    pub fn spans(&self) -> Vec<Seen> {
        self.requests().iter().flat_map(spans).collect()
    }

    /// Waits for the trace of the request with this id.
    pub async fn trace(&self, request_id: &str) -> Told {
        let what = format!("the trace of {request_id} has come");
        until(&what, SOON, async || {
            let all = self.spans();
            let fits = |span: &&Seen| span.says("pilotage.request_id") == request_id;
            let root = all.iter().find(fits)?.clone();
            let of_kind = |kind: &str| {
                let fits = |span: &&Seen| span.trace == root.trace && span.kind == kind;
                let mut found: Vec<_> = all.iter().filter(fits).cloned().collect();
                found.retain(|span| span.parent == root.id);
                found.sort_by_key(|span| span.start);
                found
            };
            Some(Told {
                attempts: of_kind("Client"),
                takeovers: of_kind("Internal"),
                root,
            })
        })
        .await
    }
}

#[track_caller]
fn spans(request: &Received) -> Vec<Seen> {
    assert_eq!(request.method, "POST");
    assert_eq!(request.values("content-type"), ["application/x-protobuf"]);
    let body = request.content();
    let text = String::from_utf8_lossy(&body);
    let secret = SECRETS.iter().find(|secret| text.contains(**secret));
    assert_eq!(secret, None, "it was told to the collector");
    let read = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let mut all = Vec::new();
    for group in read.resource_spans {
        let sender = texts(&group.resource.unwrap().attributes);
        let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        all.extend(spans.map(|span| seen(&span, &sender)));
    }
    all
}

fn seen(span: &Span, sender: &BTreeMap<String, String>) -> Seen {
    Seen {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name.clone(),
        kind: format!("{:?}", span.kind()),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        failed: span.status.as_ref().is_some_and(|status| status.code == 2),
        attributes: texts(&span.attributes),
        sender: sender.clone(),
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |one: &KeyValue| match one.value.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{}: {other:?}", one.key),
    };
    attributes
        .iter()
        .map(|one| (one.key.clone(), text(one)))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}
