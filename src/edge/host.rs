//! Which public names are served, and how the client spelled the one it used.

use std::net::SocketAddr;

use crate::rewrite::Scheme;

/// The names that clients may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedNames {
    names: Vec<String>,
}

impl ServedNames {
    /// Takes names as the configuration has them: `host` or `host:port`, lower case.
    pub fn new(names: &[String]) -> Self {
        Self {
            names: names.to_vec(),
        }
    }

    /// Whether `authority`, as the client sent it, is one of ours.
    ///
    /// A name without a port is served on the scheme's own port and on the port that the client really used:
    /// a listener on 8443 needs no second name. A name with a port is served with just that port.
    pub fn serves(&self, authority: &str, scheme: Scheme, local: SocketAddr) -> bool {
        let authority = authority.to_ascii_lowercase();
        let (host, port) = split(&authority);
        let default = match scheme {
            Scheme::Https => 443,
            Scheme::Http => 80,
        };
        let asked = match port {
            None => Some(default),
            Some(text) => text.parse::<u16>().ok(),
        };
        let Some(asked) = asked else { return false };
        self.names.iter().any(|name| match split(name) {
            (served, None) => served == host && (asked == default || asked == local.port()),
            (served, Some(port)) => served == host && port.parse() == Ok(asked),
        })
    }

    /// Whether some name has this host, whatever the port.
    pub fn knows_host(&self, authority: &str) -> bool {
        self.by_host(authority).is_some()
    }

    /// Where a browser that used `authority` on the plain port is sent; `port` is that of the https listener.
    pub fn https_authority(&self, authority: &str, port: u16) -> String {
        let name = self.by_host(authority).unwrap_or_else(|| self.first());
        match split(name) {
            (_, Some(_)) => name.to_owned(),
            (host, None) if port == 443 => host.to_owned(),
            (host, None) => format!("{host}:{port}"),
        }
    }

    fn by_host(&self, authority: &str) -> Option<&str> {
        let (host, _) = split(authority);
        let same = |name: &&String| split(name).0.eq_ignore_ascii_case(host);
        self.names.iter().find(same).map(String::as_str)
    }

    /// The first name, for addresses that are made without a client's own.
    pub fn first(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// Cuts a port off an authority; an IPv6 literal keeps its brackets.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serves(name: &str, authority: &str, port: u16) -> bool {
        let local = SocketAddr::from(([127, 0, 0, 1], port));
        ServedNames::new(&[name.to_owned()]).serves(authority, Scheme::Https, local)
    }

    #[test]
    fn a_name_without_port_is_served_on_the_ports_clients_can_reach() {
        assert!(serves("r.test", "r.test", 443));
        assert!(serves("r.test", "R.Test:443", 443));
        assert!(serves("r.test", "r.test:8443", 8443));
        assert!(serves("r.test", "r.test", 8443), "behind a port forward");
        assert!(!serves("r.test", "r.test:9443", 8443));
        assert!(!serves("r.test", "other.test", 443));
        assert!(!serves("r.test", "xr.test", 443));
    }

    #[test]
    fn a_name_with_port_is_served_with_that_port_alone() {
        assert!(serves("r.test:5000", "r.test:5000", 443));
        assert!(!serves("r.test:5000", "r.test", 443));
        assert!(
            serves("r.test:443", "r.test", 443),
            "443 is what https means without a port"
        );
    }

    #[test]
    fn a_browser_is_sent_to_the_name_it_used() {
        let names = ["r.test".to_owned(), "s.test:8443".to_owned()];
        let served = ServedNames::new(&names);
        assert_eq!(served.https_authority("r.test:80", 443), "r.test");
        assert_eq!(served.https_authority("R.test", 5443), "r.test:5443");
        assert_eq!(served.https_authority("s.test", 443), "s.test:8443");
        assert!(served.knows_host("s.test") && !served.knows_host("t.test"));
    }

    #[test]
    fn an_ipv6_literal_keeps_its_brackets() {
        assert!(serves("[::1]", "[::1]", 443));
        assert!(serves("[::1]:8443", "[::1]:8443", 1));
        assert!(!serves("[::1]", "[::1]:99999", 443));
        assert!(!serves("[::1]", "::1", 443));
    }
}
