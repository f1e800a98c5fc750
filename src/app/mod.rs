//! The only room that knows all others: it puts them together, keeps them running and takes them apart.
//!
//! It never looks at a request.
//!
//! Words: to *assemble* is to make a snapshot from settings; a *task* is work that goes on in the background; to
//! *drain* is to let what runs come to its end; a *handover* is how one process comes after another without a gap.

mod assemble;
mod desk;
mod drain;
mod handover;
mod keys;
mod maintenance;
mod probes;
mod reload;
mod rotate;
mod sockets;
mod task;
mod traces;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
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
use crate::control::tokens::TokenFileError;
use crate::edge::entrance::{Entrance, Phase};
use crate::edge::gate::Gate;
use crate::edge::listen::ListenError;
use crate::edge::lookout::Lookout;
use crate::edge::maintenance::Maintenance;
use crate::edge::phases::{Edge, Unmasked};
use crate::edge::settings::Protocol;
use crate::edge::snapshot::Snapshot;
use crate::edge::tls::{CertificateStore, TlsError};
use crate::guard::Guard;
use crate::observe::history::History;
use crate::observe::log::{self, LogError};
use crate::observe::metrics::Metrics;
use crate::observe::progress::Progress;
use crate::observe::status::{Readiness, Stage};
use crate::observe::tracer::Tracer;
use crate::placement::budget::Budget;
use crate::spool::file::Spools;
use crate::upload::transfer::Transfers;
use crate::upstream::authorities::{AuthoritiesError, check_authorities};
use crate::upstream::live::Live;
use crate::upstream::peer::TargetError;

