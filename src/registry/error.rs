//! The error envelope of the registry API, written and read.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// The codes of errors that we answer with ourselves.
///
/// Where the distribution specification has a code, it is that one; the rest are the words that
/// registries and Harbor use for the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The upload is not known (any more): clients begin it again.
    BlobUploadUnknown,
    /// The upload is known but can not go on.
    BlobUploadInvalid,
    /// The digest is malformed or does not belong to the content.
    DigestInvalid,
    /// The length does not belong to the content.
    SizeInvalid,
    /// The manifest can not be taken as it is.
    ManifestInvalid,
    /// The repository name is malformed.
    NameInvalid,
    /// Credentials are missing or wrong.
    Unauthorized,
    /// The client may not do this.
    Denied,
    /// The method or endpoint does not exist.
    Unsupported,
    /// The client asks too much at one time.
    TooManyRequests,
    /// The service can not answer now; later it can.
    Unavailable,
    /// The request is malformed.
    BadRequest,
    /// There is nothing under this path.
    NotFound,
    /// The body or header is larger than is taken.
    TooLarge,
    /// Something failed that has no better name.
    Unknown,
}

impl Code {
    /// The code as clients read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::NameInvalid => "NAME_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unavailable => "UNAVAILABLE",
            Self::BadRequest => "BAD_REQUEST",
            Self::NotFound => "NOT_FOUND",
            Self::TooLarge => "REQUEST_ENTITY_TOO_LARGE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One error of an envelope that a node wrote.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ErrorEntry {
    /// The code, of whatever registry speaks.
    pub code: String,
    /// What went wrong, in words; may be empty. For judging only: it can name inner addresses.
    #[serde(default, deserialize_with = "text_or_nothing")]
    pub message: String,
}

/// The media type of every envelope.
pub const ENVELOPE_TYPE: &str = "application/json; charset=utf-8";

/// Writes an envelope with one error; the details become the members of its `detail` object.
pub fn envelope(code: Code, message: &str, detail: &[(&str, &str)]) -> String {
    let written = Written {
        errors: [WrittenEntry {
            code: code.as_str(),
            message,
            detail: Detail(detail),
        }],
    };
    // Strings always serialise; the fallback keeps the answer well-formed if that ever changes.
    serde_json::to_string(&written)
        .unwrap_or_else(|_| format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#))
}

/// Reads the errors of an envelope. `None` when the body is none or has no error in it.
pub fn parse_envelope(body: &[u8]) -> Option<Vec<ErrorEntry>> {
    let read: Read = serde_json::from_slice(body).ok()?;
    (!read.errors.is_empty()).then_some(read.errors)
}

/// Whether an answer is the registry's own error: JSON (or of no declared type) with an envelope in
/// it, not the page of a proxy in between.
pub fn looks_like_envelope(content_type: Option<&str>, body: &[u8]) -> bool {
    let may_be_json = content_type.is_none_or(|value| {
        let media_type = value.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/json")
    });
    may_be_json && parse_envelope(body).is_some()
}

#[derive(Serialize)]
struct Written<'a> {
    errors: [WrittenEntry<'a>; 1],
}

#[derive(Serialize)]
struct WrittenEntry<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Detail::is_empty")]
    detail: Detail<'a>,
}

struct Detail<'a>(&'a [(&'a str, &'a str)]);

impl Detail<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Detail<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

#[derive(Deserialize)]
struct Read {
    errors: Vec<ErrorEntry>,
}

/// Some registries write `null` where they have nothing to say.
fn text_or_nothing<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_envelope_has_the_form_that_clients_read() {
        assert_eq!(
            envelope(
                Code::Unavailable,
                "no node is up",
                &[("request_id", "7"), ("retry", "5s")]
            ),
            concat!(
                r#"{"errors":[{"code":"UNAVAILABLE","message":"no node is up","#,
                r#""detail":{"request_id":"7","retry":"5s"}}]}"#,
            )
        );
        assert_eq!(
            envelope(Code::BlobUploadUnknown, "a \"quoted\"\nword", &[]),
            r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"a \"quoted\"\nword"}]}"#
        );
    }

    #[test]
    fn envelopes_of_nodes_are_read() {
        let body = concat!(
            r#"{"errors":[{"code":"DIGEST_INVALID","message":"no match","detail":{}},"#,
            r#"{"code":"X","message":null}]}"#,
        );
        let entries = parse_envelope(body.as_bytes()).unwrap();
        let codes: Vec<&str> = entries.iter().map(|entry| entry.code.as_str()).collect();
        assert_eq!(codes, ["DIGEST_INVALID", "X"]);
        assert_eq!(entries[0].message, "no match");
        assert_eq!(entries[1].message, "");
    }

    #[test]
    fn other_bodies_are_no_envelope() {
        for body in [
            "",
            "{}",
            "null",
            "[]",
            r#"{"errors":null}"#,
            r#"{"errors":[]}"#,
            r#"{"errors":[{"message":"x"}]}"#,
            r#"{"errors":[{"code":404}]}"#,
            r#"{"errors":[{"code":"X"}]} more"#,
            "<html>502</html>",
        ] {
            assert_eq!(parse_envelope(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn the_declared_type_counts() {
        let body = envelope(Code::Unknown, "", &[]);
        for (content_type, expected) in [
            (None, true),
            (Some("application/json"), true),
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("text/html"), false),
            (Some(""), false),
        ] {
            assert_eq!(looks_like_envelope(content_type, body.as_bytes()), expected);
        }
        assert!(!looks_like_envelope(
            Some("application/json"),
            b"Method not allowed"
        ));
    }

    proptest! {
        #[test]
        fn any_message_survives_writing_and_reading(message in ".*", key in ".*", value in ".*") {
            let body = envelope(Code::Denied, &message, &[(&key, &value)]);
            let entry = ErrorEntry { code: "DENIED".to_owned(), message };
            prop_assert_eq!(parse_envelope(body.as_bytes()), Some(vec![entry]));
        }

        #[test]
        fn reading_never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_envelope(&body);
        }
    }
}
