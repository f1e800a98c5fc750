//! Work that goes on in the background: by name, at intervals, until the stop.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::guard::lease::Leases;
use crate::observe::labels::Task;

use super::Parts;
use super::maintenance;
use super::probes::Prober;
use super::reload::Certificates;
use super::rotate;

/// Whether a piece of work did what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Yes,
    No,
}

/// Starts all background work.
pub(super) fn spawn_all(parts: &Parts, tasks: &mut JoinSet<()>, stop: &watch::Receiver<bool>) {
    let metrics = Arc::clone(&parts.metrics);
    let prober = Prober::new(Arc::clone(&parts.lookout), Arc::clone(&metrics));
    let snapshot = Arc::clone(&parts.snapshot);
    tasks.spawn(until_stop(stop.clone(), async move {
        // The first requests are waiting for the first word.
        let mut spread = Duration::ZERO;
        loop {
            let now = snapshot.load_full();
            prober.round(&now, spread).await;
            metrics.task_succeeded(Task::Probes, SystemTime::now());
            spread = now.probe.interval;
            sleep(spread).await;
        }
    }));
    let (transfers, limit) = (
        Arc::clone(&parts.transfers),
        parts.running.spool.idle_timeout,
    );
    let (spools, metrics) = (parts.spools.clone(), Arc::clone(&parts.metrics));
    tasks.spawn(until_stop(stop.clone(), async move {
        loop {
            sleep(limit / 4).await;
            let count = transfers.sweep(tokio::time::Instant::now().into_std(), limit);
            if count > 0 {
                tracing::info!(count, "uploads that nobody went on with are no longer kept");
            }
            metrics.uploads(transfers.count());
            metrics.spooled(spools.ledger().used());
        }
    }));
    let (guard, shared) = (Arc::clone(&parts.guard), parts.shared.clone());
    tasks.spawn(until_stop(stop.clone(), async move {
        loop {
            sleep(Leases::PAUSE).await;
            let now = tokio::time::Instant::now().into_std();
            guard.leases.renew(&shared, now).await;
        }
    }));
    let guard = Arc::clone(&parts.guard);
    tasks.spawn(until_stop(stop.clone(), async move {
        loop {
            sleep(TOKENS_SWEEP).await;
            guard.tokens.sweep(tokio::time::Instant::now().into_std());
        }
    }));
    spawn_until(stop, tasks, maintenance::follow(parts));
    spawn_until(stop, tasks, Arc::clone(&parts.reception.display).follow());
    spawn_until(stop, tasks, rotate::reopen(parts.log.clone()));
    let metrics = Arc::clone(&parts.metrics);
    let mut certificates = Certificates::new(parts);
    tasks.spawn(until_stop(stop.clone(), async move {
        loop {
            let pause = certificates.interval();
            sleep(pause + jitter(pause)).await;
            if certificates.refresh() == Done::Yes {
                metrics.task_succeeded(Task::Certificates, SystemTime::now());
            }
        }
    }));
}

/// Starts work that goes on by itself until the stop.
pub(super) fn spawn_until(
    stop: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
    work: impl Future<Output = ()> + Send + 'static,
) {
    tasks.spawn(until_stop(stop.clone(), work));
}

async fn until_stop(mut stop: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = async { drop(stop.wait_for(|stopped| *stopped).await) } => {}
    }
}

/// Up to a fifth of `interval`, so that instances do not fall into step.
pub(super) fn jitter(interval: Duration) -> Duration {
    interval.mul_f64(fastrand::f64() / 5.0)
}

/// Answers that are shared are good for seconds.
const TOKENS_SWEEP: Duration = Duration::from_secs(30);
