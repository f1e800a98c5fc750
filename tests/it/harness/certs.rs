//! A throwaway certificate authority and what it issues. Clients are told of the authority;
//! verification stays on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The authority of one test.
#[derive(Clone)]
pub struct Authority {
    issuer: Arc<Issuer<'static, KeyPair>>,
    pem: String,
    der: CertificateDer<'static>,
}

/// A certificate with its key, as PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate and the authority's.
    pub chain: String,
    pub key: String,
    /// The certificate alone, as DER.
    pub der: Vec<u8>,
}

/// Which protocol a client offers by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    Http1,
    Http2,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("pilotage throwaway authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Arc::new(Issuer::new(params, key)),
        }
    }

    /// The authority's certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server certificate for these host names and addresses; the first is its common name.
    pub fn issue(&self, names: &[&str]) -> Certificate {
        self.issue_until(names, None)
    }

    /// The same, good until then.
    pub fn issue_until(&self, names: &[&str], until: Option<SystemTime>) -> Certificate {
        self.sign(names, ExtendedKeyUsagePurpose::ServerAuth, until)
    }

    /// A certificate a client can show.
    pub fn issue_client(&self, name: &str) -> Certificate {
        self.sign(&[name], ExtendedKeyUsagePurpose::ClientAuth, None)
    }

    fn sign(
        &self,
        names: &[&str],
        purpose: ExtendedKeyUsagePurpose,
        until: Option<SystemTime>,
    ) -> Certificate {
        let names_owned = names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>();
        let mut params = CertificateParams::new(names_owned).unwrap();
        params.distinguished_name = common_name(names[0]);
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        if let Some(until) = until {
            let since = until.duration_since(SystemTime::UNIX_EPOCH).unwrap();
            params.not_after = date_time_ymd(1970, 1, 1) + since;
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &*self.issuer).unwrap();
        Certificate {
            chain: certificate.pem() + &self.pem,
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }

    /// TLS of a client that trusts this authority and nobody else.
    pub fn client(&self, offer: Offer) -> Arc<rustls::ClientConfig> {
        let builder = client_builder(self.roots());
        finished(builder.with_no_client_auth(), offer)
    }

    /// The same for a client that shows a certificate.
    pub fn client_with(&self, offer: Offer, shown: &Certificate) -> Arc<rustls::ClientConfig> {
        let chain = CertificateDer::pem_slice_iter(shown.chain.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
        let builder = client_builder(self.roots());
        finished(builder.with_client_auth_cert(chain, key).unwrap(), offer)
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        roots
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Certificate {
    /// Writes `<name>.crt` and `<name>.key`, and says where.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (chain, key) = (
            folder.join(format!("{name}.crt")),
            folder.join(format!("{name}.key")),
        );
        std::fs::write(&chain, &self.chain).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        (chain, key)
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

type WantsClientCert = rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>;

fn client_builder(roots: RootCertStore) -> WantsClientCert {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}

fn finished(mut config: rustls::ClientConfig, offer: Offer) -> Arc<rustls::ClientConfig> {
    config.alpn_protocols = match offer {
        Offer::Http1 => vec![b"http/1.1".to_vec()],
        Offer::Http2 => vec![b"h2".to_vec()],
    };
    Arc::new(config)
}
