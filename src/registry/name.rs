//! Names of repositories.

use std::fmt;
use std::sync::Arc;

/// The name of a repository, such as `library/alpine`: one or more components between slashes.
///
/// Exists only in the form that registries accept, so it can be put into a path as it is. Never
/// changes its spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Arc<str>);

impl RepositoryName {
    /// Reads a name. `None` for anything a registry would not take as one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() <= MAX_LENGTH && text.split('/').all(is_component);
        fits.then(|| Self(Arc::from(text)))
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lower-case letters and digits, with single separators between runs of them.
fn is_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    is_alphanumeric(*first)
        && is_alphanumeric(*last)
        && bytes
            .split(|byte| is_alphanumeric(*byte))
            .all(|between| match between {
                b"" | b"." | b"_" | b"__" => true,
                dashes => dashes.iter().all(|byte| *byte == b'-'),
            })
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Registries refuse longer names.
const MAX_LENGTH: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_registries_take_are_read_as_written() {
        for text in [
            "a",
            "0",
            "library/alpine",
            "a.b/c_d/e__f/g-h/i---j",
            "blobs/uploads/manifests/tags/list",
            "v2/v2",
        ] {
            assert_eq!(RepositoryName::parse(text).unwrap().as_str(), text);
        }
        assert!(RepositoryName::parse(&"a".repeat(255)).is_some());
    }

    #[test]
    fn other_names_are_refused() {
        for text in [
            "", "/", "a/", "/a", "a//b", "A", "lab/App", ".a", "a.", "a..b", "a___b", "a._b",
            "a-_b", "-a", "a-", "a b", "a%2fb", "a\\b", "a:b", "_catalog", "é", "..", ".",
        ] {
            assert_eq!(RepositoryName::parse(text), None, "{text:?}");
        }
        assert_eq!(RepositoryName::parse(&"a".repeat(256)), None);
    }
}
