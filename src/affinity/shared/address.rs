//! Where Redis is: the forms in which operators write it.
//!
//! ```text
//! redis://[user[:password]@]host[:6379][/database]        rediss:// for TLS
//! redis+sentinel://[..@]host[:26379],host[:26379]/master[/database]
//! redis+cluster://[..@]host[:6379],host[:6379]
//! host:port[,pool[,password[,database[,..]]]]             as Harbor 1 and 2.0 write it
//! ```

use std::fmt;

/// Where Redis is, and how it is spoken to. `Debug` never shows the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub topology: Topology,
    pub transport: Transport,
    pub database: i64,
    pub user: Option<String>,
    pub password: Option<Secret>,
}

/// Which servers there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    Single(Endpoint),
    /// These say where the master of this name is.
    Sentinel {
        sentinels: Vec<Endpoint>,
        master: String,
    },
    /// Some members of a cluster, which name the others.
    Cluster(Vec<Endpoint>),
}

/// Whether Redis is spoken to over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Plain,
    Tls,
}

/// A server's name or address, and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
}

/// A password. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A password as it stands in a file: the end of its line is no part of it.
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The password itself, for whoever has to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What is no address of Redis. Never quotes what it read, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("names no server")]
    Missing,
    #[error(
        "has none of the schemes redis, rediss, redis+sentinel, rediss+sentinel, redis+cluster and rediss+cluster"
    )]
    Scheme,
    #[error("names a server without a host, or with a port that is none")]
    Endpoint,
    #[error("names more than one server without saying whether they are sentinels or a cluster")]
    Several,
    #[error("does not name the master that the sentinels watch")]
    Master,
    #[error("names a database that is no number, or one of a cluster, which has only one")]
    Database,
    #[error("has a % that begins no escape")]
    Escape,
}

impl Address {
    /// Reads any of the forms.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Missing);
        }
        match text.split_once("://") {
            Some((scheme, rest)) => parse_url(scheme, rest),
            None => parse_list(text),
        }
    }
}

impl fmt::Display for Address {
    /// For people: without user, password and database.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, endpoints, master) = match &self.topology {
            Topology::Single(endpoint) => ("", std::slice::from_ref(endpoint), None),
            Topology::Sentinel { sentinels, master } => {
                ("+sentinel", sentinels.as_slice(), Some(master))
            }
            Topology::Cluster(members) => ("+cluster", members.as_slice(), None),
        };
        let scheme = match self.transport {
            Transport::Plain => "redis",
            Transport::Tls => "rediss",
        };
        let names: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
        write!(f, "{scheme}{kind}://{}", names.join(","))?;
        master.map_or(Ok(()), |master| write!(f, "/{master}"))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn parse_url(scheme: &str, rest: &str) -> Result<Address, AddressError> {
    let (transport, kind) = match scheme.split_once('+').unwrap_or((scheme, "")) {
        ("redis", kind) => (Transport::Plain, kind),
        ("rediss", kind) => (Transport::Tls, kind),
        _ => return Err(AddressError::Scheme),
    };
    // Harbor writes timeouts behind a question mark; ours stand in our own file.
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let (user, password) = match credentials {
        None => (None, None),
        Some(text) => {
            let (user, password) = text.split_once(':').unwrap_or((text, ""));
            (unescape(user)?, unescape(password)?)
        }
    };
    let (topology, database) = match kind {
        "" => match endpoints(hosts, REDIS_PORT)?.as_slice() {
            [one] => (Topology::Single(one.clone()), path),
            _ => return Err(AddressError::Several),
        },
        "sentinel" => {
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            let sentinels = endpoints(hosts, SENTINEL_PORT)?;
            let master = unescape(master)?.ok_or(AddressError::Master)?;
            (Topology::Sentinel { sentinels, master }, database)
        }
        "cluster" if path.trim_matches(['/', '0']).is_empty() => {
            (Topology::Cluster(endpoints(hosts, REDIS_PORT)?), "")
        }
        "cluster" => return Err(AddressError::Database),
        _ => return Err(AddressError::Scheme),
    };
    Ok(Address {
        topology,
        transport,
        database: parse_database(database)?,
        user,
        password: password.as_deref().map(Secret::new),
    })
}

