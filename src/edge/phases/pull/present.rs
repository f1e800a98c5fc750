//! The answer of a node that is being read.

use bytes::Bytes;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use crate::download::takeover::{Event, Lost};
use crate::upstream::Failure;
use crate::upstream::live::{Answer, Body};

/// An answer, as far as it has come.
pub(super) struct Present {
    pub(super) head: ResponseHeader,
    body: Option<Body>,
    /// Bytes that were read already, to judge the head by them.
    read: Option<Bytes>,
    /// The bytes that came last.
    piece: Bytes,
}

impl Present {
    pub(super) fn new(answer: Answer, read: Option<Bytes>) -> Self {
        Self {
            head: answer.head,
            body: Some(answer.body),
            read: read.filter(|read| !read.is_empty()),
            piece: Bytes::new(),
        }
    }

    /// So many of the bytes that came last, behind the first `skip`.
    pub(super) fn cut(&self, (skip, take): (u64, u64)) -> Bytes {
        let size = |bytes: u64, most: usize| usize::try_from(bytes).unwrap_or(usize::MAX).min(most);
        let rest = self.piece.slice(size(skip, self.piece.len())..);
        rest.slice(..size(take, rest.len()))
    }

    /// The next bytes, unless the client leaves first.
    pub(super) async fn next(&mut self, session: &mut Session) -> Event {
        if let Some(read) = self.read.take() {
            self.piece = read;
            return Event::Bytes(u64::try_from(self.piece.len()).unwrap_or(u64::MAX));
        }
        let Some(body) = &mut self.body else {
            return Event::Ended;
        };
        let read = tokio::select! {
            biased;
            read = body.next() => read,
            // A client that has asked for a blob has nothing more to say.
            _ = session.downstream_session.read_body_or_idle(true) => return Event::ClientLeft,
        };
        match read {
            Ok(Some(piece)) => {
                self.piece = piece;
                Event::Bytes(u64::try_from(self.piece.len()).unwrap_or(u64::MAX))
            }
            Ok(None) => Event::Ended,
            Err(Failure::Stalled) => Event::Failed(Lost::Stalled),
            Err(_) => Event::Failed(Lost::Broken),
        }
    }

    /// All that was wanted is there: the connection may serve again.
    pub(super) async fn release(self) {
        if let Some(body) = self.body {
            body.release().await;
        }
    }
}
