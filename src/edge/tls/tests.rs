//! Which certificate a client is shown, by real handshakes without a socket, and what refuses to be served.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, ProtocolVersion,
    ServerConnection, SignatureScheme,
};
use tempfile::{TempDir, tempdir};

use super::super::settings::Http2;
use super::super::tests::{certificate, certificates};
use super::*;

/// Takes any certificate: these tests ask which one it is.
#[derive(Debug)]
struct TakesAll(Arc<CryptoProvider>);

impl ServerCertVerifier for TakesAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client(
    versions: &[&'static SupportedProtocolVersion],
    identity: Option<Identity>,
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakesAll(provider)));
    let mut config = match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// What a handshake settled.
#[derive(Debug)]
struct Shaken {
    leaf: Vec<u8>,
    alpn: Vec<u8>,
    version: ProtocolVersion,
}

/// Shakes hands with both ends in memory.
fn shake(
    server: &Arc<ServerConfig>,
    client: ClientConfig,
    name: &str,
) -> Result<Shaken, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = ClientConnection::new(Arc::new(client), name).unwrap();
    let server = ServerConnection::new(Arc::clone(server)).unwrap();
    let (mut client, mut server) = (Connection::from(client), Connection::from(server));
    while client.wants_write() || server.wants_write() {
        pass_on(&mut client, &mut server)?;
        pass_on(&mut server, &mut client)?;
    }
    Ok(Shaken {
        leaf: client.peer_certificates().unwrap()[0].to_vec(),
        alpn: client.alpn_protocol().unwrap().to_vec(),
        version: client.protocol_version().unwrap(),
    })
}

