//! A stream round a client's connection that keeps time.
//!
//! It is what the HTTP layer reads from and writes to. It ends a connection that is idle too long, that drips
//! its header, that stalls in an upload or that stops reading an answer: limits that the HTTP layer itself
//! knows per read only, or not at all on HTTP/2. It never changes a byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::observe::labels::ConnectionClose;

use super::connection::Connection;
use super::scan::{Finding, Scan};
use super::settings::Limits;

/// A client's stream with its time limits and its memory of what the connection is.
#[derive(Debug)]
pub(super) struct Guarded {
    inner: Stream,
    connection: Arc<Connection>,
    digest: Arc<ProxyDigest>,
    times: Times,
    header_size: usize,
    scan: Option<Scan>,
    version: Version,
    read: Watch,
    write: Watch,
    /// Since when the client has not taken a byte that waits for it.
    blocked: Option<Instant>,
}

/// Which HTTP version ALPN settled on; the header scanner understands one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The limits that concern a stream.
#[derive(Debug, Clone, Copy)]
struct Times {
    header: Duration,
    idle: Duration,
    client: Duration,
}

/// A timer that is made when it is first needed and re-armed only when its deadline changes.
#[derive(Debug)]
struct Watch {
    timer: Option<Pin<Box<Sleep>>>,
    since: Instant,
}

impl Watch {
    fn new(now: Instant) -> Self {
        Self {
            timer: None,
            since: now,
        }
    }

    /// Progress was made: the time starts anew.
    fn progress(&mut self, now: Instant) {
        self.since = now;
    }

    /// Ready when `limit` has passed since the last progress.
    fn poll_expired(&mut self, limit: Duration, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.since + limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context)
    }
}

impl Guarded {
    /// Guards `inner` from now on.
    pub(super) fn new(inner: Stream, connection: Arc<Connection>, limits: &Limits) -> Self {
        let now = Instant::now();
        let version = match inner.selected_alpn_proto() {
            Some(ALPN::H2) => Version::Two,
            _ => Version::One,
        };
        let head = pingora::http::ResponseHeader::build(http::StatusCode::OK, Some(0));
        let head = head.expect("200 is a status");
        let about: Box<Arc<Connection>> = Box::new(Arc::clone(&connection));
        Self {
            inner,
            connection,
            digest: Arc::new(ProxyDigest::new(Box::new(head), Some(about))),
            times: Times {
                header: limits.header_timeout,
                idle: limits.idle_timeout,
                client: limits.client_timeout,
            },
            header_size: limits.header_size,
            scan: None,
            version,
            read: Watch::new(now),
            write: Watch::new(now),
            blocked: None,
        }
    }

    /// How long the next byte from the client may take, when somebody waits for it.
    fn read_limit(&self) -> Option<(Duration, ConnectionClose)> {
        let connection = &self.connection;
        match self.version {
            Version::One if connection.header_open() => {
                Some((self.times.header, ConnectionClose::HeaderTimeout))
            }
            Version::One | Version::Two if connection.running() == 0 => {
                Some((self.times.idle, ConnectionClose::IdleTimeout))
            }
            // A node that stalls stops the client too and is found first, after the same time.
            Version::Two if connection.uploading() > 0 => {
                Some((self.times.client * 2, ConnectionClose::ClientTimeout))
            }
            // The HTTP layer times the reads of an HTTP/1.1 body itself.
            Version::One | Version::Two => None,
        }
    }

    /// Follows the header of an HTTP/1.1 request while its bytes arrive.
    fn follow(&mut self, bytes: &[u8]) {
        let connection = &self.connection;
        if self.version == Version::Two || connection.running() > 0 {
            self.scan = None;
            return;
        }
        if !connection.header_open() {
            connection.open_header();
            connection.note(Finding::Clean);
            self.scan = None;
            self.read.progress(Instant::now());
        }
        let scan = self.scan.get_or_insert_with(|| Scan::new(self.header_size));
        scan.feed(bytes);
        connection.note(scan.finding());
    }

    /// A header that is dripped makes no progress that counts.
    fn progress_counts(&self) -> bool {
        self.version == Version::Two || !self.connection.header_open()
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.inner).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                let bytes = buffer.filled().get(before..).unwrap_or_default();
                if !bytes.is_empty() {
                    this.follow(bytes);
                    if this.progress_counts() {
                        this.read.progress(Instant::now());
                    }
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let Some((limit, close)) = this.read_limit() else {
                    return Poll::Pending;
                };
                ready!(this.read.poll_expired(limit, context));
                this.connection.expire(close);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl Guarded {
    /// Bytes were handed over, or wait for the client.
    fn written<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.note_progress();
        }
        self.waited(outcome, context)
    }

    /// The client is waited for, or is not. HTTP/2 flushes whenever it looks at a connection: what had nothing to
    /// move is no progress, or a timer would put itself off for ever.
    fn waited<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Ready(done) => {
                if self.blocked.take().is_some() {
                    self.note_progress();
                }
                Poll::Ready(done)
            }
            Poll::Pending => {
                let since = *self.blocked.get_or_insert_with(Instant::now);
                self.write.progress(since);
                ready!(self.write.poll_expired(self.times.client, context));
                self.connection.expire(ConnectionClose::ClientTimeout);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// An answer is progress of the connection: its idle time starts behind it.
    fn note_progress(&mut self) {
        if self.progress_counts() {
            self.read.progress(Instant::now());
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write(context, bytes);
        if this.connection.header_open() && outcome.is_ready() {
            this.connection.note_answer();
        }
        this.written(outcome, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write_vectored(context, slices);
        this.written(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_flush(context);
        this.waited(outcome, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_shutdown(context);
        this.waited(outcome, context)
    }
}

#[async_trait]
impl Shutdown for Guarded {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl UniqueID for Guarded {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Guarded {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Guarded {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

/// The one slot of a connection's digest that takes a value of ours: requests find their connection here.
impl GetProxyDigest for Guarded {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl GetSocketDigest for Guarded {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

impl Peek for Guarded {}

#[cfg(test)]
mod tests;
