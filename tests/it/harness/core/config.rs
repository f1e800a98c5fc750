//! What a core is started with, and what a test may switch while it runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use super::answer::{self, Answer};
use crate::harness::signing::KeyName;

/// Fixed for the life of the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    pub flavour: Flavour,
    pub listen: SocketAddr,
    pub control: SocketAddr,
    pub registry: SocketAddr,
    pub portal: SocketAddr,
    pub redis: Option<SocketAddr>,
    pub redis_prefix: String,
    pub sessions: Keeping,
    /// Where the provider of single sign-on is, if there is one.
    pub provider: Option<SocketAddr>,
    pub database: PathBuf,
    /// Harbor's `EXT_ENDPOINT` at the start.
    pub external_url: String,
    pub key: PathBuf,
    pub certificate: PathBuf,
    pub key_name: KeyName,
    pub csrf_key: String,
    /// How far its clock is ahead, in seconds.
    pub clock: i64,
    /// What its token service calls itself.
    pub service: String,
}

/// Where the sessions of browsers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keeping {
    /// In the Redis that all nodes share, as `_REDIS_URL` says.
    Redis,
    /// In the memory of this core: no other node knows them, and they end with it.
    Memory,
}

/// Who checks tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flavour {
    /// 1.x: the registry itself, with the certificate of the key; core only hands tokens out.
    Harbor1,
    /// 2.x: core, with the public half of its own key; the registry knows one inner user.
    Harbor2,
}

/// What tests change at run time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Switches {
    pub external_url: String,
    /// Components that health shall call unhealthy, with the error it tells. `registry`, `redis`,
    /// `portal` and `database` are also looked at.
    pub components: BTreeMap<String, String>,
    pub read_only: bool,
    pub referrers: Referrers,
    pub realm: Realm,
    /// Life of a token; negative ones are born expired.
    pub token_seconds: i64,
    /// How long a wrong password takes to refuse.
    pub wrong_password_ms: u64,
    pub injections: Vec<Injection>,
}

/// Whether the node knows the referrers API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Referrers {
    /// From 2.8 on: core answers with an index.
    Index,
    /// Before: the registry says 404.
    Missing,
}

/// Where the host of the realm comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Realm {
    /// Up to 2.13: the external URL.
    External,
    /// From 2.14: the scheme of the external URL with the `Host` of the request.
    RequestHost,
}

/// An answer given in place of the real one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Injection {
    /// Empty for any method.
    pub method: String,
    /// Part of path and query.
    pub contains: String,
    pub status: u16,
    pub content_type: String,
    pub body: String,
    /// How many requests get it.
    pub times: u32,
    pub request_body: RequestBody,
}

/// What happens to the body of a request that gets an injected answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestBody {
    /// The answer comes after it was read.
    Read,
    /// The answer comes early, as distribution does it for a stale upload.
    Ignored,
    /// The answer comes when so many bytes of it were read.
    UpTo(u64),
}

impl Switches {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            external_url: config.external_url.clone(),
            components: BTreeMap::new(),
            read_only: false,
            referrers: Referrers::Index,
            realm: Realm::External,
            token_seconds: 1800,
            wrong_password_ms: 1500,
            injections: Vec::new(),
        }
    }

    pub(super) fn take_injection(&mut self, request: &Request<Incoming>) -> Option<Injection> {
        let target = request
            .uri()
            .path_and_query()
            .map_or("", |target| target.as_str());
        let found = self.injections.iter_mut().find(|injection| {
            injection.times > 0
                && (injection.method.is_empty() || injection.method == request.method().as_str())
                && target.contains(&injection.contains)
        })?;
        found.times -= 1;
        Some(found.clone())
    }
}

impl Injection {
    /// One answer with this status and JSON body for the next request that fits.
    pub fn once(method: &str, contains: &str, status: u16, body: &str) -> Self {
        Self {
            method: method.to_owned(),
            contains: contains.to_owned(),
            status,
            content_type: "application/json; charset=utf-8".to_owned(),
            body: body.to_owned(),
            times: 1,
            request_body: RequestBody::Read,
        }
    }

    pub(super) async fn carry_out(self, request: Request<Incoming>) -> Answer {
        let wanted = match self.request_body {
            RequestBody::Read => u64::MAX,
            RequestBody::Ignored => 0,
            RequestBody::UpTo(wanted) => wanted,
        };
        let (mut body, mut had) = (request.into_body(), 0);
        while had < wanted {
            let Some(Ok(frame)) = body.frame().await else {
                break;
            };
            had += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        answer::text(self.status, &self.content_type, self.body)
    }
}