pub use self::handover::Beginning;
use self::handover::{Giving, HandoverError, Ordered, Taken, check_place, take};
use self::sockets::Sockets;

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
    #[error("upgrade: {0}")]
    Handover(#[from] HandoverError),
    #[error("redis: {0}")]
    Redis(#[from] AccessError),
    #[error("traces: {0}")]
    Traces(#[from] traces::TracesError),
    #[error("{0}")]
    Tokens(#[from] TokenFileError),
    #[error("runtime: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Runs until a signal ends it, or another process takes over.
///
/// The file is read again on SIGHUP; `settings` is what it says now.
pub fn run(path: PathBuf, settings: Settings, beginning: Beginning) -> Result<(), AppError> {
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
    let outcome = runtime.block_on(serve((path, settings), beginning, threads, metrics, log));
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
    history: Arc<History>,
    maintenance: Arc<Maintenance>,
    reception: desk::Reception,
    sealing: keys::Sealing,
    running: Settings,
}

async fn serve(
    (path, settings): (PathBuf, Settings),
    beginning: Beginning,
    threads: usize,
    metrics: Arc<Metrics>,
    log: log::Log,
) -> Result<(), AppError> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), file = %path.display(), "starting");
    // The admin pages and the probes go on while the last requests run.
    let (close, closed) = watch::channel(false);
    let (phases, told) = drain::Phases::new();
    if let Some(upgrade) = &settings.upgrade {
        check_place(&upgrade.socket)?;
    }
    let store = assemble::certificates(&settings)?;
    let mut taken = take(settings.upgrade.as_ref(), beginning).await?;
    let sealing = keys::keys(&settings, taken.as_ref().map_or(&[], Taken::keys))?;
    let mut first = assemble::snapshot(&settings, &sealing.keys, None)?;
    let readiness = Arc::new(Readiness::new());
    let (shared, sharing) = share(&settings, &sealing.keys, &metrics, &readiness)?;
    let sockets = Sockets::bind(&settings, taken.as_mut())?;
    first.https_port = sockets.bound.https_port();
    assemble::resolve(&first).await;
    let snapshot = Arc::new(ArcSwap::from_pointee(first));
    let (tracer, traces) = traces::start(settings.tracing.as_ref(), &metrics, &closed).await?;
    let aside = (&metrics, &log, tracer);
    let edge = edge(&settings, &snapshot, shared.clone(), aside);
    let running = Arc::clone(&edge.running);
    let (desk, apart, reception) = desk::prepare(&settings, &edge, (&readiness, &store))?;
    let mut background = JoinSet::new();
    task::spawn_until(&closed, &mut background, sharing.run());
    let mut parts = Parts {
        path,
        transfers: Arc::clone(&edge.transfers),
        spools: edge.spools.clone(),
        lookout: Arc::clone(&edge.lookout),
        ties: Arc::clone(&edge.ties),
        guard: Arc::clone(&edge.guard),
        history: Arc::clone(&edge.history),
        maintenance: Arc::clone(&edge.maintenance),
        entrance: Entrance::new(edge, settings.limits.clone(), threads, told.clients),
        metrics,
        log,
        snapshot,
        store,
        shared,
        reception,
        sealing,
        running: settings.clone(),
    };
    prepare_to_relieve(&parts, taken.as_ref()).await?;
    let mut doors = JoinSet::new();
    open_doors(&mut parts, sockets.listeners, &settings, &mut doors)?;
    let limits = &settings.limits;
    background.spawn(desk::open(
        (desk, apart),
        sockets.admin,
        limits,
        told.operator,
    ));
    task::spawn_all(&parts, &mut background, &closed);
    readiness.enter(Stage::Serving);
    if let Some(taken) = taken {
        taken_over(&parts, &taken).await;
    }
    let giving = stand_ready(&parts, sockets.lent, beginning)?;
    sockets.bound.announce(beginning);
    let ending = drain::until_ended(&mut parts, giving, &readiness, &phases).await;
    drain::drain(&parts, ending, &running, &mut doors).await;
    close.send_replace(true);
    traces.end().await;
    phases.operator.send_replace(Phase::Closed);
    background.shutdown().await;
    Ok(())
}

/// Whoever takes over knows what was ordered, and that a node is well, before it serves.
async fn prepare_to_relieve(parts: &Parts, taken: Option<&Taken>) -> Result<(), AppError> {
    if let Some(taken) = taken {
        let fleet = &parts.snapshot.load().fleet;
        let ordered = taken.ordered();
        ordered.keep_to(&Ordered::default(), fleet, &parts.maintenance);
        probes::first_word(parts).await?;
    }
    Ok(())
}

/// Lets the process of before go. Orders that it got since it was asked for its sockets count here as well.
async fn taken_over(parts: &Parts, taken: &Taken) {
    if let Some(ordered) = taken.serving().await {
        let fleet = &parts.snapshot.load().fleet;
        ordered.keep_to(taken.ordered(), fleet, &parts.maintenance);
    }
}

/// Offers the sockets to whoever comes after us, if that is wanted.
fn stand_ready(
    parts: &Parts,
    lent: handover::Lent,
    beginning: Beginning,
) -> Result<Option<Giving>, AppError> {
    let Some(upgrade) = &parts.running.upgrade else {
        return Ok(None);
    };
    let (snapshot, maintenance) = (Arc::clone(&parts.snapshot), Arc::clone(&parts.maintenance));
    let ordered = move || Ordered::of(&snapshot.load().fleet, &maintenance);
    let keys = parts.sealing.unkept();
    match (
        Giving::open(&upgrade.socket, lent, keys, ordered),
        beginning,
    ) {
        (Ok(giving), _) => Ok(Some(giving)),
        (Err(error), Beginning::Fresh) => Err(error.into()),
        (Err(error), Beginning::Upgrade) => {
            // The process of before is gone: to serve is all that counts.
            tracing::error!(%error, "no further upgrade is possible without a restart");
            Ok(None)
        }
    }
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
        history: Arc::new(History::new(settings.admin.requests)),
        progress: Progress::default(),
        maintenance: Arc::default(),
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
    let listeners = settings.listeners.len();
    let (shared, work) = Shared::new(Arc::clone(metrics), Arc::clone(readiness), listeners);
    let access = settings.shared.as_ref().map(Access::open).transpose()?;
    shared.adopt(access, |prefix| Keys::new(prefix, sealing));
    Ok((shared, work))
}

fn open_doors(
    parts: &mut Parts,
    listeners: Vec<(TcpListener, &Protocol)>,
    settings: &Settings,
    doors: &mut JoinSet<()>,
) -> Result<(), AppError> {
    let tls = (&settings.certificates, &parts.store);
    for (listener, protocol) in listeners {
        parts.entrance.open(listener, protocol, tls, doors)?;
    }
    Ok(())
}

fn budget(settings: &Settings) -> Budget {
    let now = tokio::time::Instant::now().into_std();
    Budget::new(
        settings.retry.budget_percent,
        settings.retry.budget_minimum,
        now,
    )
}

/// Idle connections to nodes for exchanges that we carry ourselves.
const KEPT_CONNECTIONS: usize = 256;
