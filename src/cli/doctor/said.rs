//! What a node said to one question.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::registry::error::parse_envelope;

/// What came of one question.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Answer(Answer),
    Nothing(Silence),
}

/// An answer with the part of its body that was read.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// When the question was half answered, in milliseconds since 1970 by our clock.
    pub(super) at_ms: i64,
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    Unreachable,
    Unverified,
    Broken,
    TimedOut,
}

impl Silence {
    /// For people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "no connection",
            Self::Unverified => "its certificate could not be verified",
            Self::Broken => "the connection broke",
            Self::TimedOut => "no answer in time",
        }
    }
}

impl Said {
    /// The answer, if there was one.
    pub(super) fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Nothing(_) => None,
        }
    }

    /// The answer, if it has this status.
    pub(super) fn with(&self, status: u16) -> Option<&Answer> {
        self.answer().filter(|answer| answer.status == status)
    }

    /// The status.
    pub(super) fn status(&self) -> Option<u16> {
        self.answer().map(|answer| answer.status)
    }

    /// For people: status and the code of the error, or why there is nothing.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Answer(answer) => answer.words(),
            Self::Nothing(silence) => silence.words().to_owned(),
        }
    }
}

impl Answer {
    /// A header that stands there once, or its first value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The code of the first error in a registry's envelope.
    pub(super) fn code(&self) -> Option<String> {
        let code = parse_envelope(&self.body)?.into_iter().next()?.code;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        code.chars().all(plain).then_some(code)
    }

    /// The value of a cookie that this answer sets.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let all = self.headers.get_all(http::header::SET_COOKIE).iter();
        all.filter_map(|value| value.to_str().ok())
            .filter_map(|value| value.split(';').next()?.trim().split_once('='))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// For people: the status and the code of the error.
    pub(super) fn words(&self) -> String {
        match self.code() {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        }
    }
}

#[cfg(test)]
pub(super) fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Said {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    Said::Answer(Answer {
        status,
        headers: map,
        body: Bytes::from(body.to_owned()),
        at_ms: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quote_the_code_of_an_error_and_never_a_body() {
        let body = r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"m"}]}"#;
        assert_eq!(answer(404, &[], body).words(), "404 BLOB_UNKNOWN");
        assert_eq!(answer(502, &[], "<html>secret").words(), "502");
        let odd = r#"{"errors":[{"code":"a b\n","message":"m"}]}"#;
        assert_eq!(answer(400, &[], odd).words(), "400");
    }

    #[test]
    fn a_cookie_is_found_among_several() {
        let headers = [
            ("set-cookie", "a=1; Path=/"),
            ("set-cookie", "sid=xy; Secure"),
        ];
        let said = answer(200, &headers, "");
        assert_eq!(said.answer().unwrap().cookie("sid"), Some("xy"));
        assert_eq!(said.answer().unwrap().cookie("b"), None);
    }
}
