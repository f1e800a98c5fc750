//! From an accepted socket to the HTTP layer: limits, TLS, deadlines.
//!
//! Every connection is one task. What is refused here is counted, and never costs more than the handshake.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::apps::ServerApp;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::stream::Stream as TcpStream;
use pingora::protocols::{ALPN, Stream, TcpKeepalive};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::observe::labels::{ConnectionClose, Handshake, Outcome, Refusal};
use crate::observe::log::Log;
use crate::observe::metrics::Metrics;
use crate::observe::record::Record;
use crate::rewrite::Scheme;

use super::connection::{Connection, Connections, Crowded, Place};
use super::deadline::Guarded;
use super::readahead::Readahead;
use super::settings::Limits;

/// The TLS configurations of one listener, swapped on reload.
#[derive(Debug)]
pub(super) struct ListenerTls {
    /// Offers what the operator allows.
    pub(super) wide: Arc<ServerConfig>,
    /// Offers HTTP/1.1 only: for the time when the HTTP/2 windows are all promised.
    pub(super) narrow: Arc<ServerConfig>,
}

/// What one listener does with a socket.
#[derive(Debug)]
pub(super) enum Welcome {
    Tls(ArcSwap<ListenerTls>),
    Plain,
}

/// What the doors are told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// New clients come in, and stay as long as they like.
    Open,
    /// New clients still come in; every connection ends with what runs on it.
    Leaving,
    /// Nobody new; every connection ends with what runs on it.
    Closed,
}

/// What all listeners share: the application behind them and the counts of who is in.
pub struct Doors<A> {
    pub(super) app: Arc<A>,
    pub(super) limits: ArcSwap<Limits>,
    pub(super) connections: Arc<Connections>,
    pub(super) metrics: Arc<Metrics>,
    /// Where a header that never became a request is recorded, if that is wanted.
    pub(super) log: Option<Log>,
    pub(super) phase: watch::Receiver<Phase>,
    /// Bytes that all HTTP/2 receive windows together allow clients to send ahead.
    pub(super) promised: Arc<AtomicU64>,
}

/// A share of what the HTTP/2 windows may promise, given back on drop.
struct Promise {
    total: Arc<AtomicU64>,
    size: u64,
}

impl Promise {
    fn make(total: &Arc<AtomicU64>, size: u64, limit: u64) -> Option<Self> {
        let add = |now: u64| now.checked_add(size).filter(|sum| *sum <= limit);
        total
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, add)
            .ok()?;
        Some(Self {
            total: Arc::clone(total),
            size,
        })
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.total.fetch_sub(self.size, Ordering::AcqRel);
    }
}

