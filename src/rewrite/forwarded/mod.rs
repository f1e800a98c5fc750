//! Who asks, by which name and over what: told to nodes by us, and believed only from hops that the
//! operator trusts.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};

use super::{Edit, Scheme};

/// Whether the hop before us is believed when it tells who asked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    Untrusted,
    Trusted,
}

/// How a request came to us.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The address that the connection came from.
    pub peer: IpAddr,
    pub trust: Trust,
    pub scheme: Scheme,
    /// Host as the client addressed us, with its port if it named one.
    pub host: &'a str,
    /// The port that the client reached.
    pub port: u16,
}

/// What a request needs so that nodes see the client's side as it is.
///
/// From an untrusted hop nothing of this kind survives: a registry builds URLs from these headers,
/// and from `Forwarded` before all others. From a trusted hop its own words stay, and it joins the
/// list of addresses.
pub fn edits(headers: &HeaderMap, arrival: &Arrival<'_>) -> Vec<Edit> {
    let peer = arrival.peer.to_canonical().to_string();
    match arrival.trust {
        Trust::Untrusted => {
            let mut edits: Vec<Edit> = headers
                .keys()
                .filter(|name| speaks_of_client(name))
                .map(|name| Edit::Remove { name: name.clone() })
                .collect();
            edits.extend([
                Edit::set(&X_FORWARDED_FOR, &peer),
                Edit::set(&X_REAL_IP, &peer),
                Edit::set(&X_FORWARDED_PROTO, arrival.scheme.as_str()),
                Edit::set(&X_FORWARDED_HOST, arrival.host),
                Edit::set(&X_FORWARDED_PORT, &arrival.port.to_string()),
            ]);
            edits
        }
        Trust::Trusted => {
            let told = |name: &HeaderName| headers.contains_key(name);
            let mut edits = vec![appended(headers, &peer)];
            if !told(&X_REAL_IP) {
                // The trusted hop's own client is the last that it wrote down.
                let client = hops(headers).next().flatten().unwrap_or(arrival.peer);
                edits.push(Edit::set(&X_REAL_IP, &client.to_canonical().to_string()));
            }
            // A port of ours beside a name or scheme of the hop would describe neither.
            if !told(&X_FORWARDED_PORT) && !told(&X_FORWARDED_HOST) && !told(&X_FORWARDED_PROTO) {
                edits.push(Edit::set(&X_FORWARDED_PORT, &arrival.port.to_string()));
            }
            if !told(&X_FORWARDED_PROTO) {
                edits.push(Edit::set(&X_FORWARDED_PROTO, arrival.scheme.as_str()));
            }
            if !told(&X_FORWARDED_HOST) {
                edits.push(Edit::set(&X_FORWARDED_HOST, arrival.host));
            }
            edits
        }
    }
}

/// The address that asked, as far as trusted hops tell: the rightmost one that is not trusted
/// itself. What an untrusted hop claims is never looked at.
pub fn client_address<F>(headers: &HeaderMap, peer: IpAddr, is_trusted: F) -> IpAddr
where
    F: Fn(IpAddr) -> bool,
{
    let mut client = peer.to_canonical();
    let mut hops = hops(headers);
    while is_trusted(client) {
        match hops.next() {
            Some(Some(before)) => client = before,
            Some(None) | None => break,
        }
    }
    client
}

/// The addresses of `X-Forwarded-For` from the nearest to the farthest; an entry that is none stays
/// in its place.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    headers
        .get_all(&X_FORWARDED_FOR)
        .iter()
        .rev()
        .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','))
        .map(|entry| read_address(std::str::from_utf8(entry).ok()?))
}

/// Proxies write an address bare, in quotes, in brackets, or with a port.
fn read_address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim().trim_matches('"');
    let address = if let Ok(address) = entry.parse::<IpAddr>() {
        address
    } else if let Ok(with_port) = entry.parse::<SocketAddr>() {
        with_port.ip()
    } else {
        let inner = entry.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse().ok()?
    };
    Some(address.to_canonical())
}

fn appended(headers: &HeaderMap, peer: &str) -> Edit {
    let mut list = Vec::new();
    for value in headers.get_all(&X_FORWARDED_FOR) {
        if !value.is_empty() {
            list.extend_from_slice(value.as_bytes());
            list.extend_from_slice(b", ");
        }
    }
    list.extend_from_slice(peer.as_bytes());
    match HeaderValue::from_bytes(&list) {
        Ok(value) => Edit::Replace {
            name: X_FORWARDED_FOR.clone(),
            values: vec![value],
        },
        Err(_) => Edit::set(&X_FORWARDED_FOR, peer),
    }
}

/// Some servers read an underscore as a dash, so both spellings are meant.
fn speaks_of_client(name: &HeaderName) -> bool {
    let dashed = if name.as_str().contains('_') {
        Cow::Owned(name.as_str().replace('_', "-"))
    } else {
        Cow::Borrowed(name.as_str())
    };
    dashed == FORWARDED.as_str() || dashed == X_REAL_IP.as_str() || dashed.starts_with(PREFIX)
}

const PREFIX: &str = "x-forwarded";
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

#[cfg(test)]
mod tests;
