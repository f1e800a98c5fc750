//! What Redis holds: the one place where its keys are spelled.
//!
//! ```text
//! <prefix>:1:<kind>:<22 characters>
//! ```
//!
//! The last part is a keyed hash of what the entry is about, so that Redis holds no cookie, no account, no token
//! and no name of a repository. The hash is made with the keys that seal upload tokens: all instances that share
//! them find each other's entries. Of several listed keys the newest writes, and all of them are looked for.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::affinity::token::Key;

/// What an entry is about. Each kind has its own letter, and a time to live that its writer gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An instance that runs.
    Instance,
    /// An upload that a takeover has moved.
    Upload,
    /// Who took a digest or a tag lately.
    Write,
    /// A browser's session and its node.
    Session,
    /// Requests of a client address.
    AddressRate,
    /// Requests of an account.
    AccountRate,
    /// Transfers of a client address that run now.
    AddressTransfers,
    /// Transfers of an account that run now.
    AccountTransfers,
    /// Failed logins from a client address.
    AddressFailures,
    /// Failed logins of an account.
    AccountFailures,
    /// Failed logins of an account from one client address.
    PairFailures,
    /// Failed logins with one credential.
    CredentialFailures,
    /// The account to which a token was issued.
    TokenOwner,
    /// That pushes are refused everywhere, and why.
    Maintenance,
}

impl Kind {
    const fn letters(self) -> &'static str {
        match self {
            Self::Instance => "i",
            Self::Upload => "u",
            Self::Write => "w",
            Self::Session => "s",
            Self::AddressRate => "ra",
            Self::AccountRate => "rc",
            Self::AddressTransfers => "ta",
            Self::AccountTransfers => "tc",
            Self::AddressFailures => "fa",
            Self::AccountFailures => "fc",
            Self::PairFailures => "fp",
            Self::CredentialFailures => "fk",
            Self::TokenOwner => "o",
            Self::Maintenance => "m",
        }
    }
}

/// Spells keys. `Debug` shows only the prefix.
pub struct Keys {
    prefix: String,
    newest: hmac::Key,
    older: Vec<hmac::Key>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Keys under a prefix, hashed with these secrets, newest first. None when no secret is given.
    pub fn new(prefix: &str, secrets: &[Key]) -> Option<Self> {
        let mut derived = secrets.iter().map(|secret| {
            // The listed key is never used itself: what is derived for names is good for names only.
            let root = hmac::Key::new(hmac::HMAC_SHA256, secret.bytes());
            let derived = hmac::sign(&root, b"pilotage shared names 1");
            hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
        });
        Some(Self {
            prefix: prefix.to_owned(),
            newest: derived.next()?,
            older: derived.collect(),
        })
    }

    /// The key under which an entry is written.
    pub fn written(&self, kind: Kind, about: &[&[u8]]) -> String {
        self.spell(&self.newest, kind, about)
    }

    /// The key of the roll of instances. It is about nothing secret, and the same for all whose prefix is, whatever
    /// keys they list.
    pub fn roll(&self) -> String {
        format!("{}:{FORM}:n", self.prefix)
    }

    /// The keys under which an entry may have been written, the likeliest first.
    pub fn read(&self, kind: Kind, about: &[&[u8]]) -> Vec<String> {
        std::iter::once(&self.newest)
            .chain(&self.older)
            .map(|secret| self.spell(secret, kind, about))
            .collect()
    }

    fn spell(&self, secret: &hmac::Key, kind: Kind, about: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(secret);
        context.update(kind.letters().as_bytes());
        for part in about {
            // With its length before it, nothing can move from one part to the next.
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            context.update(&length.to_be_bytes());
            context.update(part);
        }
        let tag = context.sign();
        let half = tag.as_ref().first_chunk::<16>();
        let half = half.expect("a SHA-256 value is longer than its half");
        let name = URL_SAFE_NO_PAD.encode(half);
        format!("{}:{FORM}:{}:{name}", self.prefix, kind.letters())
    }
}

/// The form of keys and values: another release that writes another form shares nothing with this one.
const FORM: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &[u8]) -> Keys {
        let secrets: Vec<_> = secrets.iter().map(|byte| Key::from([*byte; 32])).collect();
        Keys::new("pilotage", &secrets).unwrap()
    }

    #[test]
    fn a_key_shows_its_kind_and_nothing_of_what_it_is_about() {
        let key = keys(&[1]).written(Kind::Session, &[b"sid=secret"]);
        assert_eq!(key, "pilotage:1:s:nua2egYu6SuLFZSy3vIMMg");
        assert_eq!(key.len(), "pilotage:1:s:".len() + 22);
    }

    #[test]
    fn all_instances_find_one_roll() {
        assert_eq!(keys(&[1]).roll(), "pilotage:1:n");
        assert_eq!(keys(&[1]).roll(), keys(&[2]).roll());
    }

    #[test]
    fn kind_parts_and_secret_all_count() {
        let one = keys(&[1]);
        let all = [
            one.written(Kind::Write, &[b"lab/app", b"latest"]),
            one.written(Kind::Write, &[b"lab/applatest"]),
            one.written(Kind::Write, &[b"lab/app", b"latest", b""]),
            one.written(Kind::Upload, &[b"lab/app", b"latest"]),
            keys(&[2]).written(Kind::Write, &[b"lab/app", b"latest"]),
        ];
        for (at, key) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(key), "{key}");
        }
    }

    #[test]
    fn what_was_written_with_a_listed_key_is_found_wherever_it_is_listed() {
        let about: &[&[u8]] = &[b"0f3c"];
        for (writer, reader) in [(vec![1], vec![1, 2]), (vec![1, 2], vec![2, 1])] {
            let written = keys(&writer).written(Kind::Upload, about);
            assert!(keys(&reader).read(Kind::Upload, about).contains(&written));
        }
        assert!(Keys::new("pilotage", &[]).is_none());
    }
}
