//! `WWW-Authenticate`: where clients get their tokens.

use std::ops::Range;

use super::splice::Splice;

/// Rewrites the `realm` of every Bearer challenge in a value as `decide` says, and keeps every
/// other byte: `service` and `scope` end up in tokens, and must stay as the node wrote them. `None`
/// when nothing changes.
pub(super) fn rewrite<F>(value: &[u8], mut decide: F) -> Option<Vec<u8>>
where
    F: FnMut(&str) -> Option<String>,
{
    let mut splice = Splice::of(value);
    for span in bearer_realms(value) {
        let realm = value
            .get(span.clone())
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        // No URL has quotes or backslashes, so what has some is not understood and stays.
        let realm = realm.filter(|realm| !realm.contains(['\\', '"']));
        if let Some(new) = realm.and_then(&mut decide) {
            splice.replace(&span, &new);
        }
    }
    splice.finish()
}

/// The places of the realms, without their quotes.
fn bearer_realms(value: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut scanner = Scanner {
        bytes: value,
        at: 0,
    };
    let mut scheme = AuthScheme::Other;
    let mut element = Element::Start;
    while let Some(byte) = scanner.peek() {
        if byte == b',' {
            scanner.at += 1;
            element = Element::Start;
            continue;
        }
        if is_space(byte) {
            scanner.at += 1;
            continue;
        }
        let word = scanner.word();
        if word.is_empty() {
            // A stray byte, or a quoted string in no parameter: neither begins a challenge.
            scanner.value();
            element = Element::Inside;
            continue;
        }
        scanner.skip(is_space);
        if scanner.peek() == Some(b'=') {
            scanner.at += 1;
            scanner.skip(is_space);
            let span = scanner.value();
            if scheme == AuthScheme::Bearer && word.eq_ignore_ascii_case(b"realm") {
                found.push(span);
            }
        } else if element == Element::Start {
            scheme = if word.eq_ignore_ascii_case(b"bearer") {
                AuthScheme::Bearer
            } else {
                AuthScheme::Other
            };
        }
        element = Element::Inside;
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AuthScheme {
    Bearer,
    Other,
}

/// A scheme stands only where an element of the list begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    Start,
    Inside,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip(&mut self, skipped: fn(u8) -> bool) {
        while self.peek().is_some_and(skipped) {
            self.at += 1;
        }
    }

    fn word(&mut self) -> &'a [u8] {
        let start = self.at;
        self.skip(is_word);
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// The span of a value: inside its quotes, or up to the next comma or space. Always moves on,
    /// unless the value is empty because a comma or the end follows.
    fn value(&mut self) -> Range<usize> {
        if self.peek() != Some(b'"') {
            let start = self.at;
            self.skip(|byte| byte != b',' && !is_space(byte));
            return start..self.at;
        }
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'\\') => self.at += 2,
                Some(b'"') => {
                    self.at += 1;
                    return start..self.at - 1;
                }
                Some(_) => self.at += 1,
                // Never closed: not understood, so there is nothing in it to change.
                None => return start..start,
            }
        }
    }
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moved(value: &str) -> Option<String> {
        rewrite(value.as_bytes(), |realm| {
            Some(format!("https://pub{}", realm.strip_prefix("http://node")?))
        })
        .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn only_bearer_realms_change() {
        for (value, expected) in [
            (
                r#"Bearer realm="http://node/service/token",service="http://node",scope="a:pull""#,
                r#"Bearer realm="https://pub/service/token",service="http://node",scope="a:pull""#,
            ),
            (
                r#"bearer service="x, realm=\"http://node/a\"" , REALM = "http://node/b""#,
                r#"bearer service="x, realm=\"http://node/a\"" , REALM = "https://pub/b""#,
            ),
            (
                r#"Basic realm="http://node/a", Bearer realm="http://node/b", error="x""#,
                r#"Basic realm="http://node/a", Bearer realm="https://pub/b", error="x""#,
            ),
            (
                r#"Bearer realm="http://node/b", Basic realm="http://node/a""#,
                r#"Bearer realm="https://pub/b", Basic realm="http://node/a""#,
            ),
            (
                r"Negotiate a/Bearer==, Bearer realm=http://node/b,service=x",
                r"Negotiate a/Bearer==, Bearer realm=https://pub/b,service=x",
            ),
            (
                r#",, Bearer realm="http://node/b","#,
                r#",, Bearer realm="https://pub/b","#,
            ),
        ] {
            assert_eq!(moved(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_is_not_a_bearer_realm_stays() {
        for value in [
            "",
            " ",
            r#"Basic realm="harbor""#,
            r#"Basic realm="http://node/a""#,
            r#"Bearer service="http://node/a""#,
            r#"Bearer realm="http://other/a""#,
            r#"Bearer realm="http://node/a"#,
            r#"Bearer realm="http://node/\a""#,
            r#"Bearer xrealm="http://node/a""#,
            r#"Basic x="Bearer realm=http://node/a""#,
            r#"realm="http://node/a""#,
            "Bearer",
            "Bearer realm",
            "Bearer realm=",
            "Bearer realm=\"\\",
        ] {
            assert_eq!(moved(value), None, "{value}");
        }
    }

    #[test]
    fn bytes_outside_ascii_survive() {
        let value = b"Basic realm=\"\xe9\", Bearer realm=\"http://node/a\",x=\"\xff\"";
        let rewritten = rewrite(value, |_| Some("R".to_owned())).unwrap();
        assert_eq!(
            rewritten,
            b"Basic realm=\"\xe9\", Bearer realm=\"R\",x=\"\xff\""
        );
    }

    proptest! {
        #[test]
        fn scanning_ends_and_keeps_all_other_bytes(
            pieces in prop::collection::vec(
                "(Bearer|Basic|realm|service|=|,| |\"|\\\\|http://node/a|\u{e9}|[a-z]{1,3})", 0..20,
            ),
        ) {
            let value = pieces.concat();
            let same = rewrite(value.as_bytes(), |realm| Some(realm.to_owned()));
            prop_assert!(same.is_none_or(|bytes| bytes == value.as_bytes()));
        }
    }
}
