//! The only room that knows all others: it puts them together, keeps them running and takes them apart.
//!
//! It never looks at a request.
//!
//! Words: to *assemble* is to make a snapshot from settings; a *task* is work that goes on in the background; to
//! *drain* is to let what runs come to its end.

mod assemble;
mod drain;
mod keys;
mod probes;
mod reload;
mod task;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::apps::http_app::HttpServer;
use sd_notify::NotifyState;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::affinity::recent::Recent;
use crate::config::Settings;
use crate::edge::entrance::{Doors, Entrance, serve_plain};
use crate::edge::gate::Gate;
use crate::edge::listen::{Inherited, ListenError, listen};
use crate::edge::lookout::Lookout;
use crate::edge::phases::Edge;
use crate::edge::settings::Protocol;
use crate::edge::tls::{CertificateStore, TlsError};
use crate::observe::admin::Admin;
use crate::observe::log::{self, LogError};
use crate::observe::metrics::Metrics;
use crate::observe::status::{Readiness, Stage};
use crate::placement::budget::Budget;
use crate::upstream::peer::TargetError;

/// pilotage cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("log: {0}")]
    Log(#[from] LogError),
    #[error("{0}")]
    Listen(#[from] ListenError),
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    #[error("{0}")]
    Target(#[from] TargetError),
    #[error("affinity keys: {0}")]
    Keys(#[from] keys::KeyError),
    #[error("runtime: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Runs until a signal ends it.
///
/// The file is read again on SIGHUP; `settings` is what it says now.
pub fn run(path: PathBuf, settings: Settings) -> Result<(), AppError> {
    // Ours must be there before any library builds a TLS configuration; a second one is refused silently.
    drop(rustls::crypto::ring::default_provider().install_default());
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let (log, writing) = log::start(&settings.log, &metrics)?;
    let threads = match settings.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .thread_name("pilotage")
        .build()?;
    let outcome = runtime.block_on(serve(path, settings, threads, metrics, log));
    runtime.shutdown_background();
    drop(writing);
    outcome
}

/// What the background work shares.
struct Parts {
    path: PathBuf,
    metrics: Arc<Metrics>,
    snapshot: Arc<ArcSwap<crate::edge::snapshot::Snapshot>>,
    lookout: Arc<Lookout>,
    store: Arc<CertificateStore>,
    entrance: Entrance,
    running: Settings,
}

async fn serve(
    path: PathBuf,
    settings: Settings,
    threads: usize,
    metrics: Arc<Metrics>,
    log: log::Log,
) -> Result<(), AppError> {
    let (stop, stopped) = watch::channel(false);
    let store = Arc::new(CertificateStore::load(&settings.certificates.files)?);
    let first = assemble::snapshot(&settings, None)?;
    assemble::resolve(&first).await;
    let snapshot = Arc::new(ArcSwap::from_pointee(first));
    let gate = Arc::new(Gate::default());
    let lookout = Arc::new(Lookout::new(Arc::clone(&metrics), Arc::clone(&gate)));
    let running = Arc::default();
    let now = tokio::time::Instant::now().into_std();
    let edge = Edge {
        snapshot: Arc::clone(&snapshot),
        recent: Recent::new(settings.affinity.recent_lifetime),
        budget: Budget::new(
            settings.retry.budget_percent,
            settings.retry.budget_minimum,
            now,
        ),
        gate,
        lookout: Arc::clone(&lookout),
        metrics: Arc::clone(&metrics),
        log: log.clone(),
        running: Arc::clone(&running),
    };
    let mut entrance = Entrance::new(edge, settings.limits.clone(), threads, stopped.clone());
    let mut doors = JoinSet::new();
    let bound = open(&settings, &mut entrance, &store, &mut doors)?;
    let readiness = Arc::new(Readiness::new());
    let fleet = Arc::clone(&snapshot);
    let admin = Admin::new(
        Arc::clone(&metrics),
        move || Arc::clone(&fleet.load().fleet),
        Arc::clone(&readiness),
    );
    let listener = listen(settings.admin.address, &[], &mut Inherited::default())?;
    let admin_address = listener.local_addr()?;
    let mut background = JoinSet::new();
    let limits = settings.limits.clone();
    let app = HttpServer::new_app(admin);
    let desk = Doors::new(app, limits, Arc::clone(&metrics), log, stopped.clone());
    background.spawn(serve_plain(listener, desk));
    let parts = Parts {
        path,
        metrics,
        snapshot,
        lookout,
        store,
        entrance,
        running: settings,
    };
    task::spawn_all(&parts, &mut background, &stopped);
    readiness.enter(Stage::Serving);
    announce(&bound, admin_address);
    let parts = drain::until_stopped(parts, &readiness).await;
    stop.send_replace(true);
    drain::drain(&parts, &running, &mut doors).await;
    background.shutdown().await;
    Ok(())
}

/// Binds all listeners before the first is served, so that a port in use refuses the start as a whole.
fn open(
    settings: &Settings,
    entrance: &mut Entrance,
    store: &Arc<CertificateStore>,
    doors: &mut JoinSet<()>,
) -> Result<Vec<Bound>, AppError> {
    let mut inherited = Inherited::from_environment();
    let addresses: Vec<SocketAddr> = settings.listeners.iter().map(|one| one.address).collect();
    let mut listeners = Vec::new();
    for wanted in &settings.listeners {
        let listener = listen(wanted.address, &addresses, &mut inherited)?;
        listeners.push((listener, &wanted.protocol));
    }
    let mut bound = Vec::new();
    for (listener, protocol) in listeners {
        let address = listener.local_addr()?;
        let name = match protocol {
            Protocol::Https(_) => "https",
            Protocol::Redirect => "redirect",
        };
        bound.push(Bound {
            protocol: name,
            address,
        });
        entrance.open(listener, protocol, &settings.certificates, store, doors)?;
    }
    Ok(bound)
}

/// A listener with the address that it really has.
#[derive(Debug, Serialize)]
struct Bound {
    protocol: &'static str,
    address: SocketAddr,
}

/// Prints the ready line and tells the service manager.
fn announce(bound: &[Bound], admin: SocketAddr) {
    let line = serde_json::json!({ "ready": true, "listeners": bound, "admin": admin });
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; that is no reason not to serve.
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
    for one in bound {
        tracing::info!(protocol = one.protocol, address = %one.address, "listening");
    }
    tracing::info!(protocol = "admin", address = %admin, "listening");
    drop(sd_notify::notify(false, &[NotifyState::Ready]));
}
