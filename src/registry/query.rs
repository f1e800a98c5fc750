//! Queries of request targets, kept byte for byte.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::percent::decode_form;

/// The text after the question mark of a target, as the client sent it.
///
/// Parameters are separated by `&` only, as registries read them; a `;` belongs to its value.
/// Reading and removing parameters never encodes anything anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query(Arc<str>);

impl Query {
    /// Reads a query (without its question mark). `None` when it has bytes that no target may have:
    /// control bytes, spaces, non-ASCII bytes, a `#`.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#');
        fits.then(|| Self(Arc::from(text)))
    }

    /// The query as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of the first parameter with this name, as it was written. A parameter without `=`
    /// has the empty value.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.parameters()
            .find(|parameter| is_named(parameter, name))
            .map(|parameter| parameter.split_once('=').map_or("", |(_, value)| value))
    }

    /// The value of the first parameter with this name, its escapes undone. `None` also when that
    /// is not possible.
    pub fn find_decoded(&self, name: &str) -> Option<Cow<'_, str>> {
        self.find(name).and_then(decode_form)
    }

    /// The query without any parameter of this name; all others keep their bytes, their order and
    /// their separators. `None` when nothing but such parameters was there.
    pub fn without(&self, name: &str) -> Option<Self> {
        if !self.parameters().any(|parameter| is_named(parameter, name)) {
            return Some(self.clone());
        }
        let kept: Vec<&str> = self
            .parameters()
            .filter(|parameter| !is_named(parameter, name))
            .collect();
        (!kept.is_empty()).then(|| Self(Arc::from(kept.join("&"))))
    }

    fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.split('&')
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name may be written with escapes, and a node would read it all the same.
fn is_named(parameter: &str, name: &str) -> bool {
    let written = parameter
        .split_once('=')
        .map_or(parameter, |(written, _)| written);
    decode_form(written).is_some_and(|decoded| decoded == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    #[test]
    fn a_parameter_is_found_as_it_was_written() {
        for (text, found) in [
            ("_state=a%3D", Some("a%3D")),
            ("digest=x&_state=a", Some("a")),
            ("_state=a&_state=b", Some("a")),
            ("_state", Some("")),
            ("_state=", Some("")),
            ("_state=a=b", Some("a=b")),
            ("_state=a;b=c", Some("a;b=c")),
            ("%5Fstate=a", Some("a")),
            ("&&_state=a&", Some("a")),
            ("", None),
            ("x_state=a", None),
            ("_states=a", None),
            ("b=1;_state=a", None),
            ("b=_state", None),
        ] {
            assert_eq!(query(text).find("_state"), found, "{text}");
        }
    }

    #[test]
    fn a_value_can_be_decoded() {
        let query = query("digest=sha256%3Aab&mount=a+b&bad=%zz");
        assert_eq!(query.find_decoded("digest").unwrap(), "sha256:ab");
        assert_eq!(query.find_decoded("mount").unwrap(), "a b");
        assert_eq!(query.find_decoded("bad"), None);
        assert_eq!(query.find_decoded("none"), None);
    }

    #[test]
    fn removing_a_parameter_keeps_all_other_bytes() {
        for (text, left) in [
            ("_state=a", None),
            ("_state", None),
            ("_state=a&_state=b", None),
            ("digest=sha256%3Aab&_state=a", Some("digest=sha256%3Aab")),
            ("_state=a&digest=b", Some("digest=b")),
            ("a=1&_state=x&b=2&_state&c", Some("a=1&b=2&c")),
            ("a=1&&_state=x&b;c=2&", Some("a=1&&b;c=2&")),
            ("%5fstate=x&a=%2f", Some("a=%2f")),
            ("a=1;_state=x", Some("a=1;_state=x")),
            ("a=%zz&_state=x", Some("a=%zz")),
            ("", Some("")),
            ("&", Some("&")),
        ] {
            let result = query(text).without("_state");
            assert_eq!(result.as_ref().map(Query::as_str), left, "{text}");
        }
    }

    #[test]
    fn bytes_that_no_target_may_have_are_refused() {
        for text in ["a b", "a\0", "a\r\n", "é", "a#b", "\u{7f}"] {
            assert_eq!(Query::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn removing_leaves_nothing_of_that_name_and_all_of_the_others(
            parameters in prop::collection::vec("(_state|a|b%20|%5fstate)?(=[a-z;=%]{0,3})?", 0..6),
        ) {
            let whole = query(&parameters.join("&"));
            let left = whole.without("_state");
            prop_assert_eq!(left.as_ref().and_then(|query| query.find("_state")), None);
            for name in ["a", "b "] {
                prop_assert_eq!(left.as_ref().and_then(|query| query.find(name)), whole.find(name));
            }
        }
    }
}
