//! What the head of an answer says, reduced to what decides whether another node can go on with it.

use http::header::{self, HeaderName};
use http::{HeaderMap, StatusCode};

use crate::registry::digest::Digest;
use crate::registry::range::ContentRange;

/// The head of an answer to a GET of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub status: StatusCode,
    /// The length of the body, unless only its end will tell.
    pub content_length: Option<u64>,
    pub content_range: Option<ContentRange>,
    /// What the registry says the blob's digest is.
    pub digest: Option<Tag>,
    pub entity_tag: Option<Tag>,
    pub shape: Shape,
}

/// Whether the body can be the bytes of a blob as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Plain,
    /// Compressed on the way: offsets mean nothing.
    Encoded,
    /// HTML without a digest: something in front of the registry speaks.
    Page,
}

/// A name that a server gives to content: an entity tag or a digest.
///
/// Without quotes and without the mark of weakness, because nodes differ in both for the same blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(Box<str>);

impl Facts {
    /// Reads the head of an answer. What is unreadable or contradicts itself counts as not said, except that
    /// a digest is kept however it is written.
    pub fn read(status: StatusCode, headers: &HeaderMap) -> Self {
        let digest = single(headers, &DIGEST).map(Tag::new);
        let kind = single(headers, &header::CONTENT_TYPE).unwrap_or_default();
        let coding = single(headers, &header::CONTENT_ENCODING).unwrap_or("identity");
        let shape = if !coding.eq_ignore_ascii_case("identity") {
            Shape::Encoded
        } else if digest.is_none() && is_html(kind) {
            Shape::Page
        } else {
            Shape::Plain
        };
        let content_length = single(headers, &header::CONTENT_LENGTH)
            .filter(|_| !headers.contains_key(header::TRANSFER_ENCODING))
            .and_then(|text| text.parse().ok());
        Self {
            status,
            content_length,
            content_range: single(headers, &header::CONTENT_RANGE).and_then(ContentRange::parse),
            entity_tag: single(headers, &header::ETAG).map(Tag::new),
            digest,
            shape,
        }
    }

    /// Whether the answer is about another blob than the one that was asked for. An entity tag counts only
    /// when it is a digest, as a registry's is.
    pub(super) fn denies(&self, wanted: &Digest) -> bool {
        let tags = [&self.digest, &self.entity_tag];
        tags.into_iter().flatten().any(|tag| tag.denies(wanted))
    }
}

impl Tag {
    /// Takes a name as a header spells it.
    pub fn new(text: &str) -> Self {
        let strong = text.strip_prefix("W/").unwrap_or(text);
        let inner = strong
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        Self(Box::from(inner.unwrap_or(strong)))
    }

    /// Whether this is a digest of the same kind and yet another one. Different kinds cannot be compared: a
    /// registry may name a blob by its own algorithm, whatever it was asked by.
    fn denies(&self, wanted: &Digest) -> bool {
        let kind = self.0.split_once(':').map(|(algorithm, _)| algorithm);
        kind == Some(wanted.algorithm()) && &*self.0 != wanted.as_str()
    }
}

/// The value of a header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(only), None) => only.to_str().ok().map(str::trim),
        (None | Some(_), _) => None,
    }
}

fn is_html(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("text/html")
}

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[(&'static str, &'static str)]) -> Facts {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Facts::read(StatusCode::OK, &headers)
    }

    #[test]
    fn the_head_of_a_real_registry_is_understood() {
        let facts = read(&[
            ("content-type", "application/octet-stream"),
            ("content-length", "10"),
            ("content-range", "bytes 10-19/65"),
            ("docker-content-digest", "sha256:47"),
            ("etag", "\"sha256:47\""),
        ]);
        assert_eq!(facts.content_length, Some(10));
        let part = ContentRange::parse("bytes 10-19/65");
        assert_eq!(facts.content_range, part);
        assert_eq!(facts.digest, Some(Tag::new("sha256:47")));
        assert_eq!(facts.entity_tag, facts.digest);
        assert_eq!(facts.shape, Shape::Plain);
    }

    #[test]
    fn an_unquoted_or_weak_tag_equals_the_quoted_one() {
        for text in ["sha256:47", "\"sha256:47\"", "W/\"sha256:47\""] {
            assert_eq!(Tag::new(text), Tag::new("sha256:47"), "{text}");
        }
        assert_ne!(Tag::new("\"sha256:48\""), Tag::new("sha256:47"));
        assert_ne!(Tag::new("\"sha256:47"), Tag::new("sha256:47"));
    }

    #[test]
    fn a_length_that_is_in_doubt_is_no_length() {
        let doubtful: [&[_]; 4] = [
            &[("content-length", "1"), ("content-length", "2")],
            &[("content-length", "1"), ("transfer-encoding", "chunked")],
            &[("content-length", "-1")],
            &[],
        ];
        for lines in doubtful {
            assert_eq!(read(lines).content_length, None, "{lines:?}");
        }
    }

    #[test]
    fn pages_and_compressed_bodies_are_no_blobs() {
        let html = ("content-type", "text/html; charset=utf-8");
        let digest = ("docker-content-digest", "sha256:47");
        assert_eq!(read(&[html]).shape, Shape::Page);
        assert_eq!(read(&[html, digest]).shape, Shape::Plain);
        assert_eq!(read(&[("content-type", "text/plain")]).shape, Shape::Plain);
        assert_eq!(read(&[("content-encoding", "gzip")]).shape, Shape::Encoded);
        assert_eq!(
            read(&[("content-encoding", "Identity")]).shape,
            Shape::Plain
        );
    }

    #[test]
    fn only_a_digest_of_the_same_kind_denies() {
        let wanted = Digest::parse(&format!("sha256:{}", "0a".repeat(32))).unwrap();
        let denies = |text: &str| Tag::new(text).denies(&wanted);
        assert!(!denies(wanted.as_str()));
        assert!(denies("sha256:47") && denies(&format!("sha256:{}", "0A".repeat(32))));
        assert!(!denies("sha512:47") && !denies("5f-1a") && !denies(""));
    }
}
