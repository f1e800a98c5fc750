//! The entrance as a whole: all listeners in front of one application.

use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::apps::{HttpServerApp, HttpServerOptions, ServerApp};
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::configuration::ServerConf;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use super::accept::{Doors, Phase};
use super::accept::{ListenerTls, Welcome};
use super::connection::Connections;
use super::listen::accept_all;
use super::phases::Edge;
use super::settings::{Certificates, ClientCertificate, Http2, Limits, Protocol, Tls, TlsVersion};
use super::tls::{CertificateStore, TlsError, server_configs};

/// The registry's listeners, their TLS, and the proxy behind them.
pub struct Entrance {
    doors: Arc<Doors<HttpProxy<Edge>>>,
    welcomes: Vec<Arc<Welcome>>,
}

impl std::fmt::Debug for Entrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entrance")
            .field("welcomes", &self.welcomes)
            .finish_non_exhaustive()
    }
}

impl Entrance {
    /// Puts the proxy behind the limits; nothing is accepted yet.
    pub fn new(edge: Edge, limits: Limits, threads: usize, phase: watch::Receiver<Phase>) -> Self {
        let conf = ServerConf {
            threads,
            max_retries: MAX_ROUNDS,
            upstream_keepalive_pool_size: KEPT_CONNECTIONS,
            ..ServerConf::default()
        };
        let (metrics, log) = (Arc::clone(&edge.metrics), edge.log.clone());
        let mut proxy = http_proxy(&Arc::new(conf), edge);
        proxy.h2_options = Some(h2_options(&limits));
        let mut options = HttpServerOptions::default();
        // The library counts how often a connection is used again.
        options.keepalive_request_limit = Some(limits.requests_per_connection.saturating_sub(1));
        options.h2_idle_timeout = Some(limits.idle_timeout);
        proxy.server_options = Some(options);
        let doors = Arc::new(Doors::new(proxy, limits, metrics, Some(log), phase));
        Self {
            doors,
            welcomes: Vec::new(),
        }
    }

    /// Serves clients of `listener` in a task of `tasks`.
    pub fn open(
        &mut self,
        listener: TcpListener,
        protocol: &Protocol,
        (certificates, store): (&Certificates, &Arc<CertificateStore>),
        tasks: &mut JoinSet<()>,
    ) -> Result<(), TlsError> {
        let welcome = match protocol {
            Protocol::Redirect => Welcome::Plain,
            Protocol::Https(tls) => {
                let (wide, narrow) = server_configs(tls, certificates, store)?;
                Welcome::Tls(ArcSwap::from_pointee(ListenerTls { wide, narrow }))
            }
        };
        let welcome = Arc::new(welcome);
        self.welcomes.push(Arc::clone(&welcome));
        tasks.spawn(accept_all(listener, Arc::clone(&self.doors), welcome));
        Ok(())
    }

    /// Applies what a reload may change: limits, and TLS of the listeners in the order they were opened.
    pub fn adopt<'a>(
        &self,
        limits: Limits,
        protocols: impl Iterator<Item = &'a Protocol>,
        certificates: &Certificates,
        store: &Arc<CertificateStore>,
    ) -> Result<(), TlsError> {
        let mut fresh = Vec::new();
        for (welcome, protocol) in self.welcomes.iter().zip(protocols) {
            if let (Welcome::Tls(cell), Protocol::Https(tls)) = (&**welcome, protocol) {
                let (wide, narrow) = server_configs(tls, certificates, store)?;
                fresh.push((cell, ListenerTls { wide, narrow }));
            }
        }
        for (cell, tls) in fresh {
            cell.store(Arc::new(tls));
        }
        self.doors.limits.store(Arc::new(limits));
        Ok(())
    }

    /// Tells connections without a request to end.
    pub async fn dismiss_idle(&self) {
        self.doors.app.http_cleanup().await;
    }

    /// Who is in.
    pub fn connections(&self) -> &Connections {
        &self.doors.connections
    }
}

/// A listener that stands apart from the registry's: the admin pages.
#[derive(Debug)]
pub struct Apart(Welcome);

impl Apart {
    /// In clear.
    pub fn plain() -> Self {
        Self(Welcome::Plain)
    }

    /// With TLS and a certificate of its own; HTTP/2 is not offered.
    pub fn secured(
        client_certificate: ClientCertificate,
        certificates: &Certificates,
        store: &Arc<CertificateStore>,
    ) -> Result<Self, TlsError> {
        let tls = Tls {
            minimum: TlsVersion::V1_2,
            http2: Http2::Withheld,
            client_certificate,
        };
        let (wide, narrow) = server_configs(&tls, certificates, store)?;
        let tls = ArcSwap::from_pointee(ListenerTls { wide, narrow });
        Ok(Self(Welcome::Tls(tls)))
    }

    /// Serves what stands behind `doors`.
    pub async fn serve<A: ServerApp + Send + Sync + 'static>(
        self,
        listener: TcpListener,
        doors: Doors<A>,
    ) {
        // Accepted sockets inherit it. What cannot be set is as large as the system makes it.
        drop(SockRef::from(&listener).set_send_buffer_size(UNREAD));
        accept_all(listener, Arc::new(doors), Arc::new(self.0)).await;
    }
}

/// Starts from bounded defaults: the bare ones of HTTP/2 allow sixteen mebibytes of header and any number of streams.
fn h2_options(limits: &Limits) -> H2Options {
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(limits.h2_streams)
        .max_frame_size(H2_FRAME)
        .initial_window_size(limits.h2_window)
        .initial_connection_window_size(limits.h2_window)
        .max_header_list_size(u32::try_from(limits.header_size).unwrap_or(u32::MAX));
    options
}

/// What the kernel keeps for somebody who does not read a page; it counts twice as much, for its own needs. By itself
/// it would grow to megabytes.
const UNREAD: usize = 64 * 1024;
/// Larger than what clients send by default: fewer frames for a large push.
const H2_FRAME: u32 = 64 * 1024;
/// Looks for a node that one request may cost; patience ends it before.
const MAX_ROUNDS: usize = 1024;
/// Idle connections to nodes, per thread.
const KEPT_CONNECTIONS: usize = 256;
