//! Values that the tests of this room start from, and the certificates they use.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::time::Instant;

use crate::affinity::browser::Marker;
use crate::affinity::settings::{SessionMode, SessionSettings};
use crate::affinity::token::{Key, Sealer};
use crate::download::settings::{TakeoverSettings, Verify};
use crate::fleet::view::Fleet;
use crate::guard::settings::{Allowance, GuardSettings, LoginGuarding, LoginSettings, Tokens};
use crate::guard::who::Anonymizer;
use crate::observe::steps::Steps;
use crate::rewrite::{LocationForm, Scheme};
use crate::upstream::settings::{ProbeKind, ProbeSettings, Timeouts};

use super::connection::Connection;
use super::exchange::Exchange;
use super::host::ServedNames;
use super::settings::{CertificateFiles, Certificates, Limits, Public, Retry};
use super::shown::Shown;
use super::snapshot::Snapshot;

/// Limits as small as they may be without being in the way.
pub(super) fn limits() -> Limits {
    Limits {
        connections: 100,
        connections_per_client: 100,
        handshake_timeout: Duration::from_secs(10),
        header_timeout: Duration::from_secs(15),
        idle_timeout: Duration::from_secs(75),
        client_timeout: Duration::from_mins(1),
        connection_age: Duration::from_hours(24),
        header_size: 1024,
        requests_per_connection: 100,
        h2_streams: 100,
        h2_window: 1 << 20,
        h2_window_total: 1 << 30,
    }
}

/// A snapshot without nodes.
pub(super) fn snapshot() -> Snapshot {
    let health = crate::fleet::health::Settings::default();
    let names = vec!["registry.test".to_owned()];
    let second = Duration::from_secs(1);
    Snapshot {
        generation: 0,
        served: ServedNames::new(&names),
        public: Public {
            names,
            location: LocationForm::Absolute,
            trusted_proxies: Vec::new(),
        },
        https_port: 443,
        limits: limits(),
        retry: Retry {
            attempts: 3,
            budget_percent: 20,
            budget_minimum: 10,
            patience: second,
            queue_length: 1,
            queue_timeout: second,
        },
        takeover: TakeoverSettings {
            verify: Verify::Off,
        },
        timeouts: Timeouts {
            connect: second,
            write: second,
            read: second,
            commit: second,
            idle: second,
        },
        probe: ProbeSettings {
            kind: ProbeKind::Registry,
            interval: second,
            timeout: second,
        },
        certificates: certificates(),
        node_in_flight: 1,
        fleet: Arc::new(Fleet::new(Vec::new(), &health, Instant::now().into_std())),
        targets: Vec::new(),
        sealer: sealer(),
        marker: Marker::new(&[Key::from([7; 32])]).unwrap(),
        sessions: SessionSettings {
            mode: SessionMode::Shared,
            cookies: vec!["sid".to_owned()],
            lifetime: second,
            own_cookie: None,
        },
        upload_lifetime: second,
        storage: crate::affinity::settings::Storage::Apart,
        guard: guard(),
        tracing: None,
        anonymizer: Anonymizer::new(sealer().derive("guard")),
    }
}

fn sealer() -> Sealer {
    Sealer::new(vec![Key::from([7; 32])]).unwrap()
}

/// No limits but those on logins.
fn guard() -> GuardSettings {
    let second = Duration::from_secs(1);
    GuardSettings {
        guarding: LoginGuarding::On,
        login: LoginSettings {
            failures: 5,
            client_failures: 20,
            account_failures: 20,
            pause: second,
            longest_pause: second,
            memory: second,
            trust: second,
        },
        client: Allowance::default(),
        account: Allowance::default(),
        patience: second,
        lease: second,
        tokens: Tokens::EachItsOwn,
    }
}

/// What concerns all certificates, without any.
pub(super) fn certificates() -> Certificates {
    Certificates {
        files: Vec::new(),
        recheck: Duration::from_secs(30),
        session_cache: 16,
    }
}

/// A request that has just begun.
pub(super) fn exchange() -> Exchange {
    let shown = Shown::begin(Some(Steps::default()));
    let mut exchange = Exchange::new(Arc::new(snapshot()), Instant::now(), shown);
    "request-1".clone_into(&mut exchange.request_id);
    exchange
}

/// A connection of a client on the local machine.
pub(super) fn connection() -> Arc<Connection> {
    let peer = "192.0.2.10:40000".parse().unwrap();
    let local = "127.0.0.1:443".parse().unwrap();
    Arc::new(Connection::new(peer, local, Scheme::Https))
}

/// Both ends of a pipe that holds so many bytes: the client's and ours.
pub(super) fn pipe(size: usize) -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(size)
}

/// A self-signed certificate for these names, written as two files into `folder`.
pub(super) fn certificate(folder: &Path, stem: &str, names: &[&str]) -> CertificateFiles {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let files = CertificateFiles {
        chain_file: folder.join(format!("{stem}.pem")),
        key_file: folder.join(format!("{stem}.key")),
    };
    std::fs::write(&files.chain_file, made.cert.pem()).unwrap();
    std::fs::write(&files.key_file, made.signing_key.serialize_pem()).unwrap();
    files
}
