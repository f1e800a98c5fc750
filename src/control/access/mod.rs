//! Who may ask: a token, a certificate, or the machine itself.
//!
//! A browser of an operator may be led by a foreign page to send requests here, and on a loopback address it needs no
//! credential for that. So what changes something has to be JSON, which no page may send elsewhere unasked; what
//! names where it comes from must come from here; and without credentials the address has to be one that no foreign
//! name can be made to point at.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use ring::digest::{SHA256, digest};

use super::host::{Named, named};

/// Tokens with the names of their owners. Only digests are kept.
#[derive(Clone, Default)]
pub struct Tokens(Vec<(String, [u8; 32])>);

/// Why a list of tokens cannot be used. It never quotes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokensError {
    #[error("holds no token; write at least one, made by: openssl rand -hex 32")]
    Empty,
    #[error(
        "line {0}: a token has at least 16 visible characters; make one by: openssl rand -hex 32"
    )]
    Weak(usize),
    #[error("line {0}: a name before the colon has 1 to 40 of a-z, A-Z, 0-9, '-', '_' and '.'")]
    Name(usize),
}

/// Who is let in.
#[derive(Debug, Clone)]
pub enum Guarding {
    /// Everybody who can reach the address: it is the machine's own.
    Open,
    /// Whoever shows one of these.
    Credentials(Tokens),
}

/// What is known of whoever asks.
#[derive(Debug)]
pub struct Caller<'a> {
    pub peer: IpAddr,
    pub headers: &'a HeaderMap,
    /// The subject of a certificate that was checked when the connection was made.
    pub certificate: Option<String>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No credential at all.
    Unknown,
    /// A token that is not one of ours.
    WrongToken,
    /// The name it asked for may have been made up by a foreign page.
    ForeignHost,
    /// A page of another site sent it.
    ForeignPage,
    /// A change that is not JSON.
    NotJson,
}

/// Whether a request changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    Read,
    Change,
}

impl Tokens {
    /// Reads a token on each line, with the name of its owner and a colon before it, or alone. Empty lines and lines
    /// that begin with `#` do not count.
    pub fn parse(text: &str) -> Result<Self, TokensError> {
        let mut tokens = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, token) = line.split_once(':').unwrap_or((NAMELESS, line));
            if !is_name(name) {
                return Err(TokensError::Name(index + 1));
            }
            if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(TokensError::Weak(index + 1));
            }
            tokens.push((name.to_owned(), hashed(token)));
        }
        if tokens.is_empty() {
            return Err(TokensError::Empty);
        }
        Ok(Self(tokens))
    }

    /// The owner of a token. Takes as long for any other: what is compared are digests, all of them, and whole.
    fn owner(&self, token: &str) -> Option<&str> {
        let shown = hashed(token);
        let mut owner = None;
        for (name, known) in &self.0 {
            let pairs = known.iter().zip(shown);
            let differs = pairs.fold(0, |differs, (a, b)| differs | (a ^ b));
            if differs == 0 {
                owner = Some(name.as_str());
            }
        }
        owner
    }
}

/// The first token of a list, for a program that asks on behalf of whoever may read the list.
pub fn first_token(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim);
    let mut tokens = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let line = tokens.next()?;
    Some(line.split_once(':').map_or(line, |(_, token)| token))
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Says who asks, or why he is not let in.
pub fn admit(guarding: &Guarding, caller: &Caller<'_>, intent: Intent) -> Result<String, Denied> {
    let who = identify(guarding, caller)?;
    let followed = intent == Intent::Read && is_followed(caller.headers);
    if is_foreign(caller.headers) && !followed {
        return Err(Denied::ForeignPage);
    }
    if intent == Intent::Change && !is_json(caller.headers) {
        return Err(Denied::NotJson);
    }
    Ok(who)
}

fn identify(guarding: &Guarding, caller: &Caller<'_>) -> Result<String, Denied> {
    match guarding {
        Guarding::Open => match caller.headers.get(HOST).map(named) {
            Some(Named::Machine) | None => Ok(format!("{} without credentials", caller.peer)),
            Some(Named::Other) => Err(Denied::ForeignHost),
        },
        Guarding::Credentials(tokens) => {
            if let Some(subject) = &caller.certificate {
                return Ok(format!("certificate {subject}"));
            }
            match token(caller.headers) {
                None => Err(Denied::Unknown),
                Some(token) => match tokens.owner(&token) {
                    Some(name) => Ok(format!("token {name}")),
                    None => Err(Denied::WrongToken),
                },
            }
        }
    }
}

/// The token that is shown: as itself by a program, as a password by a browser, with any name.
fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    Some(password.to_owned())
}

/// Whether a page of another site made the browser send this.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let host = text(HOST.as_str()).unwrap_or_default();
    let origin = text(ORIGIN.as_str()).is_some_and(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority != Some(host)
    });
    site || origin
}

/// Whether somebody follows a link to here: his browser shows the page to nobody but him.
fn is_followed(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=40).contains(&name.len()) && name.bytes().all(allowed)
}

fn hashed(token: &str) -> [u8; 32] {
    let value = digest(&SHA256, token.as_bytes());
    value
        .as_ref()
        .try_into()
        .expect("a SHA-256 value has 32 bytes")
}

/// The owner of a token without a name.
const NAMELESS: &str = "unnamed";
/// With fewer characters somebody could find it by trying.
const SHORTEST: usize = 16;

#[cfg(test)]
mod tests;
