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
mod rotate;
mod task;
mod traces;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::apps::http_app::HttpServer;
use sd_notify::NotifyState;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::affinity::recent::Recent;
use crate::affinity::shared::access::{Access, AccessError};
use crate::affinity::shared::keys::Keys;
use crate::affinity::shared::{Shared, Work};
use crate::affinity::ties::Ties;
use crate::affinity::token::Key;
use crate::config::Settings;
use crate::edge::entrance::{Doors, Entrance, serve_plain};
use crate::edge::gate::Gate;
use crate::edge::listen::{Inherited, ListenError, listen};
use crate::edge::lookout::Lookout;
use crate::edge::phases::{Edge, Unmasked};
use crate::edge::settings::Protocol;
use crate::edge::snapshot::Snapshot;
use crate::edge::tls::{CertificateStore, TlsError};
use crate::guard::Guard;
use crate::observe::admin::Admin;
use crate::observe::log::{self, LogError};
use crate::observe::metrics::Metrics;
use crate::observe::status::{Readiness, Stage};
use crate::observe::tracer::Tracer;
use crate::placement::budget::Budget;
use crate::spool::file::Spools;
use crate::upload::transfer::Transfers;
use crate::upstream::authorities::{AuthoritiesError, check_authorities};
use crate::upstream::live::Live;
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
    #[error("{0}")]
    Authorities(#[from] AuthoritiesError),
    #[error("affinity keys: {0}")]
    Keys(#[from] keys::KeyError),
    #[error("redis: {0}")]
    Redis(#[from] AccessError),
    #[error("traces: {0}")]
    Traces(#[from] traces::TracesError),
    #[error("runtime: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Runs until a signal ends it.
///
/// The file is read again on SIGHUP; `settings` is what it says now.
pub fn run(path: PathBuf, settings: Settings) -> Result<(), AppError> {
    // Ours must be there before any library builds a TLS configuration; a second one is refused silently.
    drop(rustls::crypto::ring::default_provider().install_default());
    check_authorities()?;
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    metrics.spool_limited(settings.spool.total_limit);
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
    log: log::Log,
    snapshot: Arc<ArcSwap<Snapshot>>,
    lookout: Arc<Lookout>,
    ties: Arc<Ties>,
    transfers: Arc<Transfers>,
    spools: Spools,
    store: Arc<CertificateStore>,
    entrance: Entrance,
    shared: Shared,
    guard: Arc<Guard>,
    running: Settings,
}

async fn serve(
    path: PathBuf,
    settings: Settings,
    threads: usize,
    metrics: Arc<Metrics>,
    log: log::Log,
) -> Result<(), AppError> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), file = %path.display(), "starting");
    let (stop, stopped) = watch::channel(false);
    // The admin pages and the probes go on while the last requests run.
    let (close, closed) = watch::channel(false);
    let store = assemble::certificates(&settings)?;
    let sealing = keys::keys(&settings)?;
    let mut first = assemble::snapshot(&settings, &sealing, None)?;
    let readiness = Arc::new(Readiness::new());
    let (shared, sharing) = share(&settings, &sealing, &metrics, &readiness)?;
    let (listeners, bound) = bind(&settings)?;
    first.https_port = https_port(&bound);
    assemble::resolve(&first).await;
    let snapshot = Arc::new(ArcSwap::from_pointee(first));
    let (tracer, traces) = traces::start(settings.tracing.as_ref(), &metrics, &closed).await?;
    let edge = edge(
        &settings,
        &snapshot,
        shared.clone(),
        (&metrics, &log, tracer),
    );
    let (running, spools) = (Arc::clone(&edge.running), edge.spools.clone());
    let (lookout, ties) = (Arc::clone(&edge.lookout), Arc::clone(&edge.ties));
    let (transfers, guard) = (Arc::clone(&edge.transfers), Arc::clone(&edge.guard));
    let mut entrance = Entrance::new(edge, settings.limits.clone(), threads, stopped);
    let mut doors = JoinSet::new();
    open_doors(&mut entrance, listeners, (&settings, &store), &mut doors)?;
    let mut background = JoinSet::new();
    let (admin_address, serving) = open_admin(
        &settings,
        &snapshot,
        (&readiness, &lookout),
        (&metrics, &closed),
    )?;
    background.spawn(serving);
    let parts = Parts {
        path,
        transfers,
        spools,
        metrics,
        log,
        snapshot,
        lookout,
        ties,
        store,
        entrance,
        shared,
        guard,
        running: settings,
    };
    task::spawn_all(&parts, &mut background, &closed);
    task::spawn_until(&closed, &mut background, sharing.run());
    readiness.enter(Stage::Serving);
    announce(&bound, admin_address);
    let parts = drain::until_stopped(parts, &readiness).await;
    stop.send_replace(true);
    drain::drain(&parts, &running, &mut doors).await;
    close.send_replace(true);
    traces.end().await;
    background.shutdown().await;
    Ok(())
}

/// What every request is carried with.
fn edge(
    settings: &Settings,
    snapshot: &Arc<ArcSwap<Snapshot>>,
    shared: Shared,
    (metrics, log, tracer): (&Arc<Metrics>, &log::Log, Tracer),
) -> Edge {
    let gate = Arc::new(Gate::default());
    Edge {
        snapshot: Arc::clone(snapshot),
        recent: Recent::new(settings.affinity.recent_lifetime),
        ties: Arc::new(Ties::new(settings.sessions.lifetime)),
        budget: budget(settings),
        lookout: Arc::new(Lookout::new(Arc::clone(metrics), Arc::clone(&gate))),
        gate,
        metrics: Arc::clone(metrics),
        log: log.clone(),
        tracer,
        live: Live::new(KEPT_CONNECTIONS),
        spools: Spools::new(&settings.spool),
        transfers: Arc::new(Transfers::default()),
        shared,
        unmasked: Unmasked::default(),
        guard: Arc::new(Guard::default()),
        running: Arc::default(),
    }
}

/// What instances share, and the work that keeps it. Nobody waits for Redis.
fn share(
    settings: &Settings,
    sealing: &[Key],
    metrics: &Arc<Metrics>,
    readiness: &Arc<Readiness>,
) -> Result<(Shared, Work), AppError> {
    let (shared, work) = Shared::new(Arc::clone(metrics), Arc::clone(readiness));
    let access = settings.shared.as_ref().map(Access::open).transpose()?;
    shared.adopt(access, |prefix| Keys::new(prefix, sealing));
    Ok((shared, work))
}

fn open_doors(
    entrance: &mut Entrance,
    listeners: Listeners<'_>,
    (settings, store): (&Settings, &Arc<CertificateStore>),
    doors: &mut JoinSet<()>,
) -> Result<(), AppError> {
    for (listener, protocol) in listeners {
        entrance.open(listener, protocol, (&settings.certificates, store), doors)?;
    }
    Ok(())
}

/// Binds the admin listener; what serves it runs as long as the future does.
fn open_admin(
    settings: &Settings,
    snapshot: &Arc<ArcSwap<Snapshot>>,
    (readiness, lookout): (&Arc<Readiness>, &Lookout),
    (metrics, closed): (&Arc<Metrics>, &watch::Receiver<bool>),
) -> Result<(SocketAddr, impl Future<Output = ()> + use<>), AppError> {
    let fleet = Arc::clone(snapshot);
    let admin = Admin::new(
        Arc::clone(metrics),
        move || Arc::clone(&fleet.load().fleet),
        Arc::clone(readiness),
        lookout.findings(),
    );
    let listener = listen(settings.admin.address, &[], &mut Inherited::default())?;
    let address = listener.local_addr()?;
    // An operator's connections are not clients': they are counted where nobody looks.
    let apart = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let limits = settings.limits.clone();
    let app = HttpServer::new_app(admin);
    let desk = Doors::new(app, limits, apart, None, closed.clone());
    Ok((address, serve_plain(listener, desk)))
}

fn budget(settings: &Settings) -> Budget {
    let now = tokio::time::Instant::now().into_std();
    Budget::new(
        settings.retry.budget_percent,
        settings.retry.budget_minimum,
        now,
    )
}

/// Bound listeners, each with what is spoken there.
type Listeners<'s> = Vec<(TcpListener, &'s Protocol)>;

