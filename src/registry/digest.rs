//! Digests: names of content.

use std::fmt;
use std::sync::Arc;

/// The digest of content, such as `sha256:` and 64 hexadecimal digits.
///
/// Only its form is known to be right: whether content has this digest is for its reader to find
/// out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Arc<str>);

impl Digest {
    /// Reads a digest. The two registered algorithms are held to their exact form; others to the
    /// grammar of the image specification.
    pub fn parse(text: &str) -> Option<Self> {
        let (algorithm, encoded) = text.split_once(':')?;
        let fits = match algorithm {
            "sha256" => is_lower_hex(encoded, 64),
            "sha512" => is_lower_hex(encoded, 128),
            _ => text.len() <= MAX_LENGTH && is_algorithm(algorithm) && is_encoded(encoded),
        };
        fits.then(|| Self(Arc::from(text)))
    }

    /// The digest as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the colon, such as `sha256`.
    pub fn algorithm(&self) -> &str {
        self.0
            .split_once(':')
            .map_or("", |(algorithm, _)| algorithm)
    }

    /// The part after the colon.
    pub fn encoded(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, encoded)| encoded)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_lower_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_algorithm(text: &str) -> bool {
    text.split(['+', '.', '_', '-']).all(|component| {
        !component.is_empty()
            && component
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

fn is_encoded(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-'))
}

/// Twice what the longest registered digest takes leaves room for algorithms to come.
const MAX_LENGTH: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_any_algorithm_are_read_as_written() {
        let sha256 = format!("sha256:{}", "0a".repeat(32));
        let sha512 = format!("sha512:{}", "f9".repeat(64));
        for text in [
            &sha256,
            &sha512,
            "md5:abc",
            "multihash+base58:QmRZxt2b1FVZ_-=",
            "a.b_c-d:X",
        ] {
            assert_eq!(Digest::parse(text).unwrap().as_str(), text);
        }
        let digest = Digest::parse(&sha256).unwrap();
        assert_eq!(digest.algorithm(), "sha256");
        assert_eq!(digest.encoded(), "0a".repeat(32));
    }

    #[test]
    fn malformed_digests_are_refused() {
        let long = format!("other:{}", "a".repeat(255));
        let upper = format!("sha256:{}", "0A".repeat(32));
        let short = format!("sha256:{}", "0a".repeat(31));
        let wrong_length = format!("sha512:{}", "0a".repeat(32));
        for text in [
            "",
            ":",
            "sha256",
            "sha256:",
            "sha256:xyz",
            ":abc",
            "SHA256:abc",
            "a..b:abc",
            "a+:abc",
            "md5:a:b",
            "md5:a/b",
            "md5:a.b",
            "sha256%3Aabc",
            &long,
            &upper,
            &short,
            &wrong_length,
        ] {
            assert_eq!(Digest::parse(text), None, "{text:?}");
        }
    }
}
