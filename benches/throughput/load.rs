//! The load: small requests, transfers and handshakes, counted exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::{Tally, Target, Version};
use super::h1::{self, Framing};
use super::h2;
use super::plan::{MOST_HANDSHAKES, MOST_REQUESTS};
use super::system::System;

/// What is asked of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Manifests, one after the other on each of [`LANES`] streams.
    Small(Version),
    /// Blobs of a few kilobytes: a POST and a PUT each, one after the other on each of [`LANES`] connections.
    Tiny,
    /// One blob in so many parts at the same time.
    Pull(Version, u64),
    /// The same as uploads.
    Push(Version, Framing, u64),
    /// Connections that ask once.
    Handshakes,
}

impl Work {
    pub(crate) const ALL: [Self; 13] = [
        Self::Small(Version::One),
        Self::Small(Version::Two),
        Self::Tiny,
        Self::Pull(Version::One, 1),
        Self::Pull(Version::One, 8),
        Self::Pull(Version::Two, 1),
        Self::Pull(Version::Two, 8),
        Self::Push(Version::One, Framing::Length, 1),
        Self::Push(Version::One, Framing::Length, 8),
        Self::Push(Version::One, Framing::Chunked, 1),
        Self::Push(Version::Two, Framing::Length, 1),
        Self::Push(Version::Two, Framing::Length, 8),
        Self::Handshakes,
    ];

    /// Whether it says anything about a system that another does not.
    pub(crate) fn concerns(self, system: System) -> bool {
        match self {
            Self::Push(..) => !system.is_for_requests(),
            Self::Small(Version::One) | Self::Tiny => !system.is_for_uploads(),
            _ => !system.is_for_uploads() && !system.is_for_requests(),
        }
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Small(version) => format!("small GET {}", version.as_str()),
            Self::Tiny => "tiny push h1".to_owned(),
            Self::Pull(version, streams) => format!("blob GET {} x{streams}", version.as_str()),
            Self::Push(version, Framing::Length, streams) => {
                format!("upload PATCH {} x{streams}", version.as_str())
            }
            Self::Push(version, Framing::Chunked, streams) => {
                format!("upload PATCH {} chunked x{streams}", version.as_str())
            }
            Self::Handshakes => "handshake".to_owned(),
        }
    }

    /// Does the work on a system; transfers carry `bytes`, the others take `time`.
    pub(crate) async fn run(self, target: &Target, bytes: u64, time: Duration) -> Tally {
        let until = Instant::now() + time;
        match self {
            Self::Small(Version::One) => small_h1(target, until).await,
            Self::Small(Version::Two) => small_h2(target, until).await,
            Self::Tiny => tiny(target, until).await,
            Self::Pull(version, streams) => pull(target, version, streams, bytes).await,
            Self::Push(version, framing, streams) => {
                push(target, (version, framing), streams, bytes).await
            }
            Self::Handshakes => handshakes(target, until).await,
        }
    }
}

async fn small_h1(target: &Target, until: Instant) -> Tally {
    let mut lanes = JoinSet::new();
    for _ in 0..LANES {
        let mut connection = h1::Connection::open(target).await;
        let head = h1::head(target, "GET", MANIFEST, &[]);
        lanes.spawn(async move {
            let mut tally = Tally::default();
            while Instant::now() < until && tally.waits.len() < MOST_REQUESTS / LANES {
                let begin = Instant::now();
                let answer = connection.ask(&head).await;
                tally.waits.push(begin.elapsed());
                tally.bytes += answer.length;
            }
            tally
        });
    }
    gather(lanes).await
}

async fn tiny(target: &Target, until: Instant) -> Tally {
    let mut lanes = JoinSet::new();
    for _ in 0..LANES {
        let (mut connection, to) = (h1::Connection::open(target).await, target.clone());
        lanes.spawn(async move {
            let mut tally = Tally::default();
            let start = h1::head(&to, "POST", UPLOADS, &["Content-Length: 0"]);
            while Instant::now() < until && tally.waits.len() < MOST_REQUESTS / LANES {
                let begin = Instant::now();
                let location = connection.ask(&start).await.location.unwrap();
                tally.waits.push(begin.elapsed());
                let path = format!(
                    "{}&digest={}",
                    rest_of(&location),
                    "sha256:".to_owned() + &"0".repeat(64)
                );
                let length = format!("Content-Length: {TINY}");
                let begin = Instant::now();
                connection
                    .send(&h1::head(&to, "PUT", &path, &[&length]))
                    .await;
                connection.send_body(TINY, Framing::Length).await;
                let answer = connection.answer().await;
                assert_eq!(answer.status, 201, "{answer:?}");
                connection.discard(answer.length).await;
                tally.waits.push(begin.elapsed());
                tally.bytes += TINY;
            }
            tally
        });
    }
    gather(lanes).await
}

async fn small_h2(target: &Target, until: Instant) -> Tally {
    let mut lanes = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let connection = h2::Connection::open(target).await;
        for _ in 0..LANES / CONNECTIONS {
            let mut connection = connection.clone();
            lanes.spawn(async move {
                let mut tally = Tally::default();
                while Instant::now() < until && tally.waits.len() < MOST_REQUESTS / LANES {
                    let begin = Instant::now();
                    let (_, bytes) = connection.ask("GET", MANIFEST).await;
                    tally.waits.push(begin.elapsed());
                    tally.bytes += bytes;
                }
                tally
            });
        }
    }
    gather(lanes).await
}

