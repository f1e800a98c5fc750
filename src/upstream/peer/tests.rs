//! Which connections a node gets, and which certificates pass.

use pingora::protocols::tls::SslDigest;
use pingora::upstreams::peer::Peer as _;
use tempfile::tempdir;

use super::*;
use crate::fleet::node::NodeId;

fn settings(id: &str, scheme: NodeScheme) -> NodeSettings {
    NodeSettings {
        id: NodeId::parse(id).unwrap(),
        scheme,
        host: "node.test".to_owned(),
        port: 80,
        weight: 100,
        draining: false,
        names: Vec::new(),
    }
}

fn https(verify: Verify) -> NodeScheme {
    let name = "node.test".to_owned();
    NodeScheme::Https { verify, name }
}

fn target(scheme: NodeScheme, generation: u64) -> Target {
    let target = Target::open(settings("harbor-1", scheme), generation).unwrap();
    target.resolve_to(vec![SocketAddr::from(([192, 0, 2, 1], 80))]);
    target
}

fn timeouts() -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(1),
        write: Duration::from_secs(2),
        read: Duration::from_secs(3),
        commit: Duration::from_secs(4),
        idle: Duration::from_secs(5),
    }
}

fn peer(target: &Target) -> HttpPeer {
    target.peer(&timeouts(), Pace::Read).unwrap()
}

fn shows(cert_digest: Vec<u8>) -> Digest {
    Digest {
        ssl_digest: Some(Arc::new(SslDigest::new("", "", None, None, cert_digest))),
        ..Digest::default()
    }
}

#[test]
fn only_the_pinned_certificate_passes() {
    let pinned = target(https(Verify::Fingerprint([7; 32])), 0);
    assert_eq!(pinned.verify(Some(&shows(vec![7; 32]))), Ok(()));
    for wrong in [vec![8; 32], vec![7; 31], Vec::new()] {
        assert_eq!(pinned.verify(Some(&shows(wrong))), Err(WrongFingerprint));
    }
    assert_eq!(
        pinned.verify(Some(&Digest::default())),
        Err(WrongFingerprint)
    );
    assert_eq!(pinned.verify(None), Err(WrongFingerprint));
    for other in [NodeScheme::Http, https(Verify::System)] {
        assert_eq!(target(other, 0).verify(None), Ok(()));
    }
}

#[test]
fn tls_verifies_every_node_that_is_not_pinned() {
    let written_down = target(https(Verify::System), 0);
    assert_eq!(
        written_down.learn_https("https://evil.test:1/"),
        Learnt::Nothing
    );
    let verified = peer(&written_down).options;
    assert!(verified.verify_cert && verified.verify_hostname);
    let pinned = peer(&target(https(Verify::Fingerprint([7; 32])), 0));
    assert!(pinned.is_tls(), "the fingerprint is all there is to check");
    assert!(!pinned.options.verify_cert && !pinned.options.verify_hostname);
    assert!(!peer(&target(NodeScheme::Http, 0)).is_tls());
}

#[test]
fn a_connection_of_another_generation_or_node_is_never_used() {
    let hash = |target: &Target| peer(target).reuse_hash();
    let now = hash(&target(https(Verify::System), 1));
    assert_eq!(now, hash(&target(https(Verify::System), 1)));
    assert_ne!(now, hash(&target(https(Verify::System), 2)));
    let mut other = target(https(Verify::System), 1);
    other.group = Target::open(settings("harbor-2", https(Verify::System)), 1)
        .unwrap()
        .group;
    assert_ne!(now, hash(&other));
}

#[test]
fn a_commit_may_take_longer_than_a_read() {
    let target = target(NodeScheme::Http, 0);
    let times = timeouts();
    for (pace, patience) in [(Pace::Read, times.read), (Pace::Commit, times.commit)] {
        let options = target.peer(&times, pace).unwrap().options;
        assert_eq!(options.read_timeout, Some(patience));
        assert_eq!(options.total_connection_timeout, Some(times.connect));
        assert_eq!(options.write_timeout, Some(times.write));
        assert_eq!(options.idle_timeout, Some(times.idle));
    }
}

