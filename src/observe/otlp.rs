//! Spans as OTLP says them: protobuf messages for a collector, and what it answers.

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span as Message, SpanFlags, Status,
};
use prost::Message as _;

use super::trace::TraceId;
use super::trail::{Cause, Kind, Span, Trace, Value};

/// Who sends: one instance of one release.
#[derive(Debug, Clone)]
pub struct Sender {
    pub version: &'static str,
    /// Another one for every instance and every start.
    pub instance: String,
}

/// The body of a request that hands over these traces.
pub fn request(sender: &Sender, traces: &[Trace]) -> Vec<u8> {
    let resource = [
        ("service.name", SERVICE),
        ("service.version", sender.version),
        ("service.instance.id", &sender.instance),
    ];
    let resource = resource.map(|(key, value)| attribute(key, Any::StringValue(value.to_owned())));
    let spans = traces.iter().flat_map(|trace| {
        let message = |span| message(trace.id, span);
        trace.spans.iter().map(message)
    });
    let scope = InstrumentationScope {
        name: SERVICE.to_owned(),
        version: sender.version.to_owned(),
        ..InstrumentationScope::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: resource.into(),
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans: spans.collect(),
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    };
    request.encode_to_vec()
}

/// How many spans a collector that answered well would not have all the same.
pub fn rejected(answer: &[u8]) -> u64 {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    u64::try_from(partial.rejected_spans).unwrap_or(0)
}

fn message(trace: TraceId, span: &Span) -> Message {
    let kind = match span.kind {
        Kind::Server => SpanKind::Server,
        Kind::Client => SpanKind::Client,
        Kind::Internal => SpanKind::Internal,
    };
    let status = match span.cause {
        Cause::None => StatusCode::Unset,
        Cause::Failed => StatusCode::Error,
    };
    // Only what a client began has a parent elsewhere.
    let remote = match (span.kind, span.parent) {
        (Kind::Server, Some(_)) => i32::from(SpanFlags::ContextIsRemoteMask),
        (Kind::Server | Kind::Client | Kind::Internal, _) => 0,
    };
    let flags = SAMPLED | i32::from(SpanFlags::ContextHasIsRemoteMask) | remote;
    Message {
        trace_id: trace.to_bytes().to_vec(),
        span_id: span.id.to_bytes().to_vec(),
        parent_span_id: span
            .parent
            .map_or_else(Vec::new, |id| id.to_bytes().to_vec()),
        flags: u32::try_from(flags).unwrap_or_default(),
        name: span.name.clone(),
        kind: kind.into(),
        start_time_unix_nano: span.start,
        end_time_unix_nano: span.end,
        attributes: span.attributes.iter().map(told).collect(),
        status: Some(Status {
            code: status.into(),
            ..Status::default()
        }),
        ..Message::default()
    }
}

fn told((key, value): &(&'static str, Value)) -> KeyValue {
    let value = match value {
        Value::Text(text) => Any::StringValue(text.clone()),
        Value::Number(number) => Any::IntValue(*number),
    };
    attribute(key, value)
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

const SERVICE: &str = "pilotage";
/// The flag of W3C Trace Context: what nobody samples is never sent.
const SAMPLED: i32 = 1;

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;
    use crate::observe::trace::SpanId;

    fn span(id: u64, parent: Option<u64>, kind: Kind) -> Span {
        Span {
            id: SpanId::drawn(id),
            parent: parent.map(SpanId::drawn),
            kind,
            name: "GET blob".to_owned(),
            start: 3,
            end: 5,
            cause: Cause::Failed,
            attributes: vec![
                ("http.route", Value::Text("blob".to_owned())),
                ("http.response.status_code", Value::Number(502)),
            ],
        }
    }

    #[test]
    fn a_trace_is_one_message_that_says_who_sends_it() {
        let sender = Sender {
            version: "1.2.3",
            instance: "one".to_owned(),
        };
        let trace = Trace {
            id: TraceId::drawn(7),
            spans: vec![
                span(1, Some(9), Kind::Server),
                span(2, Some(1), Kind::Client),
            ],
            dropped: 0,
        };
        let sent = request(&sender, &[trace]);
        let read = ExportTraceServiceRequest::decode(sent.as_slice()).unwrap();
        let [all] = read.resource_spans.as_slice() else {
            panic!("{read:?}");
        };
        let about = all.resource.clone().unwrap().attributes;
        let keys: Vec<_> = about.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(
            keys,
            ["service.name", "service.version", "service.instance.id"]
        );
        let [root, attempt] = all.scope_spans[0].spans.as_slice() else {
            panic!("{read:?}");
        };
        assert_eq!(root.trace_id, 7u128.to_be_bytes());
        assert_eq!(
            (root.kind(), attempt.kind()),
            (SpanKind::Server, SpanKind::Client)
        );
        assert_eq!(root.parent_span_id, 9u64.to_be_bytes());
        assert_eq!(attempt.parent_span_id, root.span_id);
        assert_eq!((root.flags, attempt.flags), (0x301, 0x101));
        assert_eq!((root.start_time_unix_nano, root.end_time_unix_nano), (3, 5));
        assert_eq!(root.status.clone().unwrap().code(), StatusCode::Error);
        assert_eq!(root.attributes.len(), 2);
    }

    #[test]
    fn what_a_collector_would_not_have_is_read_from_its_answer() {
        let partial = |rejected_spans| ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans,
                error_message: "no".to_owned(),
            }),
        };
        assert_eq!(rejected(&partial(3).encode_to_vec()), 3);
        assert_eq!(rejected(&partial(-3).encode_to_vec()), 0);
        assert_eq!(rejected(b""), 0);
        assert_eq!(rejected(b"<html>"), 0);
    }
}
