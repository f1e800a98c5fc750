//! TLS of the entrance: certificates by name, one swappable configuration for each listener.
//!
//! Files are read here and nowhere else. A certificate that cannot be used never replaces one that can.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerSessionMemoryCache,
    StoresServerSessions, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::settings::{CertificateFiles, Certificates, ClientCertificate, Tls, TlsVersion};

/// Why a certificate, a key or a list of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: cannot be read: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error("{path}: holds no PEM certificate")]
    NoCertificate { path: PathBuf },
    #[error("{path}: the first certificate cannot be understood: {reason}")]
    BadCertificate { path: PathBuf, reason: String },
    #[error("{key}: is not the key of the certificate in {chain}: {reason}")]
    KeyMismatch {
        chain: PathBuf,
        key: PathBuf,
        reason: String,
    },
    #[error("{path}: cannot serve as an authority for client certificates: {reason}")]
    BadAuthority { path: PathBuf, reason: String },
    #[error("tls: {0}")]
    Provider(String),
}

/// What an operator wants to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    pub chain_file: PathBuf,
    /// DNS names and addresses, lower case.
    pub names: Vec<String>,
    /// End of validity in seconds since 1970.
    pub expires: i64,
}

/// All certificates by name.
#[derive(Debug)]
struct Chest {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
    about: Vec<About>,
    /// A digest of all that was read, to tell whether a file has changed.
    fingerprint: [u8; 32],
}

/// The certificates that are served now; the same object for all listeners.
#[derive(Debug)]
pub struct CertificateStore {
    chest: ArcSwap<Chest>,
}

/// What looking at the files again led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    Unchanged,
    Replaced,
}

impl CertificateStore {
    /// Reads all files; one that cannot be used is an error.
    pub fn load(files: &[CertificateFiles]) -> Result<Self, TlsError> {
        Ok(Self {
            chest: ArcSwap::from_pointee(Chest::load(files)?),
        })
    }

    /// Reads all files again and serves them from now on, if they are good and differ.
    pub fn refresh(&self, files: &[CertificateFiles]) -> Result<Refreshed, TlsError> {
        if fingerprint(files)? == self.chest.load().fingerprint {
            return Ok(Refreshed::Unchanged);
        }
        self.chest.store(Arc::new(Chest::load(files)?));
        Ok(Refreshed::Replaced)
    }

    /// What is served now.
    pub fn about(&self) -> Vec<About> {
        self.chest.load().about.clone()
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chest = self.chest.load();
        let named = hello.server_name().and_then(|name| chest.find(name));
        named.or_else(|| chest.default.clone())
    }
}

impl Chest {
    fn load(files: &[CertificateFiles]) -> Result<Self, TlsError> {
        let fingerprint = fingerprint(files)?;
        let mut chest = Self {
            by_name: HashMap::new(),
            default: None,
            about: Vec::new(),
            fingerprint,
        };
        for pair in files {
            let (key, about) = load_pair(pair)?;
            for name in &about.names {
                chest
                    .by_name
                    .entry(name.clone())
                    .or_insert_with(|| Arc::clone(&key));
            }
            chest.default.get_or_insert(key);
            chest.about.push(about);
        }
        Ok(chest)
    }

    /// The exact name first, then the wildcard of its parent.
    fn find(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let wildcard = || {
            name.split_once('.')
                .map(|(_, parent)| format!("*.{parent}"))
        };
        let found = self.by_name.get(&name);
        found
            .or_else(|| wildcard().and_then(|wild| self.by_name.get(&wild)))
            .cloned()
    }
}

