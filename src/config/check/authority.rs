//! `host` or `host:port`, as it stands in a Host header or a url.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A host, and a port where one is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) host: Host,
    pub(super) port: Option<u16>,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Authority {
    /// Reads an authority, or says what is wrong with the text. The words never repeat user info.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if text.contains('@') {
            return Err("holds user info".to_owned());
        }
        if text.contains("://") {
            return Err(format!("{text:?} has a scheme"));
        }
        match text.chars().find(|c| "/?#".contains(*c)) {
            Some('/') => return Err(format!("{text:?} has a path")),
            Some('?') => return Err(format!("{text:?} has a query")),
            Some(_) => return Err(format!("{text:?} has a fragment")),
            None => {}
        }
        if text.contains(|c: char| c.is_ascii_uppercase()) {
            return Err(format!("{text:?} has upper-case letters"));
        }
        let (host, port) = split_port(text);
        let port = port.map(|port| parse_port(port).ok_or(format!("{port:?} is not a port")));
        Ok(Self {
            host: Host::parse(host)?,
            port: port.transpose()?,
        })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::V6(address) => write!(f, "[{address}]")?,
            Host::V4(_) | Host::Name(_) => write!(f, "{}", self.host)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Host {
    /// Reads a name, an IPv4 address, or an IPv6 address in brackets.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(address) = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            return address
                .parse()
                .map(Self::V6)
                .map_err(|_| no_address(address));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(format!("{text:?} is an IPv6 address without brackets"));
        }
        // A name never ends in a number, so what does is meant as an address.
        let last = text.rsplit('.').next().unwrap_or_default();
        if !last.is_empty() && last.chars().all(|c| c.is_ascii_digit()) {
            return text.parse().map(Self::V4).map_err(|_| no_address(text));
        }
        if text.len() <= LONGEST_NAME && text.split('.').all(is_label) {
            return Ok(Self::Name(text.to_owned()));
        }
        Err(format!("{text:?} is not a host name"))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name}"),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "{address}"),
        }
    }
}

/// What to write instead of a text that was refused.
pub(super) fn hint(text: &str, example: &str) -> String {
    match meant(text) {
        Some(authority) => format!("write \"{authority}\""),
        None => format!("write a host or host:port, such as \"{example}\""),
    }
}

/// The authority that a refused text holds, if there is one.
pub(super) fn meant(text: &str) -> Option<Authority> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let bracketed = format!("[{rest}]");
    [rest, bracketed]
        .iter()
        .find_map(|text| Authority::parse(text).ok())
}

/// What the domain name system allows.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Underscores are no part of the standard, but of many a machine's name.
fn is_label(label: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    !label.is_empty()
        && label.len() <= LONGEST_LABEL
        && label.chars().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        // The colons of an address: without brackets nobody can tell its port.
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = text.chars().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

fn no_address(text: &str) -> String {
    format!("{text:?} is not an IP address")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_addresses_are_read_with_and_without_port() {
        for (text, host, port) in [
            ("registry.example.com", "registry.example.com", None),
            ("registry", "registry", None),
            ("a_b-c.d:8443", "a_b-c.d", Some(8443)),
            ("10.0.0.11:80", "10.0.0.11", Some(80)),
            ("[::1]:8080", "::1", Some(8080)),
            ("[2001:db8:0::1]", "2001:db8::1", None),
        ] {
            let authority = Authority::parse(text).unwrap();
            assert_eq!(
                (authority.host.to_string().as_str(), authority.port),
                (host, port)
            );
        }
    }

    #[test]
    fn each_refusal_says_what_is_wrong_and_what_to_write() {
        let generic = "write a host or host:port, such as \"x.y\"";
        let long = "a".repeat(64);
        for (text, what, advice) in [
            ("", "is empty", generic),
            (
                "https://a.b/c",
                "\"https://a.b/c\" has a scheme",
                "write \"a.b\"",
            ),
            ("a.b/", "\"a.b/\" has a path", "write \"a.b\""),
            ("a.b?c/d", "\"a.b?c/d\" has a query", "write \"a.b\""),
            ("a.b#c", "\"a.b#c\" has a fragment", "write \"a.b\""),
            (
                "A.b:1",
                "\"A.b:1\" has upper-case letters",
                "write \"a.b:1\"",
            ),
            ("me:secret@a.b", "holds user info", generic),
            ("a.b:0", "\"0\" is not a port", generic),
            ("a.b:", "\"\" is not a port", generic),
            ("a.b:+1", "\"+1\" is not a port", generic),
            ("a.b:65536", "\"65536\" is not a port", generic),
            ("*.b", "\"*.b\" is not a host name", generic),
            ("a b", "\"a b\" is not a host name", generic),
            ("a..b", "\"a..b\" is not a host name", generic),
            ("-a", "\"-a\" is not a host name", generic),
            ("10.0.0.300", "\"10.0.0.300\" is not an IP address", generic),
            (
                "::1",
                "\"::1\" is an IPv6 address without brackets",
                "write \"[::1]\"",
            ),
            ("[10.0.0.1]", "\"10.0.0.1\" is not an IP address", generic),
        ] {
            assert_eq!(Authority::parse(text).unwrap_err(), what, "{text}");
            assert_eq!(hint(text, "x.y"), advice, "{text}");
        }
        assert!(Authority::parse(&long).is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(
            text in "(\\[[0-9a-f:]{2,9}\\]|[a-z0-9._-]{1,12})(:[0-9]{1,5})?",
        ) {
            if let Ok(authority) = Authority::parse(&text) {
                prop_assert_eq!(Authority::parse(&authority.to_string()), Ok(authority));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = (Authority::parse(&text), hint(&text, "x.y"));
        }
    }
}
