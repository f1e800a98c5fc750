//! The body of the client's request.

use async_trait::async_trait;
use bytes::Bytes;

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
        }
    }

    /// Bytes of the upload so far.
    pub fn received(&self) -> u64 {
        self.received
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
