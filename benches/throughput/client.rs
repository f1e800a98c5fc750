//! The side that asks: where to connect, how to say it, what came of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::{Certificate, NAME};

/// Which HTTP version the load speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

impl Version {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::One => "h1",
            Self::Two => "h2",
        }
    }
}

/// A system as the load sees it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    /// What stands in `Host`.
    pub(crate) authority: String,
    one: Arc<ClientConfig>,
    two: Arc<ClientConfig>,
}

/// TLS over a socket that is read in large pieces, so that the load is not what is measured.
pub(crate) type Connected = TlsStream<BufReader<TcpStream>>;

impl Target {
    pub(crate) fn new(address: SocketAddr, certificate: &Certificate) -> Self {
        Self {
            address,
            authority: format!("{NAME}:{}", address.port()),
            one: certificate.client(b"http/1.1"),
            two: certificate.client(b"h2"),
        }
    }

    /// A new connection after a full handshake.
    pub(crate) async fn connect(&self, version: Version) -> Connected {
        let socket = TcpStream::connect(self.address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let socket = BufReader::with_capacity(READ_SIZE, socket);
        let config = match version {
            Version::One => &self.one,
            Version::Two => &self.two,
        };
        let name = ServerName::try_from(NAME).unwrap();
        let connector = TlsConnector::from(Arc::clone(config));
        connector.connect(name, socket).await.unwrap()
    }
}

/// What a measurement carried.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How long each request took; transfers leave it empty.
    pub(crate) waits: Vec<Duration>,
    pub(crate) bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.waits.extend(other.waits);
        self.bytes += other.bytes;
    }

    /// The wait that this share of the requests did not exceed.
    pub(crate) fn wait(&self, percent: usize) -> Duration {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        let index = (waits.len() * percent / 100).min(waits.len().saturating_sub(1));
        waits.get(index).copied().unwrap_or_default()
    }
}

/// The next piece of an upload that has so many bytes left.
pub(crate) fn piece(left: u64, most: usize) -> Bytes {
    let most = most.min(PIECE.len());
    let size = usize::try_from(left).map_or(most, |left| left.min(most));
    Bytes::from_static(PIECE).slice(..size)
}

/// What container clients send beside method, target and host.
pub(crate) fn usual_headers() -> [(&'static str, String); 3] {
    [
        ("user-agent", "docker/28.2.2 go/go1.23.9 os/linux arch/amd64".to_owned()),
        ("accept", "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, */*".to_owned()),
        // A token is some eight hundred characters.
        ("authorization", format!("Bearer {}", "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9".repeat(22))),
    ]
}

static PIECE: &[u8] = &[b'u'; 256 * 1024];
const READ_SIZE: usize = 128 * 1024;
