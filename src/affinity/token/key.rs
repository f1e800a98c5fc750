//! Keys that seal upload tokens, and the file that lists them.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};

/// A secret of 32 bytes, shared by all balancers. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

/// A list of keys that cannot be used. Never quotes what it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("no key is listed")]
    Missing,
    #[error("line {line} is neither base64 nor hex")]
    Unreadable { line: usize },
    #[error("line {line} holds {bytes} bytes, a key has 32")]
    Length { line: usize, bytes: usize },
    #[error("line {line} repeats one byte, a key is random")]
    Weak { line: usize },
    #[error("more than {MAX_KEYS} keys are listed")]
    TooMany,
}

impl Key {
    /// The key as a line of the key file.
    pub fn encode(&self) -> String {
        general_purpose::STANDARD.encode(self.0)
    }

    pub(in crate::affinity) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn parse(text: &str, line: usize) -> Result<Self, KeyError> {
        let bytes = if text.len() == 64 {
            decode_hex(text)
        } else {
            decode_base64(text)
        };
        let bytes = bytes.ok_or(KeyError::Unreadable { line })?;
        let key: [u8; 32] = bytes
            .try_into()
            .map_err(|bytes: Vec<u8>| KeyError::Length {
                line,
                bytes: bytes.len(),
            })?;
        if key == [key[0]; 32] {
            return Err(KeyError::Weak { line });
        }
        Ok(Self(key))
    }
}

impl From<[u8; 32]> for Key {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Reads a key file: one key a line, newest first, in base64 of either alphabet or in hex. What
/// follows a `#` is a comment.
pub fn parse_keys(text: &str) -> Result<Vec<Key>, KeyError> {
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split_once('#').map_or(line, |(key, _)| key).trim();
        if !line.is_empty() {
            keys.push(Key::parse(line, index + 1)?);
        }
    }
    match keys.len() {
        0 => Err(KeyError::Missing),
        n if n > MAX_KEYS => Err(KeyError::TooMany),
        _ => Ok(keys),
    }
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.replace('-', "+").replace('_', "/");
    ANY_PADDING.decode(text).ok()
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Far more than any rotation needs at one time.
const MAX_KEYS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_lists_keys_in_base64_or_hex_newest_first() {
        let text = "# made by hand\n\n  //79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=  # newest\r\n\
            __79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA\n\
            000102030405060708090a0B0C0D0E0F101112131415161718191a1b1c1d1e1f\n";
        let down = Key(std::array::from_fn(|index| {
            255 - u8::try_from(index).unwrap()
        }));
        let up = Key(std::array::from_fn(|index| u8::try_from(index).unwrap()));
        assert_eq!(parse_keys(text).unwrap(), [down.clone(), down, up]);
    }

    #[test]
    fn what_is_no_key_is_refused_by_its_line() {
        let hex = "0g".repeat(32);
        for (text, expected) in [
            ("", KeyError::Missing),
            ("# nothing\n\n", KeyError::Missing),
            ("\nkey!", KeyError::Unreadable { line: 2 }),
            (hex.as_str(), KeyError::Unreadable { line: 1 }),
            ("AAECAwQ=", KeyError::Length { line: 1, bytes: 5 }),
            (&"00".repeat(32), KeyError::Weak { line: 1 }),
        ] {
            assert_eq!(parse_keys(text), Err(expected), "{text:?}");
        }
        let many = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n".repeat(17);
        assert_eq!(parse_keys(&many), Err(KeyError::TooMany));
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = Key::from([65; 32]);
        assert_eq!(format!("{key:?}"), "Key");
    }

    proptest! {
        #[test]
        fn an_encoded_key_is_read_back(bytes: [u8; 32]) {
            let key = Key::from(bytes);
            match parse_keys(&key.encode()) {
                Ok(keys) => prop_assert_eq!(keys, [key]),
                Err(error) => prop_assert_eq!(error, KeyError::Weak { line: 1 }),
            }
        }
    }
}
