//! Clients, accounts and credentials as marks: keyed hashes that stand for them everywhere else.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ring::hmac;

use super::credentials::Credentials;

/// Stands for a client, an account or a credential. Equal ones have equal marks, on every balancer with the same
/// key; nobody without the key can tell what a mark stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(u128);

impl Mark {
    /// The mark as it may be stored elsewhere.
    pub fn bits(self) -> u128 {
        self.0
    }
}

/// A mark in numbers that every calculator can hold.
impl From<Mark> for [u64; 3] {
    fn from(mark: Mark) -> Self {
        let part = |shift: u32| u64::try_from(mark.0 >> shift & PART).unwrap_or_default();
        [part(96), part(48), part(0)]
    }
}

impl From<[u64; 3]> for Mark {
    fn from([high, middle, low]: [u64; 3]) -> Self {
        let part = |number: u64| u128::from(number) & PART;
        Self(part(high) << 96 | part(middle) << 48 | part(low))
    }
}

/// 48 bits: scripts calculate in numbers with 53.
const PART: u128 = (1 << 48) - 1;

/// As log lines show it: enough to see that two lines are about the same.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0 >> 80)
    }
}

/// Makes marks. Never shows its key.
#[derive(Clone)]
pub struct Anonymizer(hmac::Key);

impl fmt::Debug for Anonymizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anonymizer")
    }
}

/// Whose share a request is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payer {
    Client,
    Account,
}

/// Whom a try is counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// These very credentials from this client.
    pub credential: Mark,
    /// The account at this client.
    pub pair: Mark,
    pub client: Mark,
    pub account: Mark,
}

impl Anonymizer {
    /// The key is one of its own: marks must not be comparable with anything else that was made from the secret.
    pub fn new(key: hmac::Key) -> Self {
        Self(key)
    }

    /// The mark of a client.
    pub fn client(&self, address: IpAddr) -> Mark {
        match household(address) {
            IpAddr::V4(address) => self.mark("client", &[&address.octets()]),
            IpAddr::V6(address) => self.mark("client", &[&address.octets()]),
        }
    }

    /// The mark of an account, however its name is written; `None` stands for all whose name cannot be read.
    pub fn account(&self, name: Option<&str>) -> Mark {
        match name {
            // Directories do not tell upper case from lower, so a guard that did would grant a try for each.
            Some(name) => self.mark("account", &[name.trim().to_lowercase().as_bytes()]),
            None => self.mark("no account", &[]),
        }
    }

    /// Everything that a try is counted against.
    pub fn try_of(&self, credentials: &Credentials, address: IpAddr) -> Try {
        let client = self.client(address);
        let account = self.account(credentials.account());
        let (place, name) = (client.0.to_be_bytes(), account.0.to_be_bytes());
        Try {
            credential: self.mark("credential", &[&place, &name, credentials.secret()]),
            pair: self.mark("pair", &[&place, &name]),
            client,
            account,
        }
    }

    /// The mark of something secret that a client sent, such as a token.
    pub fn secret(&self, parts: &[&[u8]]) -> Mark {
        self.mark("secret", parts)
    }

    fn mark(&self, kind: &str, parts: &[&[u8]]) -> Mark {
        let mut context = hmac::Context::with_key(&self.0);
        for part in std::iter::once(kind.as_bytes()).chain(parts.iter().copied()) {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            // The length keeps bytes from moving from one part to the next.
            context.update(&length.to_be_bytes());
            context.update(part);
        }
        let tag = context.sign();
        let bytes = tag.as_ref().first_chunk().copied();
        Mark(u128::from_be_bytes(
            bytes.expect("a SHA-256 value is longer than a mark"),
        ))
    }
}

/// One household is one client: an IPv6 /64, an IPv4 address, mapped or not.
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (!0 << 64))),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::credentials::basic;
    use super::*;

    pub(in super::super) fn anonymizer() -> Anonymizer {
        Anonymizer::new(hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]))
    }

    pub(in super::super) fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A try with these words from this address.
    pub(in super::super) fn tried(account: &str, password: &str, from: &str) -> Try {
        let credentials = Credentials::new(Some(account.to_owned()), password.as_bytes().to_vec());
        anonymizer().try_of(&credentials, ip(from))
    }

    #[test]
    fn a_household_is_one_client() {
        let anonymizer = anonymizer();
        let mark = |text| anonymizer.client(ip(text));
        assert_eq!(mark("2001:db8::1"), mark("2001:db8::ffff:2"));
        assert_ne!(mark("2001:db8::1"), mark("2001:db8:0:1::1"));
        assert_eq!(mark("192.0.2.1"), mark("::ffff:192.0.2.1"));
        assert_ne!(mark("192.0.2.1"), mark("192.0.2.2"));
    }

    #[test]
    fn an_account_is_the_same_however_it_is_written() {
        let (one, other) = (
            tried("Admin", "a", "192.0.2.1"),
            tried(" admin ", "b", "192.0.2.1"),
        );
        assert_eq!(
            (one.account, one.pair, one.client),
            (other.account, other.pair, other.client)
        );
        assert_ne!(one.credential, other.credential);
    }

    #[test]
    fn nothing_stands_for_two_things() {
        let one = tried("admin", "a", "192.0.2.1");
        let marks = [
            one.credential,
            one.pair,
            one.client,
            one.account,
            tried("admin", "a", "192.0.2.2").credential,
            tried("admin", "a", "192.0.2.2").pair,
            tried("admi", "na", "192.0.2.1").credential,
            anonymizer().account(None),
            anonymizer().secret(&[b"a", b"b"]),
            anonymizer().secret(&[b"ab"]),
            anonymizer().secret(&[b"ab", b""]),
        ];
        let distinct: std::collections::HashSet<_> = marks.iter().collect();
        assert_eq!(distinct.len(), marks.len());
    }

    #[test]
    fn a_mark_survives_as_three_numbers() {
        for mark in [
            anonymizer().account(None),
            Mark(0),
            Mark(u128::MAX),
            Mark(1 << 48),
        ] {
            let numbers = <[u64; 3]>::from(mark);
            assert!(numbers.iter().all(|number| *number < 1 << 48));
            assert_eq!(Mark::from(numbers), mark);
        }
    }

    #[test]
    fn another_key_makes_other_marks_and_none_is_shown() {
        let other = Anonymizer::new(hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]));
        let credentials = basic(b"Basic YTpi").unwrap();
        let (one, two) = (
            anonymizer().try_of(&credentials, ip("192.0.2.1")),
            other.try_of(&credentials, ip("192.0.2.1")),
        );
        assert_ne!(one.account, two.account);
        assert_eq!(format!("{other:?}"), "Anonymizer");
        assert_eq!(one.account.to_string().len(), 12);
    }
}