async fn pull(target: &Target, version: Version, streams: u64, bytes: u64) -> Tally {
    let part = bytes / streams;
    let path = format!("{BLOBS}{part:064x}");
    let mut lanes = JoinSet::new();
    match version {
        Version::One => {
            for _ in 0..streams {
                let mut connection = h1::Connection::open(target).await;
                let head = h1::head(target, "GET", &path, &[]);
                lanes.spawn(async move { carried(connection.ask(&head).await.length) });
            }
        }
        Version::Two => {
            let connection = h2::Connection::open(target).await;
            for _ in 0..streams {
                let (mut connection, path) = (connection.clone(), path.clone());
                lanes.spawn(async move { carried(connection.ask("GET", &path).await.1) });
            }
        }
    }
    let tally = gather(lanes).await;
    assert_eq!(tally.bytes, part * streams, "every byte arrived once");
    tally
}

async fn push(target: &Target, how: (Version, Framing), streams: u64, bytes: u64) -> Tally {
    let part = bytes / streams;
    let mut lanes = JoinSet::new();
    match how {
        (Version::One, framing) => {
            for _ in 0..streams {
                let connection = h1::Connection::open(target).await;
                lanes.spawn(push_h1(connection, target.clone(), framing, part));
            }
        }
        (Version::Two, _) => {
            let connection = h2::Connection::open(target).await;
            for _ in 0..streams {
                lanes.spawn(push_h2(connection.clone(), part));
            }
        }
    }
    gather(lanes).await
}

async fn push_h1(mut connection: h1::Connection, to: Target, framing: Framing, size: u64) -> Tally {
    let start = h1::head(&to, "POST", UPLOADS, &["Content-Length: 0"]);
    let location = connection.ask(&start).await.location;
    let length = match framing {
        Framing::Length => format!("Content-Length: {size}"),
        Framing::Chunked => "Transfer-Encoding: chunked".to_owned(),
    };
    let head = h1::head(&to, "PATCH", rest_of(&location.unwrap()), &[&length]);
    connection.send(&head).await;
    connection.send_body(size, framing).await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.range, Some(format!("0-{}", size - 1)));
    connection.discard(answer.length).await;
    let end = rest_of(&answer.location.unwrap()).to_owned();
    let end = h1::head(&to, "PUT", &end, &["Content-Length: 0"]);
    connection.ask(&end).await;
    carried(size)
}

async fn push_h2(mut connection: h2::Connection, size: u64) -> Tally {
    let location = |answer: &http::Response<()>| {
        let location = answer.headers().get("location").unwrap().to_str().unwrap();
        rest_of(location).to_owned()
    };
    let (started, _) = connection.ask("POST", UPLOADS).await;
    let answer = connection.upload(&location(&started), size).await;
    assert_eq!(
        answer.headers().get("range").unwrap(),
        &format!("0-{}", size - 1)
    );
    connection.ask("PUT", &location(&answer)).await;
    carried(size)
}

async fn handshakes(target: &Target, until: Instant) -> Tally {
    let mut lanes = JoinSet::new();
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..CLIENTS {
        let (target, count) = (target.clone(), Arc::clone(&count));
        lanes.spawn(async move {
            let mut tally = Tally::default();
            let head = h1::head(&target, "GET", "/v2/", &["Connection: close"]);
            while Instant::now() < until && count.fetch_add(1, Ordering::Relaxed) < MOST_HANDSHAKES
            {
                let begin = Instant::now();
                h1::Connection::open(&target).await.ask(&head).await;
                tally.waits.push(begin.elapsed());
            }
            tally
        });
    }
    gather(lanes).await
}

async fn gather(mut lanes: JoinSet<Tally>) -> Tally {
    let mut all = Tally::default();
    let joined = async {
        while let Some(tally) = lanes.join_next().await {
            all.add(tally.unwrap());
        }
    };
    let in_time = tokio::time::timeout(LONGEST, joined).await;
    assert!(in_time.is_ok(), "not done after {LONGEST:?}");
    all
}

fn carried(bytes: u64) -> Tally {
    Tally {
        bytes,
        ..Tally::default()
    }
}

/// Path and query of a Location, which must be ours: the load stays where it is.
pub(crate) fn rest_of(location: &str) -> &str {
    let start = location.find("/v2/");
    start.and_then(|start| location.get(start..)).unwrap()
}

pub(crate) const BLOBS: &str = "/v2/lab/app/blobs/sha256:";
pub(crate) const UPLOADS: &str = "/v2/lab/app/blobs/uploads/";
const MANIFEST: &str = "/v2/lab/app/manifests/1.0";
/// Small requests under way at one time.
const LANES: usize = 32;
/// Connections that share them on HTTP/2.
const CONNECTIONS: usize = 4;
/// Handshakes under way at one time.
const CLIENTS: usize = 8;
/// The usual size of an image's configuration.
const TINY: u64 = 4096;
const LONGEST: Duration = Duration::from_mins(5);
