//! An upload and its node, sealed inside the public Location.
//!
//! ```text
//! version 1 | key hint 1 | binding 16 | nonce 12 | sealed: issued 8, offset 8, node, location | tag 16
//! '---------- authenticated ---------'
//! ```
//!
//! The binding is a digest of repository and session, so a token is good for its own upload only.
//! Everything is written in base64url, which needs no escape in a query.

mod key;

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{digest, hmac};

use crate::fleet::node::NodeId;
use crate::registry::name::RepositoryName;
use crate::registry::session::SessionId;

pub use self::key::{Key, KeyError, parse_keys};

/// A running upload, as any balancer needs to know it to go on.
///
/// `Debug` leaves the location out: its query is the node's own secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload {
    pub repository: RepositoryName,
    /// The public name, the same for the whole upload.
    pub session: SessionId,
    pub node: NodeId,
    /// Path and query under which the node knows the upload.
    pub location: String,
    /// Bytes that the node has acknowledged.
    pub offset: u64,
    /// Seconds since 1970.
    pub issued: u64,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("repository", &self.repository)
            .field("session", &self.session)
            .field("node", &self.node)
            .field("offset", &self.offset)
            .field("issued", &self.issued)
            .finish_non_exhaustive()
    }
}

/// Why a token does not open. To a client all of these are an unknown upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token at all.
    #[error("upload token is malformed")]
    Malformed,
    /// Altered, or sealed with a key that is not listed.
    #[error("upload token was not sealed with a known key")]
    Forged,
    /// Good, but of another repository or session.
    #[error("upload token belongs to another upload")]
    Foreign,
    #[error("upload token has expired")]
    Expired,
}

/// Seals and opens upload tokens. `Debug` never shows the keys.
pub struct Sealer {
    newest: SealingKey,
    older: Vec<SealingKey>,
}

struct SealingKey {
    root: hmac::Key,
    /// Tells which key to try, so that a long list costs nothing.
    hint: u8,
    aead: LessSafeKey,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("keys", &(self.older.len() + 1))
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// Takes the keys, newest first: the first one seals, all of them open.
    pub fn new(keys: Vec<Key>) -> Result<Self, KeyError> {
        let mut keys = keys.into_iter().map(|key| SealingKey::new(&key));
        let newest = keys.next().ok_or(KeyError::Missing)?;
        Ok(Self {
            newest,
            older: keys.collect(),
        })
    }

    /// A key for another purpose, the same on every balancer whose newest key is the same.
    pub fn derive(&self, purpose: &str) -> hmac::Key {
        let about = format!("pilotage derived key 1: {purpose}");
        let derived = hmac::sign(&self.newest.root, about.as_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }

    /// Seals an upload. A nonce must never be used twice: it is drawn at random.
    #[expect(clippy::missing_panics_doc, reason = "no Location is that long")]
    pub fn seal(&self, upload: &Upload, nonce: [u8; NONCE_LEN]) -> String {
        let key = &self.newest;
        let header = Header {
            version: VERSION,
            hint: key.hint,
            binding: binding(&upload.repository, &upload.session),
        }
        .bytes();
        let mut sealed = write_content(upload);
        key.aead
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(header),
                &mut sealed,
            )
            .expect("sealing fails only beyond 64 GiB");
        let mut token = Vec::with_capacity(HEADER_LEN + NONCE_LEN + sealed.len());
        token.extend_from_slice(&header);
        token.extend_from_slice(&nonce);
        token.append(&mut sealed);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Opens a token that a client brought for this repository and session. `now` is in seconds
    /// since 1970; a token from a balancer whose clock is ahead counts as fresh.
    #[expect(clippy::too_many_arguments, reason = "no two of them can be mixed up")]
    pub fn open(
        &self,
        token: &str,
        repository: &RepositoryName,
        session: &SessionId,
        now: u64,
        lifetime: Duration,
    ) -> Result<Upload, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| TokenError::Malformed)?;
        let (header, rest) = bytes.split_first_chunk().ok_or(TokenError::Malformed)?;
        let (nonce, sealed) = rest.split_first_chunk().ok_or(TokenError::Malformed)?;
        let content = self.unseal(header, *nonce, sealed)?;
        if Header::read(*header).binding != binding(repository, session) {
            return Err(TokenError::Foreign);
        }
        let content = read_content(&content).ok_or(TokenError::Malformed)?;
        if now.saturating_sub(content.issued) > lifetime.as_secs() {
            return Err(TokenError::Expired);
        }
        Ok(Upload {
            repository: repository.clone(),
            session: session.clone(),
            node: content.node,
            location: content.location.to_owned(),
            offset: content.offset,
            issued: content.issued,
        })
    }

    fn unseal(
        &self,
        header: &[u8; HEADER_LEN],
        nonce: [u8; NONCE_LEN],
        sealed: &[u8],
    ) -> Result<Vec<u8>, TokenError> {
        let Header { version, hint, .. } = Header::read(*header);
        if version != VERSION {
            return Err(TokenError::Malformed);
        }
        let keys = std::iter::once(&self.newest).chain(&self.older);
        for key in keys.filter(|key| key.hint == hint) {
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(nonce);
            if let Ok(content) = key
                .aead
                .open_in_place(nonce, Aad::from(header), &mut sealed)
            {
                return Ok(content.to_vec());
            }
        }
        Err(TokenError::Forged)
    }
}

