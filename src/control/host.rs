//! What a `Host` header names.

use std::net::IpAddr;

use http::HeaderValue;

/// What a `Host` header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// An address, or the machine itself: no foreign name can be made to mean it.
    Machine,
    /// A name that somebody else may have pointed here.
    Other,
}

pub(super) fn named(host: &HeaderValue) -> Named {
    let text = host.to_str().unwrap_or_default();
    let bare = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, "")) => inside,
        Some((inside, after)) if after.starts_with(':') => inside,
        Some(_) => "",
        None => text.split_once(':').map_or(text, |(host, _)| host),
    };
    let is_machine = bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok();
    if is_machine {
        Named::Machine
    } else {
        Named::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_or_localhost_is_the_machine() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9090",
            "[::1]:9090",
            "[::1]",
            "localhost",
            "LOCALHOST:1",
        ] {
            assert_eq!(
                named(&HeaderValue::from_static(host)),
                Named::Machine,
                "{host}"
            );
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example:9090",
            "",
            "localhost.evil.example",
            "[evil]",
            "[::1].evil.example",
        ] {
            assert_eq!(
                named(&HeaderValue::from_static(host)),
                Named::Other,
                "{host}"
            );
        }
    }
}
