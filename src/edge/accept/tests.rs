//! Who is let in, over what, and for how long: real sockets, and an application that only holds on.

use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream as Socket};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::settings::{ClientCertificate, Http2, Tls, TlsVersion};
use super::super::tests::{certificate, certificates, limits};
use super::super::tls::{CertificateStore, read_chain, server_configs};
use super::*;

/// Holds every connection until it is let go or told to stop, and says which of the two with one byte.
#[derive(Debug, Default)]
struct Holder {
    holding: AtomicUsize,
    let_go: Notify,
}

#[async_trait]
impl ServerApp for Holder {
    async fn process_new(
        self: &Arc<Self>,
        mut stream: Stream,
        stop: &watch::Receiver<bool>,
    ) -> Option<Stream> {
        self.holding.fetch_add(1, Ordering::AcqRel);
        let mut stop = stop.clone();
        let word = tokio::select! {
            () = self.let_go.notified() => b"L",
            _ = stop.wait_for(|stopped| *stopped) => b"S",
        };
        drop(stream.write_all(word).await);
        drop(stream.flush().await);
        self.holding.fetch_sub(1, Ordering::AcqRel);
        None
    }
}

/// Doors with a listener before them and everything needed to come in.
struct House {
    doors: Arc<Doors<Holder>>,
    address: SocketAddr,
    client: TlsConnector,
    phase: watch::Sender<Phase>,
}