/// Binds all listeners before the first is served, so that a port in use refuses the start as a whole.
fn bind(settings: &Settings) -> Result<(Listeners<'_>, Vec<Bound>), AppError> {
    let mut inherited = Inherited::from_environment();
    let addresses: Vec<SocketAddr> = settings.listeners.iter().map(|one| one.address).collect();
    let mut listeners = Vec::new();
    for wanted in &settings.listeners {
        let listener = listen(wanted.address, &addresses, &mut inherited)?;
        listeners.push((listener, &wanted.protocol));
    }
    let bound = listeners.iter().map(Bound::of).collect::<Result<_, _>>()?;
    Ok((listeners, bound))
}

/// Where browsers on the plain port are sent: the port that the first https listener really has.
fn https_port(bound: &[Bound]) -> u16 {
    let https = bound.iter().find(|one| one.protocol == HTTPS);
    https.map_or(assemble::HTTPS_PORT, |one| one.address.port())
}

/// A listener with the address that it really has.
#[derive(Debug, Serialize)]
struct Bound {
    protocol: &'static str,
    address: SocketAddr,
}

impl Bound {
    fn of((listener, protocol): &(TcpListener, &Protocol)) -> std::io::Result<Self> {
        let protocol = match protocol {
            Protocol::Https(_) => HTTPS,
            Protocol::Redirect => "redirect",
        };
        Ok(Self {
            protocol,
            address: listener.local_addr()?,
        })
    }
}

/// What the ready line calls a listener that serves the registry.
const HTTPS: &str = "https";

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

/// Idle connections to nodes for exchanges that we carry ourselves.
const KEPT_CONNECTIONS: usize = 256;
