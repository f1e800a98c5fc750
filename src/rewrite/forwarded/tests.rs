use super::super::apply;
use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn arrival(trust: Trust) -> Arrival<'static> {
    Arrival {
        peer: ip("::ffff:192.0.2.10"),
        trust,
        scheme: Scheme::Https,
        host: "harbor.example.test:8443",
        port: 8443,
    }
}

fn after(pairs: &[(&str, &str)], trust: Trust) -> Vec<String> {
    let mut headers = headers(pairs);
    let edits = edits(&headers, &arrival(trust));
    apply(&edits, &mut headers);
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

const OURS: [&str; 5] = [
    "x-forwarded-for: 192.0.2.10",
    "x-forwarded-host: harbor.example.test:8443",
    "x-forwarded-port: 8443",
    "x-forwarded-proto: https",
    "x-real-ip: 192.0.2.10",
];

#[test]
fn nodes_learn_how_the_client_came() {
    assert_eq!(after(&[], Trust::Untrusted), OURS);
    assert_eq!(after(&[], Trust::Trusted), OURS);
}

#[test]
fn nothing_an_untrusted_client_claims_survives() {
    let claims = [
        ("forwarded", "host=evil.example;proto=http"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded", "for=10.0.0.1"),
        ("x_forwarded_host", "evil.example"),
        ("x-real-ip", "10.0.0.1"),
    ];
    assert_eq!(after(&claims, Trust::Untrusted), OURS);
}

#[test]
fn other_headers_stay() {
    let lines = after(&[("accept", "*/*"), ("x-forward", "1")], Trust::Untrusted);
    assert!(lines.contains(&"accept: */*".to_owned()));
    assert!(lines.contains(&"x-forward: 1".to_owned()));
}

#[test]
fn a_trusted_hop_keeps_its_words_and_joins_the_list() {
    let told = [
        ("forwarded", "for=198.51.100.7"),
        ("x-forwarded-for", "198.51.100.7"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-host", "outer.example"),
        ("x-forwarded-prefix", "/x"),
    ];
    assert_eq!(
        after(&told, Trust::Trusted),
        [
            "forwarded: for=198.51.100.7",
            "x-forwarded-for: 198.51.100.7, 203.0.113.9, 192.0.2.10",
            "x-forwarded-host: outer.example",
            "x-forwarded-prefix: /x",
            "x-forwarded-proto: https",
            "x-real-ip: 203.0.113.9",
        ]
    );
    let told = [("x-forwarded-port", "443"), ("x-real-ip", "198.51.100.7")];
    let lines = after(&told, Trust::Trusted);
    assert!(lines.contains(&"x-forwarded-port: 443".to_owned()));
    assert!(lines.contains(&"x-real-ip: 198.51.100.7".to_owned()));
}

#[test]
fn the_client_is_the_rightmost_address_that_is_not_trusted() {
    let trusted = |address: IpAddr| address.to_string().starts_with("10.");
    for (peer, lists, client) in [
        ("203.0.113.1", vec!["10.0.0.9, 198.51.100.7"], "203.0.113.1"),
        ("10.0.0.1", vec![], "10.0.0.1"),
        ("10.0.0.1", vec!["198.51.100.7"], "198.51.100.7"),
        ("::ffff:10.0.0.1", vec!["198.51.100.7"], "198.51.100.7"),
        (
            "10.0.0.1",
            vec!["6.6.6.6, 198.51.100.7, 10.0.0.2"],
            "198.51.100.7",
        ),
        (
            "10.0.0.1",
            vec!["6.6.6.6", "198.51.100.7", "10.0.0.2"],
            "198.51.100.7",
        ),
        ("10.0.0.1", vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (
            "10.0.0.1",
            vec!["198.51.100.7, nonsense, 10.0.0.2"],
            "10.0.0.2",
        ),
        ("10.0.0.1", vec![""], "10.0.0.1"),
        ("10.0.0.1", vec!["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", vec!["\"[2001:db8::7]:4711\""], "2001:db8::7"),
        ("10.0.0.1", vec!["[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", vec!["2001:db8::7"], "2001:db8::7"),
    ] {
        let pairs: Vec<(&str, &str)> = lists
            .into_iter()
            .map(|list| ("x-forwarded-for", list))
            .collect();
        let found = client_address(&headers(&pairs), ip(peer), trusted);
        assert_eq!(found, ip(client), "{peer} {pairs:?}");
    }
}
