//! The client's side of what we carry ourselves: its body, read with a limit on silence.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::{Instant, sleep, timeout};

use crate::guard::settings::Rate;
use crate::guard::who::Mark;
use crate::observe::labels::Direction;
use crate::observe::progress::Transfer;
use crate::upload::driver::{ClientLeft, Source};

use super::super::exchange::Exchange;
use super::Edge;

/// The next bytes of a request's body. A client that sends none for `limit` is given up: on HTTP/2 nothing else
/// would end its stream as long as it keeps the connection busy.
pub(super) async fn read_piece(session: &mut Session, limit: Duration) -> Result<Option<Bytes>> {
    match timeout(limit, session.read_request_body()).await {
        Ok(read) => read.map_err(Error::into_down),
        Err(_) => Err(Error::new_down(ErrorType::ReadTimedout)),
    }
}

/// Whether the client has taken its request back. Only HTTP/2 tells that while bytes of the body wait to be read.
pub(super) fn has_left(session: &mut Session) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    let close = session.watch_h2_stream_close();
    close.is_some_and(|mut close| Pin::new(&mut close).poll(&mut context).is_ready())
}

/// The client's body as the driver reads it.
pub(super) struct Client<'a> {
    session: &'a mut Session,
    edge: &'a Edge,
    limit: Duration,
    expects: Expects,
    payers: Vec<(Mark, Rate)>,
    transfer: Option<Arc<Transfer>>,
    pub(super) bytes: u64,
    /// When the last of them came.
    pub(super) latest: Option<Instant>,
}

/// Whether the client waits for our word before it sends its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    Continue,
    Nothing,
}

impl<'a> Client<'a> {
    pub(super) fn new(session: &'a mut Session, exchange: &Exchange, edge: &'a Edge) -> Self {
        let expects = session.req_header().headers.contains_key(header::EXPECT);
        let expects = if expects {
            Expects::Continue
        } else {
            Expects::Nothing
        };
        Self {
            session,
            edge,
            limit: exchange.snapshot.limits.client_timeout,
            expects,
            payers: exchange.guarded.payers.clone(),
            transfer: exchange.shown.transfer().cloned(),
            bytes: 0,
            latest: None,
        }
    }
}

#[async_trait::async_trait]
impl Source for Client<'_> {
    async fn read(&mut self) -> std::result::Result<Option<Bytes>, ClientLeft> {
        if self.expects == Expects::Continue {
            self.expects = Expects::Nothing;
            let written = self.session.write_continue_response().await;
            written.map_err(|_| ClientLeft)?;
        }
        let read = read_piece(self.session, self.limit).await;
        let piece = read.map_err(|_| ClientLeft)?;
        if let Some(piece) = &piece {
            let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            self.bytes += size;
            if let Some(transfer) = &self.transfer {
                transfer.passed(size);
            }
            self.edge.metrics.carried(Direction::In, size);
            let kept = self.edge.spools.ledger().used();
            self.edge.metrics.spooled(kept);
            let rest = self.edge.rest(&self.payers, size);
            if !rest.is_zero() {
                sleep(rest).await;
            }
            self.latest = Some(Instant::now());
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_nothing_is_given_up_and_a_slow_one_is_not() {
        let (mut client, server) = tokio::io::duplex(1024);
        let head = b"PUT /v2/a/blobs/uploads/b HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
        client.write_all(head).await.unwrap();
        let mut session = Session::new_h1(Box::new(server));
        assert!(session.read_request().await.unwrap());
        let limit = Duration::from_secs(5);
        for _ in 0..2 {
            sleep(Duration::from_secs(4)).await;
            client.write_all(b"abc").await.unwrap();
            let piece = read_piece(&mut session, limit).await.unwrap();
            assert_eq!(piece.unwrap(), "abc");
        }
        let begin = Instant::now();
        let error = read_piece(&mut session, limit).await.unwrap_err();
        assert_eq!(*error.etype(), ErrorType::ReadTimedout);
        assert_eq!(begin.elapsed().as_secs(), 5);
    }
}
