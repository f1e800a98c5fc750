//! Probes against a small scripted node.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::settings::{NodeScheme, NodeSettings, Verify};
use super::*;
use crate::fleet::health::PartState;
use crate::fleet::node::NodeId;

/// A node that gives its answers one after the other, on whatever connections, and remembers the requests.
struct Script {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Script {
    async fn new(answers: &[&str]) -> Self {
        Self::with(answers, None).await
    }

    async fn with(answers: &[&str], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::default();
        let seen = Arc::clone(&requests);
        let mut answers: Vec<String> = answers.iter().map(|text| (*text).to_owned()).collect();
        answers.reverse();
        tokio::spawn(async move {
            while !answers.is_empty() {
                let (stream, _) = listener.accept().await.unwrap();
                match &tls {
                    None => answer_all(stream, &mut answers, &seen).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            answer_all(stream, &mut answers, &seen).await;
                        }
                    }
                }
            }
        });
        Self { address, requests }
    }

    async fn probed(&self, kind: ProbeKind) -> Finding {
        probed(self.address, NodeScheme::Http, kind).await
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Answers until the client leaves; an answer that is `CLOSE` ends the connection, `WAIT` never comes.
async fn answer_all(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: &mut Vec<String>,
    seen: &Mutex<Vec<String>>,
) {
    let mut request = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        request.push(byte);
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut request)).unwrap();
        seen.lock().unwrap().push(text);
        match answers.pop().as_deref() {
            None | Some("CLOSE") => return,
            Some("WAIT") => std::future::pending().await,
            Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
        }
    }
}

async fn probed(address: SocketAddr, scheme: NodeScheme, kind: ProbeKind) -> Finding {
    ask_once(&target(address, scheme), kind, Duration::from_secs(10)).await
}

fn target(address: SocketAddr, scheme: NodeScheme) -> Arc<Target> {
    let target = Target::open(settings(scheme), 0).unwrap();
    target.resolve_to(vec![address]);
    Arc::new(target)
}

async fn ask_once(target: &Arc<Target>, kind: ProbeKind, timeout: Duration) -> Finding {
    let settings = ProbeSettings {
        kind,
        interval: Duration::from_secs(5),
        timeout,
    };
    let connector = Arc::new(Connector::new(None));
    probe(&connector, target, &settings, "registry.test:8443").await
}

fn settings(scheme: NodeScheme) -> NodeSettings {
    NodeSettings {
        id: NodeId::parse("harbor-1").unwrap(),
        scheme,
        host: "node.test".to_owned(),
        port: 80,
        weight: 100,
        draining: false,
        names: Vec::new(),
    }
}

fn answer(head: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn unreachable(reason: Unreachable) -> Finding {
    Finding {
        report: Report::Unreachable(reason),
        redirect: Redirect::None,
    }
}

const DOCUMENT: &str = r#"{"components":[{"name":"core","status":"healthy"},
    {"name":"registry","status":"unhealthy","error":"connection refused"}],"status":"unhealthy"}"#;

#[tokio::test]
async fn a_harbor_is_asked_for_its_parts_and_its_ping() {
    let health = answer("200 OK", DOCUMENT);
    let node = Script::new(&[&health, &answer("401 Unauthorized", "{}")]).await;
    let found = node.probed(ProbeKind::Harbor).await;
    let Report::Answered { parts, ping } = &found.report else {
        panic!("{found:?}");
    };
    let healthy = parts.iter().map(|part| part.state == PartState::Healthy);
    assert_eq!(healthy.collect::<Vec<_>>(), [true, false]);
    assert_eq!((*ping, &found.redirect), (Ping::Answered, &Redirect::None));
    let requests = node.requests();
    let firsts: Vec<_> = requests
        .iter()
        .filter_map(|text| text.lines().next())
        .collect();
    assert_eq!(
        firsts,
        ["GET /api/v2.0/health HTTP/1.1", "GET /v2/ HTTP/1.1"]
    );
    for request in requests {
        let request = request.to_ascii_lowercase();
        assert!(
            request.contains("\r\nhost: registry.test:8443\r\n"),
            "{request}"
        );
        assert!(
            request.contains("\r\nx-forwarded-proto: https\r\n"),
            "{request}"
        );
        assert!(!request.contains("authorization"), "{request}");
    }
}