impl House {
    async fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = vec![certificate(folder.path(), "a", &["registry.test"])];
        let store = Arc::new(CertificateStore::load(&files).unwrap());
        let tls = Tls {
            minimum: TlsVersion::V1_2,
            http2: Http2::Offered,
            client_certificate: ClientCertificate::Ignored,
        };
        let (wide, narrow) = server_configs(&tls, &certificates(), &store).unwrap();
        let welcome = Arc::new(Welcome::Tls(ArcSwap::from_pointee(ListenerTls {
            wide,
            narrow,
        })));
        let metrics = Arc::new(Metrics::new("0"));
        let (phase, told) = watch::channel(Phase::Open);
        let doors = Arc::new(Doors::new(Holder::default(), limits, metrics, None, told));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind = Arc::clone(&doors);
        tokio::spawn(super::super::listen::accept_all(listener, behind, welcome));
        Self {
            doors,
            address,
            client: connector(&files[0].chain_file),
            phase,
        }
    }

    async fn knock(&self) -> Socket {
        Socket::connect(self.address).await.unwrap()
    }

    /// A client behind its handshake, held by the application.
    async fn enter(&self) -> TlsStream<Socket> {
        let before = self.holding();
        let name = ServerName::try_from("registry.test").unwrap();
        let stream = self.client.connect(name, self.knock().await).await.unwrap();
        self.until(|| self.holding() > before).await;
        stream
    }

    fn holding(&self) -> usize {
        self.doors.app.holding.load(Ordering::Acquire)
    }

    /// Lets everybody go and waits until they are out.
    async fn empty(&self) {
        self.doors.app.let_go.notify_waiters();
        self.until(|| self.doors.connections.total() == 0).await;
    }

    async fn until(&self, done: impl Fn() -> bool) {
        let waiting = async {
            while !done() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("in time");
    }

    /// Whether the page of metrics has a line that ends in this.
    fn counts(&self, line: &str) -> bool {
        let page = self.doors.metrics.page().unwrap();
        page.lines().any(|known| known.ends_with(line))
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

fn connector(chain: &std::path::Path) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(read_chain(chain).unwrap().remove(0)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

fn alpn(stream: &TlsStream<Socket>) -> &[u8] {
    stream.get_ref().1.alpn_protocol().unwrap()
}

#[test]
fn a_promise_is_kept_within_its_limit_and_given_back() {
    let total = Arc::new(AtomicU64::new(0));
    let first = Promise::make(&total, 60, 100).unwrap();
    assert!(Promise::make(&total, 60, 100).is_none());
    let second = Promise::make(&total, 40, 100).unwrap();
    assert_eq!(total.load(Ordering::Acquire), 100);
    drop(first);
    assert_eq!(total.load(Ordering::Acquire), 40);
    assert!(Promise::make(&total, u64::MAX, u64::MAX).is_none());
    drop(second);
    assert_eq!(total.load(Ordering::Acquire), 0);
}

#[tokio::test]
async fn http_2_is_withheld_while_its_windows_are_promised() {
    let window = limits().h2_window;
    let total = u64::from(window) * 2;
    let house = House::new(Limits {
        h2_window_total: total,
        ..limits()
    })
    .await;
    let (first, second) = (house.enter().await, house.enter().await);
    assert_eq!((alpn(&first), alpn(&second)), (&b"h2"[..], &b"h2"[..]));
    let third = house.enter().await;
    assert_eq!(alpn(&third), b"http/1.1");
    let promised = || house.doors.promised.load(Ordering::Acquire);
    assert_eq!(promised(), total);
    house.empty().await;
    assert_eq!(promised(), 0);
    assert_eq!(alpn(&house.enter().await), b"h2");
}

#[tokio::test]
async fn a_client_that_speaks_http_1_1_promises_nothing() {
    let house = House::new(limits()).await;
    let mut plain = house.client.config().as_ref().clone();
    plain.alpn_protocols = vec![b"http/1.1".to_vec()];
    let plain = TlsConnector::from(Arc::new(plain));
    let name = ServerName::try_from("registry.test").unwrap();
    let stream = plain.connect(name, house.knock().await).await.unwrap();
    assert_eq!(alpn(&stream), b"http/1.1");
    house.until(|| house.holding() == 1).await;
    assert_eq!(house.doors.promised.load(Ordering::Acquire), 0);
}

#[tokio::test]
async fn who_finds_no_place_is_closed_and_counted() {
    let house = House::new(Limits {
        connections: 1,
        ..limits()
    })
    .await;
    let _inside = house.enter().await;
    let mut outside = house.knock().await;
    assert_eq!(outside.read(&mut [0; 9]).await.unwrap_or(0), 0);
    assert!(house.counts("{reason=\"connections\"} 1"));
    house.empty().await;
    house.enter().await;
}

#[tokio::test]
async fn one_client_cannot_take_all_places() {
    let house = House::new(Limits {
        connections_per_client: 1,
        ..limits()
    })
    .await;
    let _inside = house.enter().await;
    let mut outside = house.knock().await;
    assert_eq!(outside.read(&mut [0; 9]).await.unwrap_or(0), 0);
    assert!(house.doors.admit("192.0.2.7:1".parse().unwrap()).is_some());
}

#[tokio::test]
async fn a_handshake_has_an_end() {
    let handshake_timeout = Duration::from_millis(50);
    let house = House::new(Limits {
        handshake_timeout,
        ..limits()
    })
    .await;
    let mut silent = house.knock().await;
    assert_eq!(silent.read(&mut [0; 9]).await.unwrap(), 0);
    house
        .until(|| house.counts("{outcome=\"timed_out\"} 1"))
        .await;
    house.until(|| house.doors.connections.total() == 0).await;
    assert_eq!(house.holding(), 0, "the application never saw it");
}

#[tokio::test]
async fn what_is_no_handshake_is_counted_as_failed() {
    let house = House::new(limits()).await;
    let mut plain = house.knock().await;
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    house.until(|| house.counts("{outcome=\"failed\"} 1")).await;
    house.until(|| house.doors.connections.total() == 0).await;
    assert_eq!(house.doors.promised.load(Ordering::Acquire), 0);
}

#[tokio::test]
async fn an_old_connection_is_told_to_stop() {
    let connection_age = Duration::from_millis(50);
    let house = House::new(Limits {
        connection_age,
        ..limits()
    })
    .await;
    let mut stream = house.enter().await;
    assert_eq!(
        timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap(),
        b'S'
    );
    house.until(|| house.counts("{reason=\"age\"} 1")).await;
}

#[tokio::test]
async fn a_stop_reaches_every_connection_and_closes_the_door() {
    let house = House::new(limits()).await;
    let mut both = [house.enter().await, house.enter().await];
    house.phase.send_replace(Phase::Closed);
    for stream in &mut both {
        assert_eq!(
            timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap(),
            b'S'
        );
    }
    house.until(|| house.doors.connections.total() == 0).await;
    assert!(Socket::connect(house.address).await.is_err());
}

#[tokio::test]
async fn doors_that_are_being_left_still_let_in_and_keep_nobody() {
    let house = House::new(limits()).await;
    house.phase.send_replace(Phase::Leaving);
    let mut late = house.enter().await;
    assert_eq!(
        timeout(PATIENCE, late.read_u8()).await.unwrap().unwrap(),
        b'S'
    );
}

#[test]
fn connections_of_one_age_end_at_different_times_and_none_is_too_old() {
    let age = Duration::from_secs(100);
    let ends: Vec<_> = (0..100).map(|_| scattered(age)).collect();
    assert!(
        ends.iter()
            .all(|end| (Duration::from_secs(80)..=age).contains(end))
    );
    assert!(ends.iter().any(|end| *end != ends[0]));
}
