//! What keeps the link: connects, watches, connects again, and sends what was noted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::observe::labels::{SharedCall, SharedOutcome, SharedState};

use super::access::{Access, Connection};
use super::breaker::Change;
use super::link::{HEARTBEAT, Line, Link, Note, TIMED_OUT, reason};

/// What keeps the link, until it is dropped.
#[must_use = "nothing is shared unless this runs"]
pub struct Work {
    pub(super) link: Arc<Link>,
    pub(super) notes: mpsc::Receiver<Note>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

impl Work {
    /// Keeps the link: connects, watches, connects again, and sends what was noted.
    pub async fn run(self) {
        let Self { link, notes } = self;
        tokio::join!(keep(&link), write(&link, notes));
    }
}

/// Connects to wherever Redis is wanted, for ever.
async fn keep(link: &Link) {
    let mut wanted = link.wanted.subscribe();
    loop {
        let access = wanted.borrow_and_update().clone();
        link.line.store(None);
        tokio::select! {
            () = serve(link, access.as_deref()) => {}
            changed = wanted.changed() => if changed.is_err() { return },
        }
    }
}

async fn serve(link: &Link, access: Option<&Access>) {
    let Some(access) = access else {
        if link.told.lock().is_ok_and(|told| told.is_some()) {
            link.tell(SharedState::Off, "");
        }
        return std::future::pending().await;
    };
    link.show(SharedState::Away);
    let mut pause = PAUSE;
    loop {
        match raise(link, access).await {
            Ok(line) => {
                let line = Arc::new(line);
                link.line.store(Some(Arc::clone(&line)));
                link.tell(SharedState::Up, "");
                pause = PAUSE;
                link.answer_roll().await;
                watch_over(link).await;
            }
            Err(why) => link.tell(SharedState::Away, &why),
        }
        // Instances that lost Redis together do not come back together.
        sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A connection over which probes were answered as often as the breaker wants it.
async fn raise(link: &Link, access: &Access) -> Result<Line, String> {
    let connection = connect(link, access).await?;
    let number = link.breaker().renew();
    let line = Line {
        connection,
        number,
        timeout: access.timeout,
    };
    loop {
        let begun = Instant::now();
        let Some(command) = link.alive() else {
            return Err("no key is given".to_owned());
        };
        let answer = timeout(line.timeout, line.connection.send(&command)).await;
        let (outcome, word) = match &answer {
            Ok(Ok(_)) => (SharedOutcome::Done, Ok(())),
            Ok(Err(error)) => (SharedOutcome::Refused, Err(reason(error))),
            Err(_) => (SharedOutcome::TimedOut, Err(TIMED_OUT.to_owned())),
        };
        link.metrics
            .shared_called(SharedCall::Probe, outcome, begun.elapsed());
        word?;
        let now = Instant::now().into_std();
        if link.breaker().probed_well(number, now) == Change::CameBack {
            return Ok(line);
        }
        sleep(PAUSE).await;
    }
}

/// A try that fails is counted as a probe that failed: otherwise a Redis that is gone would look like none.
async fn connect(link: &Link, access: &Access) -> Result<Connection, String> {
    let begun = Instant::now();
    let (outcome, why) = match timeout(CONNECT, access.connect()).await {
        Ok(Ok(connection)) => return Ok(connection),
        Ok(Err(error)) => (SharedOutcome::Lost, reason(&error)),
        Err(_) => (SharedOutcome::TimedOut, TIMED_OUT.to_owned()),
    };
    link.metrics
        .shared_called(SharedCall::Probe, outcome, begun.elapsed());
    Err(why)
}

/// Says from time to time that this instance is alive, which finds a dead link before a request does. Returns
/// when Redis is away.
async fn watch_over(link: &Link) {
    loop {
        tokio::select! {
            () = link.went_away.notified() => {}
            () = sleep(HEARTBEAT) => link.answer_roll().await,
        }
        if !link.breaker().is_well() {
            return;
        }
    }
}

/// Sends what was noted, as much at one time as there is.
async fn write(link: &Link, mut notes: mpsc::Receiver<Note>) {
    let mut batch = Vec::with_capacity(BATCH);
    while notes.recv_many(&mut batch, BATCH).await > 0 {
        let sent = batch.iter().map(|note| link.ask(note.call, &note.command));
        futures_util::future::join_all(sent).await;
        batch.clear();
    }
}

/// What is sent at one time.
const BATCH: usize = 64;
/// Longer than a TLS handshake or the questions to some sentinels take.
const CONNECT: Duration = Duration::from_secs(3);
/// Between two tries to reach it, at first and between two probes.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
