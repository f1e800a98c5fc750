//! A look at the certificate that somebody shows, for an operator who wants to know what is wrong with it.
//!
//! Nothing is verified here and nothing is ever sent but the handshake: what is found is evidence, not trust.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

/// What was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// As DER, its own first.
    pub chain: Vec<Vec<u8>>,
    /// Such as `TLSv1_3`.
    pub protocol: String,
}

impl Shown {
    /// SHA-256 of the certificate itself.
    pub fn fingerprint(&self) -> Option<[u8; 32]> {
        let own = self.chain.first()?;
        let digest = ::ring::digest::digest(&::ring::digest::SHA256, own);
        digest.as_ref().try_into().ok()
    }
}

/// Shakes hands with whoever listens at `address`, asking for `name`. Waits for the network: not for a thread of
/// the runtime.
pub fn inspect(address: SocketAddr, name: &str, patience: Duration) -> Result<Shown, String> {
    let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let provider = Arc::new(ring::default_provider());
    let blind = Blind(Arc::clone(&provider));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(blind))
        .with_no_client_auth();
    let mut session = ClientConnection::new(Arc::new(config), name).map_err(|e| e.to_string())?;
    let connected = TcpStream::connect_timeout(&address, patience);
    let mut stream = connected.map_err(|error| error.to_string())?;
    let limited = stream
        .set_read_timeout(Some(patience))
        .and_then(|()| stream.set_write_timeout(Some(patience)));
    limited.map_err(|error| error.to_string())?;
    while session.is_handshaking() {
        session
            .complete_io(&mut stream)
            .map_err(|error| error.to_string())?;
    }
    let chain = session.peer_certificates().unwrap_or_default();
    let protocol = session
        .protocol_version()
        .and_then(|version| version.as_str());
    Ok(Shown {
        chain: chain.iter().map(|one| one.to_vec()).collect(),
        protocol: protocol.unwrap_or("an unknown version").to_owned(),
    })
}

/// Believes everybody, and is told nothing worth keeping.
#[derive(Debug)]
struct Blind(Arc<CryptoProvider>);

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
