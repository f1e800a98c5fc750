//! Answers of the admin pages, before they become HTTP.

use std::fmt;

use http::StatusCode;
use serde::Serialize;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// Why a question is not answered: what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    #[serde(skip)]
    pub(super) status: StatusCode,
    what: String,
    #[serde(rename = "where")]
    place: String,
    remedy: String,
    /// What is wrong, one by one, where it is several things.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    problems: Box<[String]>,
    #[serde(skip)]
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(super) fn text(status: StatusCode, text: &str) -> Self {
        Self {
            status,
            kind: "text/plain; charset=utf-8",
            body: text.as_bytes().to_vec(),
            headers: Vec::new(),
        }
    }

    /// A document, in a form that people can read too.
    pub(super) fn json(document: &impl Serialize) -> Self {
        Self::document(StatusCode::OK, document)
    }

    pub(super) fn raw(kind: &'static str, body: Vec<u8>) -> Self {
        Self {
            status: StatusCode::OK,
            kind,
            body,
            headers: Vec::new(),
        }
    }

    pub(super) fn failed(error: &dyn fmt::Display) -> Self {
        Self::text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n"))
    }

    fn document(status: StatusCode, document: &impl Serialize) -> Self {
        match serde_json::to_vec_pretty(document) {
            Ok(mut body) => {
                body.push(b'\n');
                Self {
                    status,
                    ..Self::raw(JSON, body)
                }
            }
            Err(error) => Self::failed(&error),
        }
    }
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        what: impl Into<String>,
        place: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status,
            what: what.into(),
            place: place.into(),
            remedy: remedy.into(),
            problems: Box::default(),
            headers: Vec::new(),
        }
    }

    /// Of several things at one time.
    pub(super) fn of(self, problems: Vec<String>) -> Self {
        Self {
            problems: problems.into(),
            ..self
        }
    }

    /// With a header that belongs to it.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let mut answer = Self::document(refusal.status, &serde_json::json!({ "error": refusal }));
        answer.headers = refusal.headers;
        answer
    }
}

const JSON: &str = "application/json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_where_and_what_to_do() {
        let refusal = Refusal::new(
            StatusCode::CONFLICT,
            "is off",
            "/v1/nodes/a/undrain",
            "use on",
        );
        let answer = Answer::from(refusal.with("Allow", "GET"));
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.headers, [("Allow", "GET".to_owned())]);
        let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let expected = serde_json::json!({
            "error": { "what": "is off", "where": "/v1/nodes/a/undrain", "remedy": "use on" }
        });
        assert_eq!(document, expected);
        let several = Refusal::new(StatusCode::CONFLICT, "a; b", "/", "mend them");
        let several = serde_json::to_value(several.of(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(several.unwrap()["problems"], serde_json::json!(["a", "b"]));
    }
}
