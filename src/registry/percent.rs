//! Percent escapes of paths and queries, one at a time.

use std::borrow::Cow;

/// One byte of text with escapes, and how it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Stands for itself.
    Plain(u8),
    /// Was written as a percent sign and two hexadecimal digits.
    Escaped(u8),
    /// A percent sign that no two hexadecimal digits follow.
    Broken,
}

/// Reads text escape by escape; never fails and never skips a byte.
#[derive(Debug, Clone)]
pub(super) struct Units<'a> {
    rest: &'a [u8],
}

impl<'a> Units<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self { rest: text }
    }
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        if *first != b'%' {
            return Some(Unit::Plain(*first));
        }
        if let [high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            self.rest = after;
            return Some(Unit::Escaped(high << 4 | low));
        }
        Some(Unit::Broken)
    }
}

/// Undoes the escapes of a path; a broken one stays as it is.
pub(super) fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let decoded = Units::of(text).map(|unit| match unit {
        Unit::Plain(byte) | Unit::Escaped(byte) => byte,
        Unit::Broken => b'%',
    });
    Cow::Owned(decoded.collect())
}

/// Undoes the escapes of a query's name or value, where a plus sign is a space. `None` when an
/// escape is broken or the result is no text.
pub(super) fn decode_form(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    for unit in Units::of(text.as_bytes()) {
        match unit {
            Unit::Plain(b'+') => decoded.push(b' '),
            Unit::Plain(byte) | Unit::Escaped(byte) => decoded.push(byte),
            Unit::Broken => return None,
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_tells_how_it_was_written() {
        let units: Vec<Unit> = Units::of(b"a%2F%zz%").collect();
        assert_eq!(
            units,
            [
                Unit::Plain(b'a'),
                Unit::Escaped(b'/'),
                Unit::Broken,
                Unit::Plain(b'z'),
                Unit::Plain(b'z'),
                Unit::Broken,
            ]
        );
    }

    #[test]
    fn decoding_keeps_broken_escapes_of_paths_and_refuses_them_in_forms() {
        assert_eq!(*decode(b"/%76%32/100%"), *b"/v2/100%");
        assert_eq!(decode_form("sha256%3Aab+c").unwrap(), "sha256:ab c");
        assert_eq!(decode_form("plain").unwrap(), "plain");
        assert_eq!(decode_form("100%"), None);
        assert_eq!(decode_form("%ff"), None);
    }
}
