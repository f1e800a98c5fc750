//! The body of the client's request.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::spool::file::Spool;
use crate::spool::ledger::Full;

/// The client's side: the body of its request.
#[async_trait]
pub trait Source: Send {
    /// The next bytes; `None` at the end. Dropping the future loses nothing.
    async fn read(&mut self) -> Result<Option<Bytes>, ClientLeft>;
}

/// The client went away or stopped sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLeft;

/// The body of the client's request, kept as it comes.
#[derive(Debug)]
pub struct Body<'a, S> {
    pub(super) source: &'a mut S,
    pub(super) spool: &'a mut Option<Spool>,
    /// Where this request's bytes begin.
    pub(super) start: u64,
    /// Where they end so far.
    pub(super) received: u64,
    /// Where they will end, if the client said so.
    pub(super) announced: Option<u64>,
    pub(super) ended: bool,
    /// How long the client may be kept waiting for room.
    patience: Option<Duration>,
    waited: Option<Waited>,
}

/// A wait for room that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    pub time: Duration,
    pub outcome: Room,
}

/// What a wait for room came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Found,
    /// The time was up.
    Missing,
}

impl<'a, S: Source> Body<'a, S> {
    /// A body that begins at byte `start` of the upload and has `length` bytes, if that is known.
    pub fn new(
        source: &'a mut S,
        spool: &'a mut Option<Spool>,
        start: u64,
        length: Option<u64>,
    ) -> Self {
        let announced = length.map(|length| start.saturating_add(length));
        Self {
            source,
            spool,
            start,
            received: start,
            announced,
            ended: length == Some(0),
            patience: None,
            waited: None,
        }
    }

    /// The same for a client that is kept waiting, up to so long, while there is no room for its bytes.
    #[must_use]
    pub fn patient(mut self, patience: Option<Duration>) -> Self {
        self.patience = patience;
        self
    }

    /// Bytes of the upload so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The next bytes of the client; none are read before there is room for them. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ClientLeft> {
        self.await_room().await;
        self.source.read().await
    }

    /// The wait for room that was over last.
    pub(super) fn waited(&mut self) -> Option<Waited> {
        self.waited.take()
    }

    async fn await_room(&mut self) {
        let (Some(patience), Some(spool)) = (self.patience, self.spool.as_ref()) else {
            return;
        };
        let left = |end: u64| end.saturating_sub(self.received).min(PIECE);
        let size = self.announced.map_or(PIECE, left);
        let begin = Instant::now();
        let mut waits = false;
        let outcome = loop {
            match spool.room(size).await {
                Err(Full::Total | Full::Disk) if begin.elapsed() < patience => {
                    waits = true;
                    sleep(PAUSE).await;
                }
                Err(Full::Total | Full::Disk) => break Room::Missing,
                // Nobody else can do anything about these.
                Ok(()) | Err(Full::Upload | Full::Failed) => break Room::Found,
            }
        };
        if outcome == Room::Missing {
            // Once is enough: the client has been kept as long as it may.
            self.patience = None;
        }
        self.waited = waits.then(|| Waited {
            time: begin.elapsed(),
            outcome,
        });
    }

    /// Keeps a piece; the spool is gone when it cannot be kept.
    pub(super) async fn keep(&mut self, piece: &Bytes) -> Result<(), Full> {
        let Some(spool) = self.spool.as_mut() else {
            return Ok(());
        };
        let kept = spool.append(piece.clone()).await;
        if kept.is_err() {
            *self.spool = None;
        }
        kept
    }

    /// Some of what is kept, from byte `cursor` of the upload on.
    pub(super) async fn kept(&mut self, cursor: u64) -> Result<Bytes, Full> {
        let spool = self.spool.as_mut().ok_or(Full::Failed)?;
        let piece = spool.read(cursor).await?;
        if piece.is_empty() {
            return Err(Full::Failed);
        }
        Ok(piece)
    }
}

/// What is read of a client at once, at most.
const PIECE: u64 = 64 * 1024;
/// How often a client that waits for room is looked after.
const PAUSE: Duration = Duration::from_millis(100);
