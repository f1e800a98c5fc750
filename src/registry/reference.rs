//! References to manifests: a tag or a digest.

use std::fmt;
use std::sync::Arc;

use super::digest::Digest;

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A name that may move from one manifest to another.
    Tag(Tag),
    /// The name of exactly one content.
    Digest(Digest),
}

impl Reference {
    /// Reads a reference; a colon makes it a digest.
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains(':') {
            Digest::parse(text).map(Self::Digest)
        } else {
            Tag::parse(text).map(Self::Tag)
        }
    }

    /// The reference as it was written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag.as_str(),
            Self::Digest(digest) => digest.as_str(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The tag of a manifest, such as `latest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

impl Tag {
    /// Reads a tag: a word character first, then up to 127 of these, dots and dashes.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() <= MAX_TAG_LENGTH
            && text.bytes().next().is_some_and(is_word)
            && text
                .bytes()
                .all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'));
        fits.then(|| Self(Arc::from(text)))
    }

    /// The tag as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The distribution specification allows no longer tag.
const MAX_TAG_LENGTH: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_written() {
        for text in ["latest", "_x", "1.2.3-rc.1", "V1", "a", &"t".repeat(128)] {
            assert_eq!(Tag::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn other_tags_are_refused() {
        for text in [
            "",
            ".a",
            "-a",
            "a b",
            "a/b",
            "a:b",
            "a+b",
            "é",
            "..",
            &"t".repeat(129),
        ] {
            assert_eq!(Tag::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_colon_makes_a_reference_a_digest() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        assert!(matches!(
            Reference::parse(&digest),
            Some(Reference::Digest(_))
        ));
        assert!(matches!(
            Reference::parse("sha256"),
            Some(Reference::Tag(_))
        ));
        assert_eq!(Reference::parse("sha256:1"), None);
    }
}
