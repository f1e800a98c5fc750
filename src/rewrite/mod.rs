//! What changes in headers, and in one small body, on the way to a node and back.
//!
//! On the way in, a node must learn who asks and under which name, from us and from nobody else. On
//! the way back, a client must read the name under which it knows us, wherever a node writes one.
//! Both are lists of [`Edit`]s: a list is easy to test, to log and to apply to header types that
//! can not be borrowed, and applied twice it changes nothing more.
//!
//! This room never changes what it does not understand, never touches a redirect to storage or to a
//! login provider, never reads a body but Harbor's system information, and never decides which
//! request goes where. The framing of bodies (`Transfer-Encoding`, `Content-Length`) belongs to
//! whoever carries the body.
//!
//! Words: the **public** URL is scheme and authority exactly as the client addressed us; a node's
//! **names** are all authorities it may use for itself; a **misfit** is a place where a node wrote
//! something that only works because we correct it, which its operator should know.

pub mod answer;
pub mod challenge;
pub mod cookie;
pub mod forwarded;
pub mod hop;
pub mod link;
pub mod location;
pub mod names;
mod splice;
pub mod systeminfo;

use http::header::{HeaderMap, HeaderName, HeaderValue};

pub use self::answer::answer;

/// One change of a header, by name; the values before do not matter to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// These values, in this order, instead of all that there are.
    Replace {
        name: HeaderName,
        values: Vec<HeaderValue>,
    },
    /// No value of this name.
    Remove { name: HeaderName },
}

impl Edit {
    /// One value of our own; what can not be written as one removes the header rather than leaving
    /// somebody else's.
    fn set(name: &HeaderName, text: &str) -> Self {
        match HeaderValue::from_str(text) {
            Ok(value) => Self::Replace {
                name: name.clone(),
                values: vec![value],
            },
            Err(_) => Self::Remove { name: name.clone() },
        }
    }

    /// The values of a name with some of them changed; nothing when none is.
    fn change<F>(headers: &HeaderMap, name: &HeaderName, mut change: F) -> Option<Self>
    where
        F: FnMut(&HeaderValue) -> Option<HeaderValue>,
    {
        let mut changed = None;
        for (position, value) in headers.get_all(name).iter().enumerate() {
            if let Some(new) = change(value) {
                changed.get_or_insert_with(Vec::new).push((position, new));
            }
        }
        let changed = changed?;
        let mut values: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
        for (position, new) in changed {
            if let Some(value) = values.get_mut(position) {
                *value = new;
            }
        }
        Some(Self::Replace {
            name: name.clone(),
            values,
        })
    }
}

/// Applies edits in their order.
pub fn apply(edits: &[Edit], headers: &mut HeaderMap) {
    for edit in edits {
        match edit {
            Edit::Remove { name } => {
                headers.remove(name);
            }
            Edit::Replace { name, values } => {
                headers.remove(name);
                for value in values {
                    headers.append(name, value.clone());
                }
            }
        }
    }
}

/// The form in which clients are told where to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocationForm {
    /// Scheme and authority as the client addressed us; some clients compare them literally.
    Absolute,
    /// The path alone, for chains of proxies that change the name.
    Path,
}

/// How a URL is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Reads a scheme, in any case. `None` for anything but http and https.
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("https") {
            Some(Self::Https)
        } else if text.eq_ignore_ascii_case("http") {
            Some(Self::Http)
        } else {
            None
        }
    }

    /// The scheme as it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL without one means.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// How the client addressed us: what every name we correct is corrected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicUrl<'a> {
    pub scheme: Scheme,
    /// Host, and port if the client named one, in its own spelling.
    pub authority: &'a str,
}

impl PublicUrl<'_> {
    /// The URL of something at this name; `rest` is path, query and whatever follows.
    pub fn join(&self, rest: &str) -> String {
        format!("{}://{}{rest}", self.scheme.as_str(), self.authority)
    }
}

#[cfg(test)]
mod tests {
    use http::header::{LOCATION, SET_COOKIE};
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    #[test]
    fn an_edit_replaces_all_values_or_removes_them() {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, value("a=1"));
        headers.append(SET_COOKIE, value("b=2"));
        headers.append(LOCATION, value("/x"));
        let edits = [
            Edit::Replace {
                name: SET_COOKIE,
                values: vec![value("c=3"), value("d=4")],
            },
            Edit::Remove { name: LOCATION },
        ];
        apply(&edits, &mut headers);
        let cookies: Vec<&HeaderValue> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["c=3", "d=4"]);
        assert!(!headers.contains_key(LOCATION));
    }

    #[test]
    fn a_change_keeps_the_values_it_does_not_touch() {
        let mut headers = HeaderMap::new();
        for text in ["a", "b", "c"] {
            headers.append(SET_COOKIE, value(text));
        }
        let edit = Edit::change(&headers, &SET_COOKIE, |old| {
            (old == "b").then(|| value("B"))
        });
        let values = vec![value("a"), value("B"), value("c")];
        assert_eq!(
            edit,
            Some(Edit::Replace {
                name: SET_COOKIE,
                values
            })
        );
        assert_eq!(Edit::change(&headers, &SET_COOKIE, |_| None), None);
    }

    fn any_headers() -> impl Strategy<Value = HeaderMap> {
        prop::collection::vec(any_header(), 0..8).prop_map(|pairs| pairs.into_iter().collect())
    }

    fn any_header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
        ("[a-c]", "[a-z]{0,3}").prop_map(|(name, text)| (name.parse().unwrap(), value(&text)))
    }

    fn any_edit() -> impl Strategy<Value = Edit> {
        let values = prop::collection::vec("[a-z]{0,3}".prop_map(|text| value(&text)), 0..3);
        ("[a-d]", prop::option::of(values)).prop_map(|(name, values)| {
            let name = name.parse().unwrap();
            match values {
                Some(values) => Edit::Replace { name, values },
                None => Edit::Remove { name },
            }
        })
    }

    proptest! {
        #[test]
        fn a_list_applied_twice_changes_nothing_more(
            headers in any_headers(),
            edits in prop::collection::vec(any_edit(), 0..6),
        ) {
            let mut once = headers;
            apply(&edits, &mut once);
            let mut twice = once.clone();
            apply(&edits, &mut twice);
            prop_assert_eq!(once, twice);
        }
    }
}