/// The form of Harbor before 2.1. Its second part is the size of a pool, which we do not need.
fn parse_list(text: &str) -> Result<Address, AddressError> {
    let mut parts = text.split(',');
    let endpoint = endpoint(parts.next().unwrap_or_default(), REDIS_PORT)?;
    let pool = parts.next().unwrap_or_default();
    if !pool.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AddressError::Several);
    }
    let password = parts.next().filter(|password| !password.is_empty());
    let database = parse_database(parts.next().unwrap_or_default())?;
    Ok(Address {
        topology: Topology::Single(endpoint),
        transport: Transport::Plain,
        database,
        user: None,
        password: password.map(Secret::new),
    })
}

fn parse_database(text: &str) -> Result<i64, AddressError> {
    let text = text.trim_matches('/');
    if text.is_empty() {
        return Ok(0);
    }
    let number: u16 = text.parse().map_err(|_| AddressError::Database)?;
    Ok(number.into())
}

fn endpoints(text: &str, port: u16) -> Result<Vec<Endpoint>, AddressError> {
    if text.is_empty() {
        return Err(AddressError::Missing);
    }
    text.split(',').map(|one| endpoint(one, port)).collect()
}

fn endpoint(text: &str, default: u16) -> Result<Endpoint, AddressError> {
    let text = text.trim();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(AddressError::Endpoint)?;
            (host, port.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        None => default,
        Some(port) => port.parse().map_err(|_| AddressError::Endpoint)?,
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    if host.is_empty() || port == 0 || !host.chars().all(fits) {
        return Err(AddressError::Endpoint);
    }
    let host = host.to_owned();
    Ok(Endpoint { host, port })
}

/// The text without escapes; none when it is empty.
fn unescape(text: &str) -> Result<Option<String>, AddressError> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(rest.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let pair = digit().zip(digit()).ok_or(AddressError::Escape)?;
        bytes.push(pair.0 << 4 | pair.1);
    }
    let text = String::from_utf8(bytes).map_err(|_| AddressError::Escape)?;
    Ok((!text.is_empty()).then_some(text))
}

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_says_where_redis_is() {
        let cases = [
            ("redis://cache", "redis://cache:6379", 0, None, None),
            (
                "rediss://bo:p%40ss@[fd00::1]:7000/3",
                "rediss://[fd00::1]:7000",
                3,
                Some("bo"),
                Some("p@ss"),
            ),
            (
                "redis://:pw@10.0.0.5/2?idle_timeout_seconds=30",
                "redis://10.0.0.5:6379",
                2,
                None,
                Some("pw"),
            ),
            (
                "redis+sentinel://u:p@a:1,b/mymaster/1",
                "redis+sentinel://a:1,b:26379/mymaster",
                1,
                Some("u"),
                Some("p"),
            ),
            (
                "rediss+cluster://a,b:7001/",
                "rediss+cluster://a:6379,b:7001",
                0,
                None,
                None,
            ),
            ("cache:6380", "redis://cache:6380", 0, None, None),
            (
                "cache:6380,100,s:e@c,4,30\n",
                "redis://cache:6380",
                4,
                None,
                Some("s:e@c"),
            ),
        ];
        for (text, shown, database, user, password) in cases {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), shown, "{text}");
            assert_eq!(address.database, database, "{text}");
            assert_eq!(address.user.as_deref(), user, "{text}");
            let revealed = address.password.as_ref().map(Secret::reveal);
            assert_eq!(revealed, password, "{text}");
            let debug = format!("{address:?}");
            assert!(password.is_none_or(|secret| !debug.contains(&format!("\"{secret}\""))));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_for_a_reason() {
        for (text, expected) in [
            ("", AddressError::Missing),
            ("redis://", AddressError::Missing),
            ("http://cache", AddressError::Scheme),
            ("redis+ring://cache", AddressError::Scheme),
            ("redis://a,b", AddressError::Several),
            ("a:1,b:1", AddressError::Several),
            ("redis://cache:0", AddressError::Endpoint),
            ("redis://cache:port", AddressError::Endpoint),
            ("redis://ca che", AddressError::Endpoint),
            ("redis://[::1", AddressError::Endpoint),
            ("redis://cache/one", AddressError::Database),
            ("redis+cluster://cache/1", AddressError::Database),
            ("redis+sentinel://a,b", AddressError::Master),
            ("redis://u:%4@cache", AddressError::Escape),
        ] {
            assert_eq!(Address::parse(text), Err(expected), "{text}");
        }
    }
}