fn pass_on(from: &mut Connection, to: &mut Connection) -> Result<(), rustls::Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut bytes = bytes.as_slice();
    while !bytes.is_empty() {
        to.read_tls(&mut bytes).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

fn tls() -> Tls {
    Tls {
        minimum: TlsVersion::V1_2,
        http2: Http2::Offered,
        client_certificate: ClientCertificate::Ignored,
    }
}

/// A store with a folder that holds its files.
struct Bench {
    folder: TempDir,
    files: Vec<CertificateFiles>,
    store: Arc<CertificateStore>,
}

impl Bench {
    fn new(certificates: &[&[&str]]) -> Self {
        let folder = tempdir().unwrap();
        let numbered = certificates.iter().enumerate();
        let files: Vec<CertificateFiles> = numbered
            .map(|(number, names)| certificate(folder.path(), &number.to_string(), names))
            .collect();
        let store = Arc::new(CertificateStore::load(&files).unwrap());
        Self {
            folder,
            files,
            store,
        }
    }

    fn configs(&self, tls: &Tls) -> (Arc<ServerConfig>, Arc<ServerConfig>) {
        server_configs(tls, &certificates(), &self.store).unwrap()
    }

    /// The number of the certificate that a client who asks for this name is shown.
    fn shown(&self, name: &str) -> usize {
        let (wide, _) = self.configs(&tls());
        let leaf = shake(&wide, client(&BOTH, None), name).unwrap().leaf;
        let has = |files: &CertificateFiles| read_chain(&files.chain_file).unwrap()[0][..] == leaf;
        self.files.iter().position(has).expect("one of the files")
    }
}

#[test]
fn a_certificate_is_chosen_by_name_exact_before_wildcard_before_default() {
    let bench = Bench::new(&[
        &["default.test"],
        &["*.example.test", "192.0.2.1"],
        &["exact.example.test", "Other.test", "example.test"],
    ]);
    for (name, expected) in [
        ("exact.example.test", 2),
        ("EXACT.Example.Test", 2),
        ("other.test", 2),
        ("any.example.test", 1),
        ("example.test", 2),
        ("two.labels.example.test", 0),
        ("unknown.test", 0),
        ("default.test", 0),
        // An address is never sent as a name.
        ("192.0.2.1", 0),
    ] {
        assert_eq!(bench.shown(name), expected, "{name}");
    }
}

#[test]
fn the_first_of_two_certificates_with_one_name_wins() {
    let bench = Bench::new(&[&["a.test"], &["b.test"], &["b.test", "a.test"]]);
    assert_eq!((bench.shown("a.test"), bench.shown("b.test")), (0, 1));
}

#[test]
fn an_operator_reads_names_and_end_of_each_certificate() {
    let bench = Bench::new(&[&["Registry.test", "192.0.2.1", "2001:db8::1"]]);
    let about = bench.store.about();
    assert_eq!(about.len(), 1);
    assert_eq!(about[0].chain_file, bench.files[0].chain_file);
    assert_eq!(
        about[0].names,
        ["registry.test", "192.0.2.1", "2001:db8::1"]
    );
    assert!(about[0].expires > 1_800_000_000, "{}", about[0].expires);
}

#[test]
fn a_changed_file_is_served_and_an_unchanged_one_is_left_alone() {
    let bench = Bench::new(&[&["a.test"]]);
    let refresh = || bench.store.refresh(&bench.files).unwrap();
    assert_eq!(refresh(), Refreshed::Unchanged);
    let (wide, _) = bench.configs(&tls());
    let leaf = || shake(&wide, client(&BOTH, None), "a.test").unwrap().leaf;
    let before = leaf();
    certificate(bench.folder.path(), "0", &["a.test"]);
    assert_eq!(leaf(), before, "nothing changes by itself");
    assert_eq!(refresh(), Refreshed::Replaced);
    assert_ne!(leaf(), before, "the same configuration serves the new one");
    assert_eq!(refresh(), Refreshed::Unchanged);
}

#[test]
fn what_cannot_be_used_leaves_the_old_certificate_in_place() {
    let bench = Bench::new(&[&["a.test"]]);
    let CertificateFiles {
        chain_file,
        key_file,
    } = &bench.files[0];
    let (chain, key) = (fs::read(chain_file).unwrap(), fs::read(key_file).unwrap());
    let other = certificate(bench.folder.path(), "other", &["a.test"]);
    let foreign = fs::read(other.key_file).unwrap();
    let (chain_name, key_name) = (chain_file.display(), key_file.display());
    let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    let mismatch = format!("{key_name}: is not the key of the certificate in {chain_name}: ");
    for (chain, key, message) in [
        (&chain, &foreign, mismatch),
        (
            &Vec::new(),
            &key,
            format!("{chain_name}: holds no PEM certificate"),
        ),
        (
            &junk,
            &key,
            format!("{chain_name}: the first certificate cannot be understood: "),
        ),
        (
            &chain,
            &chain,
            format!("{key_name}: cannot be read: holds no PEM private key"),
        ),
    ] {
        fs::write(chain_file, chain).unwrap();
        fs::write(key_file, key).unwrap();
        let error = bench.store.refresh(&bench.files).unwrap_err().to_string();
        assert!(error.starts_with(&message), "{error}");
        let fresh = CertificateStore::load(&bench.files)
            .unwrap_err()
            .to_string();
        assert_eq!(fresh, error, "a start refuses what a reload refuses");
    }
    fs::remove_file(key_file).unwrap();
    let error = bench.store.refresh(&bench.files).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{key_name}: cannot be read: ")),
        "{error}"
    );
    fs::write(chain_file, chain).unwrap();
    fs::write(key_file, key).unwrap();
    assert_eq!(
        bench.shown("a.test"),
        0,
        "the old one has been served all the time"
    );
}

#[test]
fn nothing_of_a_key_is_ever_printed() {
    let bench = Bench::new(&[&["a.test"]]);
    let (wide, _) = bench.configs(&tls());
    let printed = format!("{:?} {wide:?}", bench.store);
    let pem = fs::read(&bench.files[0].key_file).unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_slice(&pem).unwrap();
    let secret = key.secret_pkcs8_der();
    // The secret scalar of a P-256 key stands behind its 36 bytes of header.
    let scalar = &secret[36..68];
    let decimal = scalar.iter().map(ToString::to_string).collect::<Vec<_>>();
    let digits = scalar.iter().map(|byte| format!("{byte:02x}"));
    let hex = digits.collect::<Vec<_>>().concat();
    assert!(!printed.contains(&decimal[..8].join(", ")));
    assert!(!printed.to_lowercase().contains(&hex[..16]));
    let line = std::str::from_utf8(&pem).unwrap().lines().nth(1).unwrap();
    assert!(!printed.contains(&line[..16]));
}