impl SealingKey {
    /// The listed key is never used itself: what is derived for tokens is good for tokens only.
    fn new(key: &Key) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
        let derived = hmac::sign(&root, b"pilotage upload token 1: seal");
        let hint = hmac::sign(&root, b"pilotage upload token 1: hint");
        let aead = UnboundKey::new(&CHACHA20_POLY1305, derived.as_ref())
            .expect("a SHA-256 value is as long as a ChaCha20 key");
        Self {
            root,
            hint: hint.as_ref().first().copied().unwrap_or_default(),
            aead: LessSafeKey::new(aead),
        }
    }
}

/// The part of a token that can be read without a key, but not changed.
struct Header {
    version: u8,
    hint: u8,
    binding: [u8; BINDING_LEN],
}

impl Header {
    fn bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let [version, hint, binding @ ..] = &mut bytes;
        *version = self.version;
        *hint = self.hint;
        *binding = self.binding;
        bytes
    }

    fn read(bytes: [u8; HEADER_LEN]) -> Self {
        let [version, hint, binding @ ..] = bytes;
        Self {
            version,
            hint,
            binding,
        }
    }
}

/// What ties a token to its upload.
fn binding(repository: &RepositoryName, session: &SessionId) -> [u8; BINDING_LEN] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(repository.as_str().as_bytes());
    // No repository name holds a zero byte, so nothing can move from one part to the other.
    context.update(&[0]);
    context.update(session.as_str().as_bytes());
    let digest = context.finish();
    digest
        .as_ref()
        .first_chunk()
        .copied()
        .expect("a SHA-256 value is longer than the binding")
}

fn write_content(upload: &Upload) -> Vec<u8> {
    let node = upload.node.as_str().as_bytes();
    let length = u8::try_from(node.len()).expect("a node's name has at most 63 bytes");
    let mut content = Vec::with_capacity(17 + node.len() + upload.location.len() + TAG_LEN);
    content.extend_from_slice(&upload.issued.to_be_bytes());
    content.extend_from_slice(&upload.offset.to_be_bytes());
    content.push(length);
    content.extend_from_slice(node);
    content.extend_from_slice(upload.location.as_bytes());
    content
}

/// What a token holds beside what it is bound to.
struct Content<'a> {
    issued: u64,
    offset: u64,
    node: NodeId,
    location: &'a str,
}

fn read_content(content: &[u8]) -> Option<Content<'_>> {
    let (issued, rest) = content.split_first_chunk()?;
    let (offset, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let (node, location) = rest.split_at_checked(usize::from(*length))?;
    Some(Content {
        issued: u64::from_be_bytes(*issued),
        offset: u64::from_be_bytes(*offset),
        node: NodeId::parse(std::str::from_utf8(node).ok()?).ok()?,
        location: std::str::from_utf8(location).ok()?,
    })
}

/// The form of a token. A balancer of another release either knows it or refuses the token.
const VERSION: u8 = 1;
const BINDING_LEN: usize = 16;
const HEADER_LEN: usize = 2 + BINDING_LEN;
const TAG_LEN: usize = 16;
/// Longer than any request head may be.
const MAX_TOKEN: usize = 64 * 1024;

#[cfg(test)]
mod tests;
