//! Locations: where an answer sends the client.

use http::header::HeaderValue;

use super::{LocationForm, PublicUrl, Scheme};

/// What a `Location` of a node asks for, with scheme and authority cut off; a fragment too, which
/// no server is sent. `None` when it has no path from the root.
///
/// Does not judge whose Location it is.
pub fn path_and_query(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    let rest = match Located::parse(text) {
        Some(located) => located.rest,
        None => text,
    };
    let rest = rest.split('#').next()?;
    (rest.starts_with('/') && !rest.starts_with("//")).then_some(rest)
}

/// A reference that names an authority, taken apart and not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Located<'a> {
    /// Absent when the reference starts with its authority and takes over the scheme.
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: &'a str,
    /// All from the path on; may be empty.
    pub(super) rest: &'a str,
}

impl<'a> Located<'a> {
    /// `None` for references without an authority, and for schemes that are not http.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, after) = if let Some(after) = text.strip_prefix("//") {
            (None, after)
        } else {
            let (scheme, after) = text.split_once("://")?;
            (Some(Scheme::parse(scheme)?), after)
        };
        // Some clients read a backslash as a slash, so no authority reaches past one.
        let end = after.find(['/', '?', '#', '\\']).unwrap_or(after.len());
        let (authority, rest) = after.split_at_checked(end)?;
        (!authority.is_empty()).then_some(Self {
            scheme,
            authority,
            rest,
        })
    }

    /// The path alone.
    pub(super) fn path(&self) -> &'a str {
        self.rest.split(['?', '#']).next().unwrap_or_default()
    }

    /// The same place under the public name.
    pub(super) fn moved(&self, public: &PublicUrl<'_>, form: LocationForm) -> String {
        match form {
            LocationForm::Absolute => public.join(self.rest),
            // Two slashes would begin an authority.
            LocationForm::Path if self.rest.starts_with("//") => public.join(self.rest),
            LocationForm::Path if self.rest.starts_with('/') => self.rest.to_owned(),
            LocationForm::Path => format!("/{}", self.rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: PublicUrl<'_> = PublicUrl {
        scheme: Scheme::Https,
        authority: "harbor.example.test:8443",
    };

    #[test]
    fn a_location_loses_scheme_and_authority_and_nothing_else() {
        for (value, expected) in [
            (
                "http://10.0.0.1/v2/a/blobs/uploads/x?_state=a%3D",
                "/v2/a/blobs/uploads/x?_state=a%3D",
            ),
            ("HTTPS://[::1]:8080/v2/?a=//b", "/v2/?a=//b"),
            ("/v2/a?b", "/v2/a?b"),
            ("//node/v2/a", "/v2/a"),
            ("http://node/v2/a#part", "/v2/a"),
        ] {
            assert_eq!(
                path_and_query(&HeaderValue::from_static(value)),
                Some(expected),
                "{value}"
            );
        }
        for value in [
            "",
            "v2/a",
            "http://node",
            "http://node?x",
            "ftp://node/v2/",
            "http:///v2/",
            "http://node//evil/x",
        ] {
            assert_eq!(
                path_and_query(&HeaderValue::from_static(value)),
                None,
                "{value}"
            );
        }
        assert_eq!(
            path_and_query(&HeaderValue::from_bytes(b"/v2/\xff").unwrap()),
            None
        );
    }

    #[test]
    fn an_authority_ends_where_any_client_ends_it() {
        for (text, authority, path) in [
            ("http://node/v2/a?b#c", "node", "/v2/a"),
            ("http://node?b", "node", ""),
            ("http://node#b", "node", ""),
            ("http://node", "node", ""),
            ("http://node\\@evil/", "node", "\\@evil/"),
            ("//node:80/a", "node:80", "/a"),
        ] {
            let located = Located::parse(text).unwrap();
            assert_eq!(
                (located.authority, located.path()),
                (authority, path),
                "{text}"
            );
        }
        for text in ["/a", "a", "mailto:a", "ftp://a/", "http:/a", "///a", ""] {
            assert_eq!(Located::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_place_moves_to_the_public_name_in_the_form_that_is_set() {
        for (text, absolute, path) in [
            (
                "http://n/v2/a?b",
                "https://harbor.example.test:8443/v2/a?b",
                "/v2/a?b",
            ),
            ("http://n", "https://harbor.example.test:8443", "/"),
            ("http://n?a", "https://harbor.example.test:8443?a", "/?a"),
            (
                "http://n//evil/x",
                "https://harbor.example.test:8443//evil/x",
                "https://harbor.example.test:8443//evil/x",
            ),
        ] {
            let located = Located::parse(text).unwrap();
            assert_eq!(located.moved(&PUBLIC, LocationForm::Absolute), absolute);
            assert_eq!(located.moved(&PUBLIC, LocationForm::Path), path);
        }
    }
}
