//! Cookies of nodes that do not know that TLS ended before them.

/// A `Set-Cookie` value with `Secure` at its end. `None` when it says so already.
///
/// Never looks at the cookie itself, nor at any other attribute.
pub(super) fn secured(value: &[u8]) -> Option<Vec<u8>> {
    let secure = value
        .split(|byte| *byte == b';')
        .skip(1)
        .any(|attribute| attribute.trim_ascii().eq_ignore_ascii_case(b"secure"));
    if secure {
        return None;
    }
    let kept = value.trim_ascii_end();
    let kept = kept.strip_suffix(b";").unwrap_or(kept);
    Some([kept, b"; Secure"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_becomes_secure_once() {
        for (value, expected) in [
            (
                "sid=a; Path=/; HttpOnly",
                Some("sid=a; Path=/; HttpOnly; Secure"),
            ),
            ("sid=a", Some("sid=a; Secure")),
            ("sid=a;", Some("sid=a; Secure")),
            ("secure", Some("secure; Secure")),
            (
                "sid=Secure; Path=/Secure",
                Some("sid=Secure; Path=/Secure; Secure"),
            ),
            ("sid=a; Path=/; Secure", None),
            ("sid=a;SECURE ;Path=/", None),
        ] {
            let secured = secured(value.as_bytes());
            assert_eq!(secured.as_deref(), expected.map(str::as_bytes), "{value}");
            if let Some(value) = secured {
                assert_eq!(super::secured(&value), None);
            }
        }
    }
}
