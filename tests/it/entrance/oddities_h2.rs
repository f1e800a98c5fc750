//! The same oddities over HTTP/2, where they can be said.

use super::raw_h2::{Reply, send};
use crate::harness::front::Front;

type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

/// A good head with this target and these further fields.
fn head<'a>(host: &'a str, path: &'a [u8], more: &[(&'a str, &'a [u8])]) -> Fields<'a> {
    let mut fields: Fields<'a> = vec![
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", host.as_bytes()),
        (b":path", path),
    ];
    fields.extend(more.iter().map(|(name, value)| (name.as_bytes(), *value)));
    fields
}

async fn all_refused(front: &Front, cases: Vec<(String, Fields<'_>)>) {
    let mut wrong = Vec::new();
    for (name, fields) in cases {
        let reply = send(&front.h2(), &fields, b"").await;
        if !reply.refuses() {
            wrong.push(format!("{name}: {reply:?}"));
        }
    }
    let seen = front.seen();
    let seen = seen.iter().map(|one| one.head.escape_ascii().to_string());
    let seen = seen.collect::<Vec<_>>();
    assert!(wrong.is_empty() && seen.is_empty(), "{wrong:#?}\n{seen:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ambiguous_target_is_refused_over_h2_and_no_node_sees_it() {
    let front = Front::start(|_| ()).await;
    let host = front.balancer.public_authority();
    let control = send(&front.h2(), &head(&host, b"/v2/_catalog", &[]), b"").await;
    assert_eq!(
        control,
        Reply::Status(200),
        "the good head these differ from"
    );
    assert_eq!(front.seen().len(), 1);
    let front = Front::start(|_| ()).await;
    let host = front.balancer.public_authority();
    let targets: [&[u8]; 21] = [
        b"/v2/a b",
        b"/v2/lab\tapp/tags/list",
        b"/v2/lab\x01/tags/list",
        b"/v2/lab\0/tags/list",
        b"/v2/lab\x7f/tags/list",
        b"/v2/l\xc3\xa9b/tags/list",
        b"/v2/../api/v2.0/users",
        b"/v2/lab/app/..",
        b"/v2/%2e%2e/api/v2.0/users",
        b"/v2/lab%2fapp/tags/list",
        b"/v2/lab%5capp/tags/list",
        b"/v2/lab\\app/tags/list",
        b"/v2//_catalog",
        b"//v2/_catalog",
        b"/v2/lab/app/manifests/v%00",
        b"/v2/lab/app/manifests/v%zz",
        b"/%76%32/_catalog",
        b"/api/../v2/_catalog",
        b"v2/_catalog",
        b"",
        b"https://evil.test/v2/_catalog",
    ];
    let cases = targets.iter().map(|target| {
        let name = target.escape_ascii().to_string();
        (name, head(&host, target, &[]))
    });
    all_refused(&front, cases.collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_proxies_disagree_about_is_refused_over_h2_and_no_node_sees_it() {
    let front = Front::start(|config| {
        config.set("limits", "header_size", "16KiB");
    })
    .await;
    let host = front.balancer.public_authority();
    let path = b"/v2/_catalog";
    let long = vec![b'a'; 40 * 1024];
    let more: [(&str, &str, &[u8]); 14] = [
        ("second host", "host", b"evil.test"),
        ("null byte", "x-a", b"b\0c"),
        ("line end", "x-a", b"b\r\nx-c: d"),
        ("line feed", "x-a", b"b\nc"),
        ("control byte", "x-a", b"b\x01c"),
        ("delete", "x-a", b"b\x7fc"),
        ("capital in name", "X-A", b"b"),
        ("space in name", "x a", b"b"),
        ("colon in name", "x:a", b"b"),
        ("transfer encoding", "transfer-encoding", b"chunked"),
        ("connection", "connection", b"x-a"),
        ("unknown pseudo field", ":proto", b"x"),
        ("late pseudo field", ":path", b"/harbor"),
        ("too large", "x-long", &long),
    ];
    let cases = more.iter().map(|(name, field, value)| {
        let fields = head(&host, path, &[(field, value)]);
        ((*name).to_owned(), fields)
    });
    all_refused(&front, cases.collect()).await;
    let nobody: Fields<'_> = vec![
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", path),
    ];
    let lengths = head(
        &host,
        path,
        &[("content-length", b"5"), ("content-length", b"6")],
    );
    let signed = head(&host, path, &[("content-length", b"+5")]);
    let user = format!("user@{host}");
    let cases = vec![
        ("no authority".to_owned(), nobody),
        ("two lengths".to_owned(), lengths),
        ("length with sign".to_owned(), signed),
        ("authority with user".to_owned(), head(&user, path, &[])),
    ];
    all_refused(&front, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_or_host_that_is_not_served_is_told_so_over_h2() {
    let front = Front::start(|_| ()).await;
    let host = front.balancer.public_authority();
    for method in ["TRACE", "FOO", "PATCH", "get"] {
        let mut fields = head(&host, b"/v2/_catalog", &[]);
        fields[0].1 = method.as_bytes();
        let reply = send(&front.h2(), &fields, b"").await;
        assert_eq!(reply, Reply::Status(405), "{method}");
    }
    let connect: Fields<'_> = vec![(b":method", b"CONNECT"), (b":authority", host.as_bytes())];
    let reply = send(&front.h2(), &connect, b"").await;
    assert!(reply == Reply::Status(405) || reply.refuses(), "{reply:?}");
    let foreign = head("evil.test", b"/v2/_catalog", &[]);
    let reply = send(&front.h2(), &foreign, b"").await;
    assert_eq!(reply, Reply::Status(421));
    for path in [
        "/v1/_ping",
        "/service/notifications/x",
        "/.well-known/acme-challenge/x",
    ] {
        let reply = send(&front.h2(), &head(&host, path.as_bytes(), &[]), b"").await;
        assert_eq!(reply, Reply::Status(404), "{path}");
    }
    assert_eq!(front.seen().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_longer_or_shorter_than_announced_never_becomes_a_whole_request() {
    let front = Front::start(|_| ()).await;
    let host = front.balancer.public_authority();
    for length in ["3", "9"] {
        let mut fields = head(
            &host,
            b"/v2/lab/app/manifests/v1",
            &[("content-length", length.as_bytes())],
        );
        fields[0].1 = b"PUT";
        let reply = send(&front.h2(), &fields, b"12345").await;
        assert!(reply.refuses(), "{length}: {reply:?}");
    }
    for request in front.seen() {
        assert_eq!(request.method, "", "{}", request.head.escape_ascii());
    }
}
