//! Session cookies in headers: which one a browser brings, and which one a node sets.

use http::{HeaderMap, header};

/// What an answer does with the session cookie of a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given<'h> {
    /// The browser has this session from now on.
    Set(&'h [u8]),
    /// The browser forgets its session.
    Cleared,
}

/// The session cookie of a request: the first of these names that it brings with a value.
pub fn read<'h>(headers: &'h HeaderMap, names: &[String]) -> Option<&'h [u8]> {
    names.iter().find_map(|name| value(headers, name))
}

/// The value of one cookie of a request, unless it is empty.
pub fn value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let all = headers.get_all(header::COOKIE).iter();
    let mut pairs = all.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    pairs.find_map(|pair| named(pair, name).filter(|value| fits(value)))
}

/// What the `Set-Cookie` lines of an answer do with session cookies of these names.
pub fn given<'h>(headers: &'h HeaderMap, names: &[String]) -> impl Iterator<Item = Given<'h>> {
    let all = headers.get_all(header::SET_COOKIE).iter();
    all.filter_map(move |line| {
        let mut parts = line.as_bytes().split(|byte| *byte == b';');
        let pair = parts.next()?;
        let value = names.iter().find_map(|name| named(pair, name))?;
        if value.is_empty() || parts.any(ends) {
            return Some(Given::Cleared);
        }
        fits(value).then_some(Given::Set(value))
    })
}

/// The value of a pair, if it has this name. Names of cookies are told apart by case.
fn named<'h>(pair: &'h [u8], name: &str) -> Option<&'h [u8]> {
    let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?;
    let value = rest.trim_ascii_start().strip_prefix(b"=")?;
    Some(value.trim_ascii())
}

/// Whether an attribute says that the cookie is over: RFC 6265 calls it a `Max-Age` of zero or less.
fn ends(attribute: &[u8]) -> bool {
    let mut parts = attribute.splitn(2, |byte| *byte == b'=');
    let name = parts.next().unwrap_or_default().trim_ascii();
    let value = parts.next().unwrap_or_default().trim_ascii();
    let zero = !value.is_empty() && value.iter().all(|byte| *byte == b'0');
    name.eq_ignore_ascii_case(b"max-age") && (zero || value.starts_with(b"-"))
}

/// Session ids are a few dozen bytes; what is longer than any cookie is none.
fn fits(value: &[u8]) -> bool {
    !value.is_empty() && value.len() <= MAX_COOKIE
}

const MAX_COOKIE: usize = 4096;
