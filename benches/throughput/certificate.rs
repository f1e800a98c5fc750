//! One certificate for all, and a load that trusts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// A certificate on disk, with the authority that issued it.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) chain_file: PathBuf,
    pub(crate) key_file: PathBuf,
    /// Chain and key in one file.
    pub(crate) both_file: PathBuf,
    authority: CertificateDer<'static>,
}

impl Certificate {
    /// An ECDSA P-256 certificate for [`NAME`].
    pub(crate) fn issue(folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let (chain, key) = (leaf.pem(), key.serialize_pem());
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        Self {
            chain_file: write("chain.pem", &chain),
            key_file: write("key.pem", &key),
            both_file: write("both.pem", &(chain + &key)),
            authority: root.der().clone(),
        }
    }

    /// TLS of the load: every handshake is a full one, and always with what Go's clients choose first
    /// on machines like this one, so that nobody wins by another suite.
    pub(crate) fn client(&self, alpn: &[u8]) -> Arc<ClientConfig> {
        let mut provider = default_provider();
        provider.cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
        provider.kx_groups = vec![kx_group::X25519];
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]);
        let mut config = builder
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    }
}

/// The public name of the registry.
pub(crate) const NAME: &str = "registry.test";
