//! The names under which a node may speak of itself.

use std::net::IpAddr;

use super::Scheme;

/// All authorities that mean one node: its address, the host name it is reached by, and what the
/// operator declared.
///
/// Knows nothing about the public name: that is compared where an answer is judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeNames {
    names: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    host: String,
    port: Option<u16>,
}

impl NodeNames {
    /// The names of a node that is reached at this host (a name, or an address with or without
    /// brackets) and port. It may also leave its port out: some parts of Harbor do.
    pub fn new(host: &str, port: u16) -> Self {
        let mut names = Self::default();
        names.add(host, Some(port));
        names.add(host, None);
        names
    }

    /// One more authority, `host` or `host:port`; what is none can never be met and is left out.
    #[must_use]
    pub fn with(mut self, authority: &str) -> Self {
        if let Some(read) = Authority::parse(authority) {
            self.add(read.host, read.port);
        }
        self
    }

    /// Whether the authority of a URL of this scheme means the node.
    pub fn contains(&self, scheme: Scheme, authority: &str) -> bool {
        Authority::parse(authority).is_some_and(|read| {
            self.names
                .iter()
                .any(|name| read.means(scheme, &name.host, name.port))
        })
    }

    fn add(&mut self, host: &str, port: Option<u16>) {
        let name = Name {
            host: bare_host(host).to_ascii_lowercase(),
            port,
        };
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

/// Whether the authority of a URL is the one that a request was sent with. Without a port both mean
/// the default of the URL's scheme, because `Host` does not say which scheme it belongs to.
pub(super) fn is_host(scheme: Scheme, authority: &str, host: &str) -> bool {
    match (Authority::parse(authority), Authority::parse(host)) {
        (Some(read), Some(sent)) => read.means(scheme, sent.host, sent.port),
        _ => false,
    }
}

/// An authority taken apart; never one with user information.
#[derive(Debug, Clone, Copy)]
struct Authority<'a> {
    /// Without brackets.
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = if text.starts_with('[') {
            let end = text.find(']')?;
            let (host, rest) = text.split_at_checked(end + 1)?;
            let port = if rest.is_empty() {
                ""
            } else {
                rest.strip_prefix(':')?
            };
            (host, port)
        } else if text.parse::<IpAddr>().is_ok() {
            (text, "")
        } else {
            text.split_once(':').unwrap_or((text, ""))
        };
        let host = bare_host(host);
        let port = if port.is_empty() {
            None
        } else {
            Some(read_port(port)?)
        };
        (!host.is_empty() && !host.contains('@')).then_some(Self { host, port })
    }

    /// A name without a port is met by the default port of either scheme.
    fn means(&self, scheme: Scheme, host: &str, port: Option<u16>) -> bool {
        let meant = self.port.unwrap_or(scheme.default_port());
        let ports_agree = match port {
            Some(port) => port == meant,
            None => meant == scheme.default_port(),
        };
        ports_agree && hosts_agree(self.host, host)
    }
}

/// Without brackets and without the dot that ends a full name.
fn bare_host(host: &str) -> &str {
    let host = host
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host)
}

fn hosts_agree(one: &str, other: &str) -> bool {
    if one.eq_ignore_ascii_case(other) {
        return true;
    }
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one.to_canonical() == other.to_canonical(),
        _ => false,
    }
}

fn read_port(text: &str) -> Option<u16> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_known_with_and_without_its_port() {
        let names = NodeNames::new("Node-1.internal", 8080)
            .with("harbor-1")
            .with("other:8443");
        for (scheme, authority, known) in [
            (Scheme::Http, "node-1.internal:8080", true),
            (Scheme::Http, "NODE-1.INTERNAL", true),
            (Scheme::Https, "node-1.internal", true),
            (Scheme::Https, "node-1.internal:443", true),
            (Scheme::Http, "node-1.internal:80", true),
            (Scheme::Http, "node-1.internal.:8080", true),
            (Scheme::Https, "node-1.internal:80", false),
            (Scheme::Http, "node-1.internal:8081", false),
            (Scheme::Http, "harbor-1", true),
            (Scheme::Https, "harbor-1:443", true),
            (Scheme::Https, "harbor-1:8443", false),
            (Scheme::Https, "other:8443", true),
            (Scheme::Https, "other", false),
            (Scheme::Https, "harbor-12", false),
            (Scheme::Https, "user@harbor-1", false),
            (Scheme::Https, "harbor-1:x", false),
            (Scheme::Https, "harbor-1:+443", false),
            (Scheme::Https, "harbor-1:", true),
            (Scheme::Https, "", false),
            (Scheme::Https, ":443", false),
        ] {
            assert_eq!(
                names.contains(scheme, authority),
                known,
                "{scheme:?} {authority}"
            );
        }
    }

    #[test]
    fn a_default_port_is_met_by_no_port_of_its_scheme() {
        let names = NodeNames::default().with("node:443");
        assert!(names.contains(Scheme::Https, "node"));
        assert!(names.contains(Scheme::Http, "node:443"));
        assert!(!names.contains(Scheme::Http, "node"));
    }

    #[test]
    fn addresses_of_version_six_are_compared_as_addresses() {
        for host in ["2001:db8::1", "[2001:db8::1]", "2001:0DB8:0::1"] {
            let names = NodeNames::new(host, 80);
            assert!(names.contains(Scheme::Http, "[2001:db8:0:0::1]"), "{host}");
            assert!(names.contains(Scheme::Http, "[2001:DB8::1]:80"), "{host}");
            assert!(!names.contains(Scheme::Http, "[2001:db8::1]:81"), "{host}");
            assert!(!names.contains(Scheme::Http, "[2001:db8::2]"), "{host}");
            assert!(!names.contains(Scheme::Http, "[2001:db8::1]80"), "{host}");
        }
        assert!(NodeNames::new("10.0.0.11", 80).contains(Scheme::Https, "10.0.0.11"));
    }

    #[test]
    fn what_is_no_authority_is_no_name() {
        assert_eq!(
            NodeNames::default().with("[::1").with("a:b").with(""),
            NodeNames::default()
        );
    }

    #[test]
    fn the_host_we_sent_is_met_under_either_scheme() {
        for (scheme, authority, host, met) in [
            (
                Scheme::Http,
                "harbor.example.test",
                "harbor.example.test",
                true,
            ),
            (
                Scheme::Https,
                "Harbor.example.test:443",
                "harbor.example.test",
                true,
            ),
            (
                Scheme::Https,
                "harbor.example.test",
                "harbor.example.test:443",
                true,
            ),
            (
                Scheme::Https,
                "harbor.example.test:8443",
                "harbor.example.test:8443",
                true,
            ),
            (
                Scheme::Https,
                "harbor.example.test",
                "harbor.example.test:8443",
                false,
            ),
            (Scheme::Https, "evil.example", "harbor.example.test", false),
        ] {
            assert_eq!(is_host(scheme, authority, host), met, "{authority} {host}");
        }
    }
}