#[test]
fn the_addresses_of_a_node_take_turns() {
    let target = target(NodeScheme::Http, 0);
    let both = [1, 2].map(|last| SocketAddr::from(([192, 0, 2, last], 80)));
    target.resolve_to(both.to_vec());
    let asked = [(); 4].map(|()| peer(&target).address().to_string());
    let [first, second] = both.map(|address| address.to_string());
    assert_eq!(asked, [&first, &second, &first, &second].map(Clone::clone));
    target.resolve_to(Vec::new());
    assert!(target.peer(&timeouts(), Pace::Read).is_none());
}

#[test]
fn an_address_where_nobody_answers_is_left_out_unless_it_is_the_only_one() {
    let target = target(NodeScheme::Http, 0);
    let all = [1, 2, 3].map(|last| SocketAddr::from(([192, 0, 2, last], 80)));
    target.resolve_to(all.to_vec());
    let asked = || {
        let mut asked = [(); 6]
            .map(|()| peer(&target).address().to_string())
            .to_vec();
        asked.sort();
        asked.dedup();
        asked
    };
    let texts = all.map(|address| address.to_string());
    assert_eq!(asked(), texts);
    target.avoid(vec![all[1]]);
    assert_eq!(asked(), [&texts[0], &texts[2]].map(Clone::clone));
    target.avoid(all.to_vec());
    assert_eq!(asked(), texts);
    target.avoid(Vec::new());
    assert_eq!(asked(), texts);
}

#[test]
fn a_node_that_redirects_is_spoken_to_as_it_wants() {
    let target = target(NodeScheme::Http, 0);
    let place = |target: &Target| {
        let peer = peer(target);
        (peer.is_tls(), peer.sni.clone(), peer.address().to_string())
    };
    for nothing in [
        "http://node.test/",
        "/v2/",
        "https://",
        "ftp://node.test/",
        "",
    ] {
        assert_eq!(target.learn_https(nothing), Learnt::Nothing, "{nothing}");
    }
    assert!(!peer(&target).is_tls());
    assert_eq!(target.learn_https("https://pub.test/v2/"), Learnt::New);
    assert_eq!(
        target.learn_https("https://pub.test/other"),
        Learnt::Nothing
    );
    let expected = (true, "pub.test".to_owned(), "192.0.2.1:443".to_owned());
    assert_eq!(place(&target), expected);
    assert!(peer(&target).options.verify_cert);
    assert_eq!(
        target.learn_https("https://[2001:db8::1]:8443/"),
        Learnt::New
    );
    let expected = (true, "2001:db8::1".to_owned(), "192.0.2.1:8443".to_owned());
    assert_eq!(place(&target), expected);
}

#[test]
fn authorities_that_cannot_be_used_are_refused_with_node_and_path() {
    let folder = tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let open = || {
        let verify = Verify::Authority {
            ca_file: ca_file.clone(),
        };
        Target::open(settings("harbor-1", https(verify)), 0).map(|target| target.authorities)
    };
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, reason) in [
        (None, "cannot be read: "),
        (Some(""), "holds no PEM certificate"),
        (Some("-----BEGIN CERTIFICATE-----\n"), "is not PEM: "),
        (
            Some(junk),
            "holds a certificate that cannot be understood: ",
        ),
    ] {
        if let Some(text) = text {
            std::fs::write(&ca_file, text).unwrap();
        }
        let message = open().unwrap_err().to_string();
        let begin = format!("node harbor-1: {}: {reason}", ca_file.display());
        assert!(message.starts_with(&begin), "{message}");
    }
    let made = rcgen::generate_simple_self_signed(["node.test".to_owned()]).unwrap();
    std::fs::write(&ca_file, made.cert.pem()).unwrap();
    assert_eq!(
        open().unwrap().map(|authorities| authorities.len()),
        Some(1)
    );
}
