//! How TLS is spoken: names, versions, protocols, sessions and client certificates.

use std::sync::Arc;

use rustls::{HandshakeKind, ProtocolVersion};
use serde_json::{Map, Value, json};

use super::tls_client::{Met, Versions, config, greet_as_tls_1_1, meet};
use crate::harness::balancer::config::Config;
use crate::harness::certs::{Authority, Offer};
use crate::harness::cluster::PUBLIC_NAME;
use crate::harness::front::Front;
use crate::harness::http::Target;
use crate::harness::wait::{SOON, until};

/// Adds an https listener with these keys.
fn listener(config: &mut Config, keys: Value) {
    let mut all = Map::new();
    all.insert("address".to_owned(), json!("127.0.0.1:0"));
    all.insert("protocol".to_owned(), json!("https"));
    let Value::Object(keys) = keys else {
        panic!("keys are an object")
    };
    all.extend(keys);
    config.listeners.push(all);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_a_client_asks_for_picks_the_certificate() {
    let authority = Authority::new();
    let wanted = [
        ("default", vec![PUBLIC_NAME, "127.0.0.1"]),
        ("other", vec!["other.test", "third.test"]),
        ("wild", vec!["*.wild.test"]),
        ("exact", vec!["exact.wild.test"]),
    ];
    let issued = wanted.map(|(name, names)| (name, authority.issue(&names)));
    let front = Front::start(|config| {
        for (name, certificate) in &issued {
            let (chain, key) = certificate.write(config.folder(), name);
            config.certificate(&chain, &key);
        }
    })
    .await;
    let address = front.balancer.address();
    let client = Arc::new(config(&authority, Versions::Both, &[]));
    let cases = [
        (PUBLIC_NAME, 0),
        ("127.0.0.1", 0),
        ("other.test", 1),
        ("OTHER.test", 1),
        ("third.test", 1),
        ("any.wild.test", 2),
        ("exact.wild.test", 3),
    ];
    for (name, number) in cases {
        let met = meet(address, name, &client).await.unwrap();
        assert_eq!(met.certificate, issued[number].1.der, "{name}");
    }
    for name in ["unknown.test", "a.b.wild.test", "wild.test"] {
        // The default is served, and it is not for this name.
        let error = meet(address, name, &client).await.unwrap_err().to_string();
        assert!(error.contains(PUBLIC_NAME), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_has_its_own_oldest_version_and_none_takes_what_is_broken() {
    let front = Front::start(|config| {
        listener(config, json!({ "minimum_tls": "1.3" }));
    })
    .await;
    let both = front.balancer.listeners("https");
    let (wide, strict) = (both[0], both[1]);
    let ask = async |address, versions| {
        let client = Arc::new(config(front.balancer.authority(), versions, &["http/1.1"]));
        let met = meet(address, PUBLIC_NAME, &client).await?;
        let version = met.version;
        met.ask(PUBLIC_NAME).await.map(|answer| (version, answer))
    };
    let good = "HTTP/1.1 200 Scripted".to_owned();
    let two = ask(wide, Versions::OnlyTwo).await.unwrap();
    assert_eq!(two, (ProtocolVersion::TLSv1_2, good.clone()));
    for address in [wide, strict] {
        for versions in [Versions::OnlyThree, Versions::Both] {
            let three = ask(address, versions).await.unwrap();
            assert_eq!(three, (ProtocolVersion::TLSv1_3, good.clone()));
        }
        let (kind, alert) = greet_as_tls_1_1(address).await;
        assert_eq!((kind, alert[0]), (21, 2), "a fatal alert");
    }
    let refused = ask(strict, Versions::OnlyTwo).await.unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    until("failed handshakes are counted", SOON, async || {
        let name = "pilotage_edge_tls_handshakes_total{outcome=\"failed\"}";
        (front.balancer.metric(name).await == Some(3.0)).then_some(())
    })
    .await;
    let spoken = until("every request has its record", SOON, async || {
        let log = front.balancer.access_log();
        let spoken = log.iter().filter_map(|line| line["tls"].as_str());
        let spoken: Vec<_> = spoken.map(str::to_owned).collect();
        (spoken.len() >= 5).then_some(spoken)
    })
    .await;
    assert_eq!(
        spoken,
        ["TLSv1.2", "TLSv1.3", "TLSv1.3", "TLSv1.3", "TLSv1.3"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocol_is_chosen_by_alpn_and_h2_can_be_withheld() {
    let front = Front::start(|config| {
        listener(config, json!({ "http2": false }));
    })
    .await;
    let both = front.balancer.listeners("https");
    let chosen = async |address, offer: &[&str]| {
        let client = config(front.balancer.authority(), Versions::Both, offer);
        let met = meet(address, PUBLIC_NAME, &Arc::new(client)).await;
        met.map(|met| met.alpn)
    };
    let (wide, narrow) = (both[0], both[1]);
    assert_eq!(chosen(wide, &["h2", "http/1.1"]).await.unwrap(), "h2");
    assert_eq!(chosen(wide, &["http/1.1", "h2"]).await.unwrap(), "h2");
    assert_eq!(chosen(wide, &["http/1.1"]).await.unwrap(), "http/1.1");
    assert_eq!(chosen(wide, &[]).await.unwrap(), "");
    assert_eq!(
        chosen(narrow, &["h2", "http/1.1"]).await.unwrap(),
        "http/1.1"
    );
    chosen(narrow, &["h2"]).await.unwrap_err();
    chosen(wide, &["spdy/3"]).await.unwrap_err();
    let silent = config(front.balancer.authority(), Versions::Both, &[]);
    let met = meet(wide, PUBLIC_NAME, &Arc::new(silent)).await.unwrap();
    assert_eq!(met.ask(PUBLIC_NAME).await.unwrap(), "HTTP/1.1 200 Scripted");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_windows_are_all_promised_further_clients_get_http_1() {
    let front = Front::start(|config| {
        config.set("limits", "h2_window", "1MiB");
        config.set("limits", "h2_window_total", "2MiB");
    })
    .await;
    let client = config(
        front.balancer.authority(),
        Versions::Both,
        &["h2", "http/1.1"],
    );
    let client = Arc::new(client);
    let address = front.balancer.address();
    let come = async || meet(address, PUBLIC_NAME, &client).await.unwrap();
    let first = come().await;
    let second = come().await;
    assert_eq!([first.alpn.as_str(), second.alpn.as_str()], ["h2", "h2"]);
    for _ in 0..2 {
        let third = come().await;
        assert_eq!(third.alpn, "http/1.1");
        assert_eq!(
            third.ask(PUBLIC_NAME).await.unwrap(),
            "HTTP/1.1 200 Scripted"
        );
    }
    drop(first);
    until("the promise is given back", SOON, async || {
        (come().await.alpn == "h2").then_some(())
    })
    .await;
    assert_eq!(second.alpn, "h2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_resumed_in_both_versions() {
    let front = Front::start(|_| ()).await;
    let address = front.balancer.address();
    for versions in [Versions::OnlyTwo, Versions::OnlyThree] {
        let client = config(front.balancer.authority(), versions, &["http/1.1"]);
        let client = Arc::new(client);
        let mut kinds = Vec::new();
        for _ in 0..3 {
            let met: Met = meet(address, PUBLIC_NAME, &client).await.unwrap();
            kinds.push(met.kind);
            // The tickets of TLS 1.3 come with the first bytes.
            met.ask(PUBLIC_NAME).await.unwrap();
        }
        let wanted = [
            HandshakeKind::Full,
            HandshakeKind::Resumed,
            HandshakeKind::Resumed,
        ];
        assert_eq!(kinds, wanted, "{versions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_are_checked_where_a_listener_wants_them() {
    let people = Authority::new();
    let front = Front::start(|config| {
        let ca = config.folder().join("people.crt");
        std::fs::write(&ca, people.pem()).unwrap();
        for wanted in ["optional", "required"] {
            let keys = json!({ "client_certificate": wanted, "client_ca_file": ca.to_str() });
            listener(config, keys);
        }
    })
    .await;
    let all = front.balancer.listeners("https");
    let trusted = front.balancer.authority();
    let bare = trusted.client(Offer::Http1);
    let known = trusted.client_with(Offer::Http1, &people.issue_client("somebody"));
    let stranger = Authority::new().issue_client("somebody");
    let stranger = trusted.client_with(Offer::Http1, &stranger);
    let welcome = async |listener: usize, client: &Arc<rustls::ClientConfig>| {
        let target = Target::tls(
            all[listener],
            &format!("{PUBLIC_NAME}:{}", all[listener].port()),
            client.clone(),
        );
        let request = crate::harness::http::Request::get("/v2/_catalog");
        target
            .try_send(&request)
            .await
            .is_ok_and(|answer| answer.status == 200)
    };
    let mut answers = Vec::new();
    for listener in 0..3 {
        for client in [&bare, &known, &stranger] {
            answers.push(welcome(listener, client).await);
        }
    }
    let wanted = [
        [true, true, true],
        [true, true, false],
        [false, true, false],
    ];
    assert_eq!(answers, wanted.concat());
}
