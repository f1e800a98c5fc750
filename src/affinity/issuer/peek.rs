//! A look at a token: by which key it says it was signed. Never a check of anything.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use ring::digest::{SHA256, digest};
use serde::Deserialize;

use super::KeyId;

/// What a token says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peek {
    pub key: KeyId,
    pub name: KeyName,
    /// Seconds since 1970.
    pub expires: Option<u64>,
}

/// Whether a token tells its key apart from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyName {
    /// The id stands for the key of all tokens that have it.
    Told,
    /// The header names no key: the id stands for this token alone.
    Untold,
}

impl Peek {
    /// Looks at a JSON web token; `None` for anything else.
    pub fn at(token: &str) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let mut parts = token.split('.');
        let (head, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || signature.is_empty() {
            return None;
        }
        let head: Head = serde_json::from_slice(&BASE64URL.decode(head).ok()?).ok()?;
        let claims = BASE64URL.decode(claims).ok();
        let claims: Option<Claims> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
        let (key, name) = match head.key() {
            Some(text) => (KeyId::of(text.as_bytes()), KeyName::Told),
            None => (KeyId::of(token.as_bytes()), KeyName::Untold),
        };
        Some(Self {
            key,
            name,
            expires: claims.and_then(|claims| claims.exp),
        })
    }

    /// Looks at the token that a request carries.
    pub fn at_authorization(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.trim();
        let (scheme, token) = text.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        Self::at(token.trim())
    }

    /// Looks at the token that a token service hands out. `body` is all of its answer.
    pub fn at_answer(body: &[u8]) -> Option<Self> {
        let answer: Answer = serde_json::from_slice(body).ok()?;
        let told = [answer.token, answer.access_token];
        let mut told = told.iter().flatten().filter(|token| !token.is_empty());
        Self::at(told.next()?)
    }
}

impl KeyId {
    fn of(text: &[u8]) -> Self {
        let hash = digest(&SHA256, text);
        let bytes = hash.as_ref().first_chunk().copied();
        Self(u128::from_be_bytes(
            bytes.expect("a SHA-256 value is longer than an id"),
        ))
    }
}

/// The header, as far as it names a key. Harbor writes `kid`; registries of its first generation want `x5c`.
#[derive(Deserialize)]
struct Head {
    kid: Option<String>,
    x5c: Option<Vec<String>>,
    jwk: Option<serde_json::Value>,
}

impl Head {
    fn key(self) -> Option<String> {
        let kid = self.kid.filter(|kid| !kid.is_empty());
        let certificate = || self.x5c.and_then(|chain| chain.into_iter().next());
        let whole = || self.jwk.map(|key| key.to_string());
        kid.or_else(certificate).or_else(whole)
    }
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<u64>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// No request head that is let in holds more.
const MAX_TOKEN: usize = 512 * 1024;