/// Builds the two configurations of a listener: with and without HTTP/2.
pub(super) fn server_configs(
    tls: &Tls,
    certificates: &Certificates,
    store: &Arc<CertificateStore>,
) -> Result<(Arc<ServerConfig>, Arc<ServerConfig>), TlsError> {
    let versions: &[&SupportedProtocolVersion] = match tls.minimum {
        TlsVersion::V1_2 => &[&rustls::version::TLS12, &rustls::version::TLS13],
        TlsVersion::V1_3 => &[&rustls::version::TLS13],
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| TlsError::Provider(error.to_string()))?;
    let resolver: Arc<dyn ResolvesServerCert> = Arc::<CertificateStore>::clone(store);
    let mut config = match client_verifier(&tls.client_certificate, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    }
    .with_cert_resolver(resolver);
    config.ticketer = rustls::crypto::ring::Ticketer::new()
        .map_err(|error| TlsError::Provider(error.to_string()))?;
    config.session_storage = session_storage(certificates.session_cache);
    config.max_early_data_size = 0;
    let mut narrow = config.clone();
    narrow.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.alpn_protocols = match tls.http2 {
        super::settings::Http2::Offered => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        super::settings::Http2::Withheld => narrow.alpn_protocols.clone(),
    };
    Ok((Arc::new(config), Arc::new(narrow)))
}

fn session_storage(size: usize) -> Arc<dyn StoresServerSessions> {
    match size {
        0 => Arc::new(NoServerSessionStorage {}),
        size => ServerSessionMemoryCache::new(size),
    }
}

type Verifier = Arc<dyn rustls::server::danger::ClientCertVerifier>;

fn client_verifier(
    wanted: &ClientCertificate,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Option<Verifier>, TlsError> {
    let ca_file = match wanted {
        ClientCertificate::Ignored => return Ok(None),
        ClientCertificate::Optional { ca_file } | ClientCertificate::Required { ca_file } => {
            ca_file
        }
    };
    let bad = |reason: String| TlsError::BadAuthority {
        path: ca_file.clone(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for certificate in read_chain(ca_file)? {
        roots
            .add(certificate)
            .map_err(|error| bad(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match wanted {
        ClientCertificate::Optional { .. } => builder.allow_unauthenticated(),
        ClientCertificate::Required { .. } | ClientCertificate::Ignored => builder,
    };
    builder
        .build()
        .map(Some)
        .map_err(|error| bad(error.to_string()))
}

/// Reads the certificates of a PEM file.
pub(crate) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|error| TlsError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(chain)
}

fn load_pair(files: &CertificateFiles) -> Result<(Arc<CertifiedKey>, About), TlsError> {
    let chain = read_chain(&files.chain_file)?;
    let about = describe(&files.chain_file, &chain)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key_file)?).map_err(|_| {
        let reason = "holds no PEM private key".to_owned();
        TlsError::Unreadable {
            path: files.key_file.clone(),
            reason,
        }
    })?;
    let provider = rustls::crypto::ring::default_provider();
    let certified =
        CertifiedKey::from_der(chain, key, &provider).map_err(|error| TlsError::KeyMismatch {
            chain: files.chain_file.clone(),
            key: files.key_file.clone(),
            reason: error.to_string(),
        })?;
    Ok((Arc::new(certified), about))
}

fn describe(path: &Path, chain: &[CertificateDer<'static>]) -> Result<About, TlsError> {
    let bad = |reason: String| TlsError::BadCertificate {
        path: path.to_owned(),
        reason,
    };
    let leaf = chain
        .first()
        .ok_or_else(|| bad("the chain is empty".to_owned()))?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|error| bad(error.to_string()))?;
    let alternative = leaf
        .subject_alternative_name()
        .map_err(|error| bad(error.to_string()))?;
    let names = alternative.map(|extension| extension.value.general_names.as_slice());
    let names = names
        .unwrap_or_default()
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        });
    Ok(About {
        chain_file: path.to_owned(),
        names: names.collect(),
        expires: leaf.validity().not_after.timestamp(),
    })
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| std::net::Ipv4Addr::from(octets).to_string());
    let v6 = <[u8; 16]>::try_from(bytes).map(|octets| std::net::Ipv6Addr::from(octets).to_string());
    v4.or(v6).ok()
}

fn fingerprint(files: &[CertificateFiles]) -> Result<[u8; 32], TlsError> {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for path in files
        .iter()
        .flat_map(|pair| [&pair.chain_file, &pair.key_file])
    {
        let one = ring::digest::digest(&ring::digest::SHA256, &read(path)?);
        context.update(one.as_ref());
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(context.finish().as_ref());
    Ok(fingerprint)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
