//! What a node's answer says about the node.
//!
//! A status alone does not tell: Harbor answers 401 when its database is gone, 500 when the client sent nonsense
//! and 502 with an empty body when its registry died. Pure: nothing is decided here about what the client gets.

use http::{HeaderMap, Method, StatusCode, header};

use crate::registry::error::parse_envelope;
use crate::registry::route::{Audience, Route};
use crate::rewrite::location::path_and_query;

/// What an answer says about the node that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The node did its work, whatever it thinks of the request.
    Served,
    /// The node, or a part of it, is broken; another node may serve the same request.
    NodeFault(NodeFault),
    /// Something that all nodes share is broken; another node would say the same.
    SharedFault(SharedFault),
    /// The node sends clients from http to https: it is addressed on the wrong port.
    RedirectsToHttps,
}

/// Which part of a node is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeFault {
    /// Harbor's core could not reach its registry: 502 without type and body.
    Registry,
    /// The node's nginx could not reach what is behind it, or gave up waiting.
    Gateway,
    /// An error of the server that is not in the registry's form.
    Foreign,
}

/// Which shared part is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedFault {
    /// PostgreSQL: 401 with an empty challenge and a database error as its message.
    Database,
    /// A 500 in the registry's form: Redis, database or storage, or a request that made no sense.
    Unknown,
}

/// Judges an answer by its head, and by its body as far as it is known.
pub fn judge(
    route: &Route,
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    body: Option<&[u8]>,
) -> Verdict {
    let audience = route.audience();
    if redirects_to_https(route, status, headers) {
        return Verdict::RedirectsToHttps;
    }
    if status == StatusCode::UNAUTHORIZED && challenge_is_empty(headers) {
        return match body {
            Some(body) if names_database(body) => Verdict::SharedFault(SharedFault::Database),
            Some(_) | None => Verdict::Served,
        };
    }
    if !status.is_server_error() {
        return Verdict::Served;
    }
    let json = is_json(headers);
    match status {
        StatusCode::BAD_GATEWAY if is_untyped(headers) && audience == Audience::Registry => {
            Verdict::NodeFault(NodeFault::Registry)
        }
        // A HEAD may leave its type out, and has no body to show.
        StatusCode::INTERNAL_SERVER_ERROR if json || method == Method::HEAD => {
            Verdict::SharedFault(SharedFault::Unknown)
        }
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
            if !json =>
        {
            Verdict::NodeFault(NodeFault::Gateway)
        }
        _ if json || audience == Audience::Browser => Verdict::Served,
        _ => Verdict::NodeFault(NodeFault::Foreign),
    }
}

/// The same path over TLS: the answer of a port that only redirects.
fn redirects_to_https(route: &Route, status: StatusCode, headers: &HeaderMap) -> bool {
    let moved = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT
    );
    let location = headers.get(header::LOCATION).filter(|value| {
        moved && route.audience() == Audience::Registry && value.as_bytes().starts_with(b"https://")
    });
    let target = location.and_then(path_and_query);
    let path = target.and_then(|target| target.split('?').next());
    path.is_some_and(|path| path == route.to_string())
}

fn challenge_is_empty(headers: &HeaderMap) -> bool {
    let mut challenges = headers.get_all(header::WWW_AUTHENTICATE).iter().peekable();
    challenges.peek().is_some() && challenges.all(|value| value.as_bytes().is_empty())
}

/// An unknown project or path has an empty challenge too; its message begins otherwise, and quotes the client.
fn names_database(body: &[u8]) -> bool {
    let entries = parse_envelope(body).unwrap_or_default();
    entries.iter().any(|entry| {
        let has = |word: &&str| entry.message.contains(*word);
        let quotes = |begin: &&str| entry.message.starts_with(*begin);
        DATABASE_WORDS.iter().any(has) && !CLIENT_WORDS.iter().any(quotes)
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"))
}

fn is_untyped(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::CONTENT_TYPE)
}

/// What Harbor's messages contain when its database cannot be reached.
const DATABASE_WORDS: [&str; 4] = ["dial tcp", "database", "bad connection", "SQLSTATE"];
/// How Harbor's messages begin when the client asked for what there is not.
const CLIENT_WORDS: [&str; 2] = ["project ", "un-recognized request"];
