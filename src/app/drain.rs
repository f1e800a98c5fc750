//! Waiting for the end, and ending well.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::observe::status::{Readiness, Stage};

use super::{Parts, reload};

/// Reloads on SIGHUP until SIGTERM or SIGINT says to stop.
pub(super) async fn until_stopped(mut parts: Parts, readiness: &Readiness) -> Parts {
    let mut hangup = Listening::to(SignalKind::hangup());
    let mut terminate = Listening::to(SignalKind::terminate());
    let mut interrupt = Listening::to(SignalKind::interrupt());
    loop {
        tokio::select! {
            () = hangup.next() => reload::reload(&mut parts).await,
            () = terminate.next() => break,
            () = interrupt.next() => break,
        }
    }
    readiness.enter(Stage::Stopping);
    drop(sd_notify::notify(false, &[NotifyState::Stopping]));
    tracing::info!("stopping: no new connections, running requests go on");
    parts
}

/// Lets running requests come to their end; returns as soon as none runs, or when the grace period is over.
pub(super) async fn drain(parts: &Parts, running: &Arc<AtomicUsize>, doors: &mut JoinSet<()>) {
    let end = Instant::now() + parts.running.grace_period;
    let mut again = Listening::to(SignalKind::terminate());
    parts.entrance.dismiss_idle().await;
    let mut quiet = Duration::ZERO;
    loop {
        if running.load(Ordering::Acquire) > 0 {
            quiet = Duration::ZERO;
        }
        tokio::select! {
            joined = doors.join_next() => if joined.is_none() { break },
            () = sleep(STEP) => quiet += STEP,
            () = again.next() => {
                tracing::warn!("stopping at once: told a second time");
                break;
            }
        }
        // Idle connections were told to go; those that do not answer are not waited for.
        if quiet >= LINGER {
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
/// Time for a last farewell to reach clients whose connection is idle.
const LINGER: Duration = Duration::from_millis(500);
