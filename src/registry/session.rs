//! Sessions: uploads in progress.

use std::fmt;
use std::sync::Arc;

/// The identity of an upload, as it stands in the upload's path.
///
/// Opaque: a UUID in practice, but nothing may rely on that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Reads an identity: letters, digits and `-_.=`, and no segment that a path would resolve.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.len() <= MAX_LENGTH
            && text != "."
            && text != ".."
            && text.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=')
            });
        fits.then(|| Self(Arc::from(text)))
    }

    /// The identity as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Registries use 36 characters; the rest is room for those that pack state into the path.
const MAX_LENGTH: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_opaque_but_safe_in_a_path() {
        for text in [
            "e4d4c18f-edd2-4e6a-b6bb-1726dad19b79",
            "a",
            "A_b.c=",
            "...",
            "=",
        ] {
            assert_eq!(SessionId::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            ".",
            "..",
            "a/b",
            "a%20b",
            "a?b",
            "a b",
            "é",
            &"x".repeat(513),
        ] {
            assert_eq!(SessionId::parse(text), None, "{text:?}");
        }
    }
}
