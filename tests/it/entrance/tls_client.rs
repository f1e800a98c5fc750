//! TLS clients that differ from the usual ones, and what they learn of the other side.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::certs::Authority;

/// Which versions a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    OnlyTwo,
    OnlyThree,
    Both,
}

/// A client that trusts this authority and offers these protocols.
pub(super) fn config(authority: &Authority, versions: Versions, alpn: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = match versions {
        Versions::OnlyTwo => &[&TLS12][..],
        Versions::OnlyThree => &[&TLS13],
        Versions::Both => &[&TLS12, &TLS13],
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// What a client knows after its handshake.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) certificate: Vec<u8>,
    pub(super) version: ProtocolVersion,
    pub(super) kind: HandshakeKind,
    pub(super) alpn: String,
    pub(super) stream: TlsStream<TcpStream>,
}

/// Connects by this name; an address as name sends none.
pub(super) async fn meet(
    address: SocketAddr,
    name: &str,
    config: &Arc<ClientConfig>,
) -> std::io::Result<Met> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TlsConnector::from(config.clone())
        .connect(name, tcp)
        .await?;
    let about = stream.get_ref().1;
    Ok(Met {
        certificate: about.peer_certificates().unwrap()[0].to_vec(),
        version: about.protocol_version().unwrap(),
        kind: about.handshake_kind().unwrap(),
        alpn: String::from_utf8_lossy(about.alpn_protocol().unwrap_or_default()).into_owned(),
        stream,
    })
}

impl Met {
    /// One request over HTTP/1.1; the status line, or the error that the other side sent.
    pub(super) async fn ask(mut self, authority: &str) -> std::io::Result<String> {
        let head =
            format!("GET /v2/_catalog HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        let read = self.stream.read_to_end(&mut answer).await;
        if answer.is_empty() {
            read?;
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let answer = String::from_utf8_lossy(&answer);
        Ok(answer.lines().next().unwrap_or_default().to_owned())
    }
}

/// Shakes hands as a client of TLS 1.1 would, and returns the record that comes back: its type and
/// its content.
pub(super) async fn greet_as_tls_1_1(address: SocketAddr) -> (u8, Vec<u8>) {
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.push(0);
    // Two suites that TLS 1.1 knows, and no compression.
    hello.extend([0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    let mut message = vec![1, 0, 0, hello.len() as u8];
    message.extend(hello);
    let mut record = vec![22, 3, 1, 0, message.len() as u8];
    record.extend(message);
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    // A reset behind the alert is as good as an end.
    drop(tcp.read_to_end(&mut answer).await);
    (answer[0], answer[5..].to_vec())
}
