//! What the operator may set about the entrance.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// One address that pilotage listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where to listen; port 0 takes a free one, which the ready line names.
    pub address: SocketAddr,
    pub protocol: Protocol,
}

/// What a listener speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// TLS, then HTTP/1.1 or HTTP/2: the registry.
    Https(Tls),
    /// Plain HTTP that serves nothing: it sends browsers to https and tells registry clients what is wrong.
    Redirect,
}

/// How one listener speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    pub minimum: TlsVersion,
    pub http2: Http2,
    pub client_certificate: ClientCertificate,
}

/// The oldest TLS version a listener accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

/// Whether HTTP/2 is offered by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http2 {
    Offered,
    Withheld,
}

/// Whether clients must show a certificate, and who must have issued it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificate {
    Ignored,
    Optional { ca_file: PathBuf },
    Required { ca_file: PathBuf },
}

/// A certificate chain and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub chain_file: PathBuf,
    pub key_file: PathBuf,
}

/// Certificates and what concerns all TLS listeners. The first certificate is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    pub files: Vec<CertificateFiles>,
    /// How often the files are looked at for changes.
    pub recheck: Duration,
    /// Sessions kept for TLS 1.2 resumption; TLS 1.3 uses stateless tickets.
    pub session_cache: usize,
}

/// What one client, and all of them together, may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Client connections at one time, in all.
    pub connections: usize,
    /// Client connections at one time from one address (an IPv6 /64 counts as one).
    pub connections_per_client: usize,
    /// From accept to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From the first byte of a request to the end of its header.
    pub header_timeout: Duration,
    /// A connection without a request.
    pub idle_timeout: Duration,
    /// No byte from (or to) a client whose turn it is.
    pub client_timeout: Duration,
    /// After this age a connection ends with its running requests.
    pub connection_age: Duration,
    /// Bytes of a request header block.
    pub header_size: usize,
    /// Requests on one HTTP/1.1 connection.
    pub requests_per_connection: u32,
    /// Streams at one time on one HTTP/2 connection.
    pub h2_streams: u32,
    /// Receive window of an HTTP/2 connection and of each of its streams, in bytes.
    pub h2_window: u32,
    /// What all HTTP/2 windows together may promise; beyond it clients are offered HTTP/1.1.
    pub h2_window_total: u64,
}

/// The names clients use, and the form in which they are told where to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Public {
    /// `host` or `host:port`, lower case; a port that is not named here means the listener's default.
    pub names: Vec<String>,
    pub location: crate::rewrite::LocationForm,
    /// Networks whose `X-Forwarded-*` and `Forwarded` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// How a request goes on when a node fails, and how long it waits when none is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Nodes asked for one request, the first included.
    pub attempts: u32,
    /// Retries in percent of requests, for all requests together.
    pub budget_percent: u32,
    /// Retries a second that are allowed however few requests there are.
    pub budget_minimum: u32,
    /// How long a request waits while no node is up.
    pub patience: Duration,
    /// Requests that may wait for a node with room, in all.
    pub queue_length: usize,
    /// How long one of them waits.
    pub queue_timeout: Duration,
}