#[tokio::test]
async fn an_older_harbor_has_its_document_elsewhere() {
    let missing = answer("404 Not Found", "page not found");
    let health = answer("200 OK", DOCUMENT);
    let node = Script::new(&[&missing, &health, &answer("401 Unauthorized", "{}")]).await;
    let found = node.probed(ProbeKind::Harbor).await;
    let expected = Report::from_harbor_json(DOCUMENT.as_bytes()).unwrap();
    assert_eq!(found.report, expected.with_ping(Ping::Answered));
    assert!(node.requests()[1].starts_with("GET /api/health HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_node_that_is_no_harbor_is_told_what_to_ask_for() {
    let missing = answer("404 Not Found", "page not found");
    let node = Script::new(&[&missing, &missing]).await;
    let found = node.probed(ProbeKind::Harbor).await;
    let reason = Unreachable::NoHarbor;
    assert_eq!(found.report, Report::Unreachable(reason));
    assert!(reason.to_string().contains("probe = \"registry\""));
}

#[tokio::test]
async fn a_ping_that_fails_is_told_beside_the_parts() {
    let health = answer("200 OK", DOCUMENT);
    for (ping, reason) in [
        (answer("502 Bad Gateway", ""), Unreachable::BadAnswer(502)),
        ("CLOSE".to_owned(), Unreachable::Closed),
    ] {
        let node = Script::new(&[&health, &ping]).await;
        let found = node.probed(ProbeKind::Harbor).await;
        let expected = Report::from_harbor_json(DOCUMENT.as_bytes()).unwrap();
        assert_eq!(found.report, expected.with_ping(Ping::Failed(reason)));
    }
}

#[tokio::test]
async fn a_registry_is_well_with_200_and_401_alone() {
    for (status, well) in [
        ("200 OK", true),
        ("401 Unauthorized", true),
        ("404 Not Found", false),
    ] {
        let node = Script::new(&[&answer(status, "{}")]).await;
        let found = node.probed(ProbeKind::Registry).await;
        assert_eq!(
            matches!(found.report, Report::Answered { .. }),
            well,
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_path_is_well_with_any_success() {
    for (status, well) in [("204 No Content", true), ("401 Unauthorized", false)] {
        let node = Script::new(&[&format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")]).await;
        let found = node.probed(ProbeKind::Path("/well?x=1".to_owned())).await;
        assert_eq!(
            matches!(found.report, Report::Answered { .. }),
            well,
            "{status}"
        );
        assert!(node.requests()[0].starts_with("GET /well?x=1 HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn a_redirect_to_https_is_told_with_its_place() {
    let head = "308 Permanent Redirect\r\nLocation: https://pub.test/api/v2.0/health";
    for kind in [ProbeKind::Harbor, ProbeKind::Registry] {
        let node = Script::new(&[&answer(head, "")]).await;
        let found = node.probed(kind).await;
        let location = "https://pub.test/api/v2.0/health".to_owned();
        assert_eq!(found.redirect, Redirect::ToHttps { location });
        let report = Report::Unreachable(Unreachable::BadAnswer(308));
        assert_eq!(found.report, report);
    }
    for head in [
        "302 Found\r\nLocation: https://pub.test/",
        "301 Moved\r\nLocation: /x",
    ] {
        let node = Script::new(&[&answer(head, "")]).await;
        assert_eq!(
            node.probed(ProbeKind::Harbor).await.redirect,
            Redirect::None,
            "{head}"
        );
    }
}

#[tokio::test]
async fn what_is_no_health_document_is_told_by_what_it_is() {
    let long = "x".repeat(MAX_BODY + 1);
    for (script, reason) in [
        (answer("200 OK", "<html></html>"), Unreachable::Unreadable),
        (answer("200 OK", &long), Unreachable::Unreadable),
        ("220 mail ready\r\n\r\n".to_owned(), Unreachable::Unreadable),
        (
            answer("502 Bad Gateway", "<html>"),
            Unreachable::BadAnswer(502),
        ),
        ("CLOSE".to_owned(), Unreachable::Closed),
    ] {
        let node = Script::new(&[&script]).await;
        let found = node.probed(ProbeKind::Harbor).await;
        assert_eq!(found, unreachable(reason), "{script:.40}");
    }
}

#[tokio::test]
async fn a_node_that_is_slow_is_not_waited_for() {
    for script in ["WAIT", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"] {
        let node = Script::new(&[script]).await;
        let target = target(node.address, NodeScheme::Http);
        let found = ask_once(&target, ProbeKind::Harbor, Duration::from_millis(200)).await;
        assert_eq!(found, unreachable(Unreachable::TimedOut), "{script}");
    }
}

#[tokio::test]
async fn a_node_that_is_not_there_is_told_by_why() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let found = probed(address, NodeScheme::Http, ProbeKind::Harbor).await;
    assert_eq!(found, unreachable(Unreachable::Refused));
    let nowhere = Arc::new(Target::open(settings(NodeScheme::Http), 0).unwrap());
    let found = ask_once(&nowhere, ProbeKind::Harbor, Duration::from_secs(1)).await;
    assert_eq!(found, unreachable(Unreachable::Unresolved));
}

#[tokio::test]
async fn a_node_is_well_where_it_answers_and_asked_nowhere_else() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = closed.local_addr().unwrap();
    drop(closed);
    let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    for place in [0, 1] {
        let node = Script::new(&[answer]).await;
        let target = target(dead, NodeScheme::Http);
        let mut addresses = vec![dead];
        addresses.insert(place, node.address);
        target.resolve_to(addresses);
        let found = ask_once(&target, ProbeKind::Registry, Duration::from_secs(10)).await;
        assert!(matches!(found.report, Report::Answered { .. }), "{found:?}");
        for _ in 0..3 {
            let patience = Duration::from_secs(1);
            let timeouts = Timeouts {
                connect: patience,
                write: patience,
                read: patience,
                commit: patience,
                idle: patience,
            };
            let peer = target.peer(&timeouts, Pace::Read).unwrap();
            assert_eq!(peer._address.to_string(), node.address.to_string());
        }
    }
}

#[tokio::test]
async fn a_certificate_is_verified_or_pinned_before_anything_is_asked() {
    let made = rcgen::generate_simple_self_signed(["node.test".to_owned()]).unwrap();
    let der = made.cert.der().clone();
    let fingerprint = <[u8; 32]>::try_from(digest(&SHA256, &der).as_ref()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, made.cert.pem()).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    for (verify, name, well) in [
        (Verify::Fingerprint(fingerprint), "other.test", true),
        (Verify::Fingerprint([7; 32]), "node.test", false),
        (
            Verify::Authority {
                ca_file: ca_file.clone(),
            },
            "node.test",
            true,
        ),
        (Verify::Authority { ca_file }, "other.test", false),
        (Verify::System, "node.test", false),
    ] {
        let node = Script::with(&[&answer("200 OK", "{}")], Some(acceptor.clone())).await;
        let name = name.to_owned();
        let scheme = NodeScheme::Https { verify, name };
        let found = probed(node.address, scheme.clone(), ProbeKind::Registry).await;
        assert_eq!(
            matches!(found.report, Report::Answered { .. }),
            well,
            "{scheme:?}"
        );
        if !well {
            assert_eq!(found, unreachable(Unreachable::Tls), "{scheme:?}");
            assert_eq!(node.requests(), [""; 0], "{scheme:?}: nothing was asked");
        }
    }
}
