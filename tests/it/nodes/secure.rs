//! Nodes behind TLS: who is spoken to, and who never hears a word.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::scene::{Scene, agreeable};
use super::work::{admin, ask, assert_unavailable, publish, some_blob, start_upload};
use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, field, program};
use crate::harness::certs::{Authority, Certificate, Offer};
use crate::harness::image::digest;
use crate::harness::ports;
use crate::harness::wait::{SOON, until};

/// TLS before a recording node: what arrives there was sent to a certificate that was accepted.
pub(super) struct TlsFront {
    address: SocketAddr,
    greeted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl TlsFront {
    pub(super) async fn open(
        address: SocketAddr,
        certificate: &Certificate,
        node: SocketAddr,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let acceptor = TlsAcceptor::from(server(certificate));
        let greeted = Arc::<AtomicUsize>::default();
        let counted = greeted.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counted) = (acceptor.clone(), counted.clone());
                tokio::spawn(async move {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let mut client = acceptor.accept(stream).await.ok()?;
                    let mut node = TcpStream::connect(node).await.ok()?;
                    tokio::io::copy_bidirectional(&mut client, &mut node)
                        .await
                        .ok()
                });
            }
        });
        Self {
            address,
            greeted,
            task,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How many connections were tried.
    pub(super) fn greeted(&self) -> usize {
        self.greeted.load(Ordering::Relaxed)
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn server(certificate: &Certificate) -> Arc<rustls::ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// A certificate that nobody signed but itself, and that names nothing of the node.
fn self_signed() -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["harbor.invalid".to_owned()]).unwrap();
    Certificate {
        chain: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
        der: made.cert.der().to_vec(),
    }
}

/// In pairs of capital digits with colons, as openssl prints it.
fn fingerprint(certificate: &Certificate) -> String {
    let plain = digest(&certificate.der)["sha256:".len()..].to_uppercase();
    let pairs = plain.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| String::from_utf8_lossy(pair).into_owned());
    pairs.collect::<Vec<_>>().join(":")
}

/// One node for each way to verify it, and for each way to fail; its name says which.
struct Street {
    scene: Scene,
    fronts: Vec<(&'static str, TlsFront)>,
    keys: Vec<(&'static str, &'static str, String)>,
}

const RIGHT: [&str; 3] = ["by-authority", "by-name", "by-fingerprint"];
const WRONG: [&str; 5] = [
    "not-authority",
    "not-name",
    "not-address",
    "not-fingerprint",
    "not-known",
];

async fn street() -> Street {
    let scene = Scene::new(RIGHT.len() + WRONG.len(), agreeable).await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ca_file = scene.scratch.write("ca.pem", authority.pem());
    let strange_file = scene.scratch.write("stranger.pem", stranger.pem());
    let ca_file = ca_file.to_str().unwrap().to_owned();
    let (pinned, other) = (self_signed(), self_signed());
    let (mut fronts, mut keys) = (Vec::new(), Vec::new());
    for (number, name) in RIGHT.into_iter().chain(WRONG).enumerate() {
        let host = scene.subnet.host(number + 1);
        let address = ports::free(host);
        let by_address = authority.issue(&[&host.to_string()]);
        let by_name = authority.issue(&["inner.pilotage.test"]);
        let trusted = ("ca_file", ca_file.clone());
        let (certificate, told) = match name {
            "by-authority" => (by_address, vec![trusted]),
            "by-name" => {
                let verified = ("verify_name", "inner.pilotage.test".to_owned());
                (by_name, vec![trusted, verified])
            }
            "by-fingerprint" => {
                let print = ("fingerprint", fingerprint(&pinned));
                (pinned.clone(), vec![print])
            }
            "not-authority" => {
                let strange = ("ca_file", strange_file.to_str().unwrap().to_owned());
                (by_address, vec![strange])
            }
            "not-name" => {
                let verified = ("verify_name", "inner.pilotage.test".to_owned());
                (by_address, vec![trusted, verified])
            }
            "not-address" => (by_name, vec![trusted]),
            "not-fingerprint" => {
                // Even the right authority and name do not help.
                let print = ("fingerprint", fingerprint(&other));
                (by_address, vec![print])
            }
            _ => (by_address, Vec::new()),
        };
        let front = TlsFront::open(address, &certificate, scene.nodes[number].address()).await;
        fronts.push((name, front));
        keys.extend(told.into_iter().map(|(key, value)| (name, key, value)));
    }
    Street {
        scene,
        fronts,
        keys,
    }
}

impl Street {
    /// A balancer before the nodes of these names.
    async fn balancer(&self, names: &[&str], change: impl FnOnce(&mut Config)) -> Balancer {
        let mut config = self.scene.config();
        for (name, front) in &self.fronts {
            if names.contains(name) {
                config.node(name, &front.url());
            }
        }
        for (name, key, value) in &self.keys {
            if names.contains(name) {
                config.set_node(name, key, value.as_str());
            }
        }
        change(&mut config);
        Balancer::start(&program(), &self.scene.folder(), config).await
    }

