//! Nodes: what lies on them, and the dialect in which they speak of it.

use std::ops::Range;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::world::{Blob, Chance};

/// One node, as long as nothing goes wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// What lies where the client's blob is looked for.
    pub(super) blob: Option<Blob>,
    pub(super) manner: Manner,
    pub(super) names: Names,
}

/// How a node serves a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Ranges,
    IgnoresRanges,
    /// Sends the client to a storage, over so many redirects.
    Redirects(u64),
}

/// How a node names a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Both,
    Unquoted,
    Weak,
    DigestOnly,
    TagOnly,
    Nothing,
    /// As a storage does: a tag of its own making.
    Own,
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    Bytes(Range<u64>),
    /// The range holds no byte of the blob.
    Nothing,
    /// Several ranges.
    Parts,
}

/// The blob the client wants.
pub(super) const RIGHT: u64 = 1;

/// Draws a fleet of one to four nodes, of which any number may hold something else.
pub(super) fn draw(chance: &mut Chance, right: Blob) -> Vec<Node> {
    let count = chance.number(1..5);
    (0..count).map(|_| draw_node(chance, right)).collect()
}

fn draw_node(chance: &mut Chance, right: Blob) -> Node {
    let hops = chance.weighted(&[(6, 1), (2, 2), (1, 5), (1, 6)]);
    let manner = chance.weighted(&[
        (7, Manner::Ranges),
        (2, Manner::IgnoresRanges),
        (2, Manner::Redirects(hops)),
    ]);
    let names = chance.weighted(&[
        (6, Names::Both),
        (1, Names::Unquoted),
        (1, Names::Weak),
        (1, Names::DigestOnly),
        (1, Names::TagOnly),
        (1, Names::Nothing),
    ]);
    let other_size = match chance.size() {
        size if size == right.size => size + 1,
        size => size,
    };
    let node = |blob, names| Node {
        blob,
        manner,
        names,
    };
    let twin = Blob { name: 2, ..right };
    let other = Blob {
        name: 3,
        size: other_size,
    };
    // A blob of the same size without a name could not be told from the right one by anybody.
    let impostor = Node {
        blob: Some(twin),
        manner: Manner::Ranges,
        names: match names {
            Names::Nothing => Names::Both,
            _ => names,
        },
    };
    chance.weighted(&[
        (20, node(Some(right), names)),
        (2, impostor),
        (1, node(Some(other), names)),
        (2, node(Some(other), Names::Nothing)),
        (1, node(None, names)),
    ])
}

impl Node {
    /// The storage behind a node that redirects.
    pub(super) fn storage(self) -> Self {
        Self {
            manner: Manner::Ranges,
            names: Names::Own,
            ..self
        }
    }

    pub(super) fn name(self, blob: Blob, headers: &mut HeaderMap) {
        let digest = blob.digest();
        let tag = match self.names {
            Names::Both | Names::TagOnly => Some(format!("\"{digest}\"")),
            Names::Unquoted => Some(digest.clone()),
            Names::Weak => Some(format!("W/\"{digest}\"")),
            Names::Own => Some(format!("\"{:x}-7\"", blob.name)),
            Names::DigestOnly | Names::Nothing => None,
        };
        if let Some(tag) = tag {
            insert(headers, header::ETAG, &tag);
        }
        let names_digest = match self.names {
            Names::Both | Names::Unquoted | Names::Weak | Names::DigestOnly => true,
            Names::TagOnly | Names::Nothing | Names::Own => false,
        };
        if names_digest {
            insert(headers, DIGEST, &digest);
        }
    }

    /// Whether anybody can know that this is not the right blob.
    pub(super) fn gives_itself_away(self, blob: Blob) -> bool {
        blob.name != RIGHT && self.names != Names::Nothing && self.names != Names::Own
    }
}

impl Wanted {
    /// Reads a request as a registry does, by means of its own.
    pub(super) fn read(range: Option<&str>, size: u64) -> Self {
        let Some(range) = range else {
            return Self::Whole;
        };
        let Some(range) = range.strip_prefix("bytes=") else {
            return Self::Whole;
        };
        if range.contains(',') {
            return Self::Parts;
        }
        let (first, last) = range.split_once('-').unwrap();
        let bytes = match (first, last) {
            ("", length) => size.saturating_sub(length.parse().unwrap())..size,
            (first, "") => first.parse().unwrap()..size,
            (first, last) => {
                let end = last.parse::<u64>().unwrap() + 1;
                first.parse().unwrap()..end.min(size)
            }
        };
        if bytes.is_empty() {
            return Self::Nothing;
        }
        Self::Bytes(bytes)
    }
}

pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).unwrap());
}

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
