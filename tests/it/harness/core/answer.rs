//! Answers in the forms Harbor gives them.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Body = BoxBody<Bytes, Failure>;
pub(super) type Answer = Response<Body>;

/// Harbor's and the registry's refusal in JSON.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Present, and possibly empty, on 401 under `/v2/`.
    pub(super) challenge: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
            challenge: None,
        }
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "UNKNOWN",
            "internal server error",
        )
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "unauthorized")
    }

    pub(super) fn read_only() -> Self {
        let message = "The system is in read only mode. Any modification is prohibited.";
        Self::new(StatusCode::FORBIDDEN, "DENIED", message)
    }

    /// A 401 under `/v2/`, whose message Harbor says twice.
    pub(super) fn challenged(challenge: String, message: &str) -> Self {
        Self {
            message: format!("{message}: {message}"),
            challenge: Some(challenge),
            ..Self::unauthorized()
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let errors = json!({ "errors": [{ "code": refusal.code, "message": refusal.message }] });
        let content_type = "application/json; charset=utf-8";
        let mut answer = text(refusal.status.as_u16(), content_type, format!("{errors}\n"));
        if let Some(challenge) = refusal.challenge {
            let headers = answer.headers_mut();
            headers.insert(
                "docker-distribution-api-version",
                HeaderValue::from_static("registry/2.0"),
            );
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_str(&challenge).unwrap());
        }
        answer
    }
}

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed()
}

pub(super) fn text(status: u16, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(full(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    answer
}

/// 200 with JSON and the newline that Harbor's encoder adds.
pub(super) fn json(content_type: &str, value: &Value) -> Answer {
    text(200, content_type, format!("{value}\n"))
}

pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(full(""));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    answer
}