#[test]
fn the_narrow_configuration_withholds_http_2() {
    let bench = Bench::new(&[&["a.test"]]);
    let alpn = |config| shake(config, client(&BOTH, None), "a.test").unwrap().alpn;
    let (wide, narrow) = bench.configs(&tls());
    assert_eq!(alpn(&wide), b"h2");
    assert_eq!(alpn(&narrow), b"http/1.1");
    let http2 = Http2::Withheld;
    let (wide, _) = bench.configs(&Tls { http2, ..tls() });
    assert_eq!(alpn(&wide), b"http/1.1");
}

#[test]
fn the_minimum_version_holds_in_both_configurations() {
    let bench = Bench::new(&[&["a.test"]]);
    let minimum = TlsVersion::V1_3;
    let (old_wide, old_narrow) = bench.configs(&tls());
    let (new_wide, new_narrow) = bench.configs(&Tls { minimum, ..tls() });
    for (old, new) in [(old_wide, new_wide), (old_narrow, new_narrow)] {
        let with = |config, versions| shake(config, client(versions, None), "a.test");
        let spoken = with(&old, &BOTH[..1]).unwrap().version;
        assert_eq!(spoken, ProtocolVersion::TLSv1_2);
        assert_eq!(with(&old, &BOTH).unwrap().version, ProtocolVersion::TLSv1_3);
        assert!(with(&new, &BOTH[..1]).is_err());
        assert_eq!(with(&new, &BOTH).unwrap().version, ProtocolVersion::TLSv1_3);
    }
}

/// An authority for client certificates in `folder`, and one of its clients.
fn authority(folder: &Path) -> (PathBuf, Identity) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let ca_file = folder.join("clients.pem");
    fs::write(&ca_file, root.pem()).unwrap();
    let issuer = Issuer::from_params(&params, key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["client.test".to_owned()];
    let leaf = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    (ca_file, (vec![leaf.der().clone()], key.into()))
}

#[test]
fn a_client_certificate_is_asked_for_as_the_operator_wants() {
    let bench = Bench::new(&[&["a.test"]]);
    let (ca_file, good) = authority(bench.folder.path());
    let stranger = tempdir().unwrap();
    let (_, foreign) = authority(stranger.path());
    let identities = [None, Some(&good), Some(&foreign)];
    let accepted = |client_certificate| {
        let (wide, _) = bench.configs(&Tls {
            client_certificate,
            ..tls()
        });
        identities.map(|identity| {
            let identity = identity.map(|(chain, key)| (chain.clone(), key.clone_key()));
            shake(&wide, client(&BOTH, identity), "a.test").is_ok()
        })
    };
    let optional = ClientCertificate::Optional {
        ca_file: ca_file.clone(),
    };
    let required = ClientCertificate::Required { ca_file };
    assert_eq!(accepted(ClientCertificate::Ignored), [true, true, true]);
    assert_eq!(accepted(optional), [true, true, false]);
    assert_eq!(accepted(required), [false, true, false]);
}

#[test]
fn authorities_for_clients_that_cannot_be_used_are_refused() {
    let bench = Bench::new(&[&["a.test"]]);
    let ca_file = bench.folder.path().join("clients.pem");
    let client_certificate = ClientCertificate::Required {
        ca_file: ca_file.clone(),
    };
    let wanted = Tls {
        client_certificate,
        ..tls()
    };
    let refused = || {
        server_configs(&wanted, &certificates(), &bench.store)
            .unwrap_err()
            .to_string()
    };
    let name = ca_file.display();
    assert!(refused().starts_with(&format!("{name}: cannot be read: ")));
    fs::write(&ca_file, "").unwrap();
    assert_eq!(refused(), format!("{name}: holds no PEM certificate"));
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(&ca_file, junk).unwrap();
    let begin = format!("{name}: cannot serve as an authority for client certificates: ");
    assert!(refused().starts_with(&begin));
}
