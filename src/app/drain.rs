//! Waiting for the end, and ending well.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::edge::entrance::Phase;
use crate::observe::status::{Readiness, Stage};

use super::handover::{Giving, Released};
use super::{Parts, reload};

/// What the doors are told: those of clients, and that of the operator, which stays open longer.
pub(super) struct Phases {
    clients: watch::Sender<Phase>,
    pub(super) operator: watch::Sender<Phase>,
}

/// Where they hear it.
pub(super) struct Told {
    pub(super) clients: watch::Receiver<Phase>,
    pub(super) operator: watch::Receiver<Phase>,
}

impl Phases {
    /// All doors open.
    pub(super) fn new() -> (Self, Told) {
        let (clients, clients_told) = watch::channel(Phase::Open);
        let (operator, operator_told) = watch::channel(Phase::Open);
        let told = Told {
            clients: clients_told,
            operator: operator_told,
        };
        (Self { clients, operator }, told)
    }
}

/// Why it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was told to.
    Stopped,
    /// Another process serves.
    HandedOver,
}

/// Reloads on SIGHUP until a signal says to stop or another process serves; then closes the doors.
pub(super) async fn until_ended(
    parts: &mut Parts,
    giving: Option<Giving>,
    readiness: &Readiness,
    phases: &Phases,
) -> Ending {
    let mut hangup = Listening::to(SignalKind::hangup());
    let mut terminate = Listening::to(SignalKind::terminate());
    let mut interrupt = Listening::to(SignalKind::interrupt());
    let successor = {
        let given = until_given(giving.as_ref());
        tokio::pin!(given);
        loop {
            tokio::select! {
                () = hangup.next() => drop(reload::reload(parts).await),
                Some(order) = parts.reception.reloads.recv() => {
                    let done = reload::reload(parts).await;
                    drop(order.done.send(done));
                }
                () = terminate.next() => break None,
                () = interrupt.next() => break None,
                successor = &mut given => break Some(successor),
            }
        }
    };
    match successor {
        None => {
            // With them go our second handles of the sockets: from here on only the doors hold a port open.
            drop(giving);
            drop(sd_notify::notify(false, &[NotifyState::Stopping]));
            let delay = parts.running.drain_delay;
            if !delay.is_zero() {
                readiness.enter(Stage::Draining);
                phases.clients.send_replace(Phase::Leaving);
                tracing::info!(
                    "draining: new clients are still taken, all are told to go elsewhere"
                );
                tokio::select! {
                    () = sleep(delay) => {}
                    () = terminate.next() => {}
                }
            }
            readiness.enter(Stage::Stopping);
            phases.clients.send_replace(Phase::Closed);
            tracing::info!("stopping: no new connections, running requests go on");
            Ending::Stopped
        }
        Some(released) => {
            readiness.enter(Stage::Stopping);
            phases.clients.send_replace(Phase::Closed);
            phases.operator.send_replace(Phase::Closed);
            // Nobody can order anything here any more.
            let ordered = giving.as_ref().map(Giving::ordered).unwrap_or_default();
            drop(giving);
            released.tell(ordered).await;
            tracing::info!("handed over: no new connections, running requests go on here");
            Ending::HandedOver
        }
    }
}

async fn until_given(giving: Option<&Giving>) -> Released {
    match giving {
        Some(giving) => giving.given().await,
        None => std::future::pending().await,
    }
}

/// Lets running requests come to their end; returns as soon as none runs, or when the time for it is over.
pub(super) async fn drain(
    parts: &Parts,
    ending: Ending,
    running: &Arc<AtomicUsize>,
    doors: &mut JoinSet<()>,
) {
    let begun = Instant::now();
    let mut again = Listening::to(SignalKind::terminate());
    let mut end = begun + parts.running.grace_period;
    // Connections without a request are closed by us when we have to go, and by their own time limit when not.
    let mut dismissal = Some(begun + FAREWELL);
    let mut ending = ending;
    if let (Ending::HandedOver, Some(upgrade)) = (ending, &parts.running.upgrade) {
        end = begun + upgrade.grace_period;
        dismissal = None;
    }
    let mut quiet = Duration::ZERO;
    loop {
        if running.load(Ordering::Acquire) > 0 || dismissal.is_some() {
            quiet = Duration::ZERO;
        }
        tokio::select! {
            joined = doors.join_next() => if joined.is_none() { break },
            () = sleep(STEP) => quiet += STEP,
            () = again.next() => match ending {
                Ending::Stopped => {
                    tracing::warn!("stopping at once: told a second time");
                    break;
                }
                Ending::HandedOver => {
                    tracing::info!("stopping: running requests have the grace period left");
                    ending = Ending::Stopped;
                    end = end.min(Instant::now() + parts.running.grace_period);
                    dismissal = Some(Instant::now());
                }
            },
        }
        if dismissal.is_some_and(|due| Instant::now() >= due) {
            dismissal = None;
            parts.entrance.dismiss_idle().await;
        }
        // Idle connections were told to go; those that do not answer are not waited for.
        if ending == Ending::Stopped && quiet >= LINGER {
            break;
        }
        if Instant::now() >= end {
            let requests = running.load(Ordering::Acquire);
            tracing::warn!(
                running = requests,
                "grace period is over: running requests are cut"
            );
            break;
        }
    }
    doors.shutdown().await;
    tracing::info!("stopped");
}

/// A signal, or nothing for ever where the system does not give it.
pub(super) struct Listening(Option<Signal>);

impl Listening {
    pub(super) fn to(kind: SignalKind) -> Self {
        let signal = signal(kind);
        if let Err(error) = &signal {
            tracing::warn!(fault = %error, "cannot listen to a signal");
        }
        Self(signal.ok())
    }

    pub(super) async fn next(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                if signal.recv().await.is_none() {
                    self.0 = None;
                }
            }
            None => std::future::pending().await,
        }
    }
}

/// How often the number of running requests is looked at.
const STEP: Duration = Duration::from_millis(50);
/// How long a connection on which nothing runs may still bring a request when the doors are closed.
const FAREWELL: Duration = Duration::from_secs(1);
/// Time for a last farewell to reach clients whose connection is idle.
const LINGER: Duration = Duration::from_millis(500);