    /// Nodes that got anything, be it half a request.
    fn heard(&self) -> Vec<&str> {
        let all = self.fronts.iter().zip(&self.scene.nodes);
        all.filter(|(_, node)| !node.all().is_empty())
            .map(|((name, _), _)| *name)
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_verified_by_authority_by_name_or_by_fingerprint_and_else_hears_nothing() {
    let street = street().await;
    let all = [RIGHT.as_slice(), &WRONG].concat();
    let balancer = street.balancer(&all, |_| ()).await;
    for name in RIGHT {
        balancer.node_is(name, "pull", "up").await;
    }
    for name in WRONG {
        balancer.node_is(name, "pull", "down").await;
        let nodes = balancer.nodes().await;
        let node = nodes.iter().find(|node| node["id"] == name).unwrap();
        let why = node["health"]["traffic"][0]["why"].as_str().unwrap();
        assert!(why.contains("tls"), "{name}: {why}");
    }
    let target = balancer.target(Offer::Http1);
    for number in 0..40 {
        let repository = format!("lab/app-{number}");
        let blob = format!("/v2/{repository}/blobs/{}", some_blob(number));
        target.send(admin("GET", &blob)).await.expect(200);
        target.send(start_upload(&repository)).await.expect(202);
        target
            .send(publish(&repository, "v1", b"{}"))
            .await
            .expect(201);
    }
    assert_eq!(street.heard(), RIGHT);
    for (name, front) in &street.fronts {
        assert!(front.greeted() > 0, "{name} was never tried");
    }
    for (name, node) in RIGHT.iter().zip(&street.scene.nodes) {
        assert!(!node.requests().is_empty(), "{name} got no request");
    }
}

/// Requests meet unverified nodes before probes have taken those down.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_never_reaches_a_node_that_cannot_be_verified() {
    let street = street().await;
    let balancer = street
        .balancer(&WRONG, |config| {
            config.set("health", "down_after", 1_000);
            config.set("health", "passive_down_after", 100_000);
            config.set("retry", "patience", "500ms");
        })
        .await;
    for request in [
        admin("GET", "/v2/lab/app/manifests/v1"),
        start_upload("lab/app"),
        publish("lab/app", "v1", b"{}"),
        admin("DELETE", "/v2/lab/app/manifests/v1"),
    ] {
        let method = request.method.clone();
        let (answer, record) = ask(&balancer, request).await;
        assert_unavailable(&answer);
        assert_eq!(field(&record, "fault"), "node_unverified", "{method}");
    }
    assert!(street.heard().is_empty(), "{:?}", street.heard());
    until("every one of them was tried", SOON, async || {
        let wrong = street
            .fronts
            .iter()
            .filter(|(name, _)| WRONG.contains(name));
        wrong
            .fold(true, |all, (_, front)| all && front.greeted() > 1)
            .then_some(())
    })
    .await;
}