impl<A> fmt::Debug for Doors<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doors")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl<A: ServerApp + Send + Sync + 'static> Doors<A> {
    /// Doors in front of `app`, closed when `phase` says so.
    pub fn new(
        app: A,
        limits: Limits,
        metrics: Arc<Metrics>,
        log: Option<Log>,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self {
            app: Arc::new(app),
            limits: ArcSwap::from_pointee(limits),
            connections: Arc::default(),
            metrics,
            log,
            phase,
            promised: Arc::default(),
        }
    }

    /// Finds a place for the client, or closes the socket.
    pub(super) fn admit(&self, peer: SocketAddr) -> Option<Place> {
        let limits = self.limits.load();
        let entered =
            self.connections
                .enter(peer.ip(), limits.connections, limits.connections_per_client);
        entered
            .inspect_err(|crowded| {
                self.metrics.connection_refused(match crowded {
                    Crowded::Total => Refusal::Connections,
                    Crowded::Client => Refusal::ConnectionsOfClient,
                });
            })
            .ok()
    }

    /// Carries one connection from the first byte to the last.
    pub(super) async fn receive(
        &self,
        socket: tokio::net::TcpStream,
        peer: SocketAddr,
        welcome: &Welcome,
    ) {
        let Ok(local) = socket.local_addr() else {
            return;
        };
        let limits = self.limits.load_full();
        let mut socket = TcpStream::from(socket);
        if socket
            .set_nodelay()
            .and_then(|()| socket.set_keepalive(&keepalive()))
            .is_err()
        {
            return;
        }
        match welcome {
            Welcome::Plain => {
                let connection = Arc::new(Connection::new(peer, local, Scheme::Http));
                self.serve(Box::new(socket), connection, &limits).await;
            }
            Welcome::Tls(tls) => {
                let connection = Arc::new(Connection::new(peer, local, Scheme::Https));
                self.serve_tls(socket, connection, &tls.load_full(), &limits)
                    .await;
            }
        }
    }

    async fn serve_tls(
        &self,
        socket: TcpStream,
        connection: Arc<Connection>,
        tls: &ListenerTls,
        limits: &Limits,
    ) {
        let window = u64::from(limits.h2_window);
        let promise = Promise::make(&self.promised, window, limits.h2_window_total);
        let config = if promise.is_some() {
            &tls.wide
        } else {
            &tls.narrow
        };
        let acceptor = Acceptor::from_server_config(Arc::clone(config));
        let below = Readahead::new(socket, Arc::clone(&connection));
        // In a box of its own: what a handshake needs would stay with the connection for its whole life.
        let handshake = Box::pin(async {
            let stream = acceptor.tls_handshake(below).await?;
            Ok::<Stream, Box<pingora::Error>>(Box::new(stream))
        });
        let stream = match timeout(limits.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(client = %connection.peer, fault = %error, "tls handshake failed");
                return self.metrics.handshake(Handshake::Failed);
            }
            Err(_) => {
                self.metrics
                    .connection_closed(ConnectionClose::HandshakeTimeout);
                return self.metrics.handshake(Handshake::TimedOut);
            }
        };
        self.metrics.handshake(Handshake::Done);
        let promise = promise.filter(|_| stream.selected_alpn_proto() == Some(ALPN::H2));
        self.serve(stream, connection, limits).await;
        drop(promise);
    }

    async fn serve(&self, stream: Stream, connection: Arc<Connection>, limits: &Limits) {
        let _open = self.metrics.connection_opened();
        let guarded = Box::new(Guarded::new(stream, Arc::clone(&connection), limits));
        // Each connection has a stop signal of its own, so that age ends it as gently as a stop does.
        let (stop, stopped) = watch::channel(false);
        let work = self.app.process_new(guarded, &stopped);
        tokio::pin!(work);
        tokio::select! {
            _ = &mut work => {}
            () = self.due(&connection, limits) => {
                stop.send_replace(true);
                work.await;
            }
        }
        if let Some(limit) = connection.expired() {
            self.metrics.connection_closed(limit);
        }
        if connection.header_open() && connection.running() == 0 {
            self.record_malformed(&connection);
        }
    }

    /// Waits until the connection has to end: it is old, or the doors close.
    ///
    /// Whoever has just come asks first. A client of HTTP/2 that is told to go before it could ask tries again, and
    /// gives up when that happens to it a few times.
    async fn due(&self, connection: &Connection, limits: &Limits) {
        let mut phase = self.phase.clone();
        let told = async { drop(phase.wait_for(|phase| *phase != Phase::Open).await) };
        tokio::select! {
            () = sleep(scattered(limits.connection_age)) => {
                self.metrics.connection_closed(ConnectionClose::Age);
                connection.retire();
            }
            () = told => {
                connection.retire();
                drop(timeout(FIRST_REQUEST, connection.first_request()).await);
            }
        }
    }

    /// What the parser refused, or the client never finished, has a record as well.
    fn record_malformed(&self, connection: &Connection) {
        let Some(log) = &self.log else { return };
        self.metrics.connection_refused(Refusal::Malformed);
        let (answered, client) = (connection.answered(), connection.peer.ip().to_canonical());
        log.access(&Record {
            status: if answered { 400 } else { 0 },
            fault: Some("malformed"),
            outcome: if answered {
                Outcome::Refused
            } else {
                Outcome::ClientLeft
            },
            ..Record::unread(client, connection.opened.elapsed())
        });
    }
}

/// Up to a fifth less, so that connections that were opened at one time do not all end at one time.
fn scattered(age: Duration) -> Duration {
    age.mul_f64(0.8 + fastrand::f64() / 5.0)
}

/// How long a connection on which nothing was asked yet is spared when the doors close; the end of the process does
/// not wait for it.
const FIRST_REQUEST: Duration = Duration::from_secs(5);

/// Finds clients that vanished without a word, also behind a write that nobody acknowledges.
fn keepalive() -> TcpKeepalive {
    TcpKeepalive {
        idle: Duration::from_mins(1),
        interval: Duration::from_secs(15),
        count: 4,
        user_timeout: Duration::from_mins(2),
    }
}

#[cfg(test)]
mod tests;
