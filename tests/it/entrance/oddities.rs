//! Requests that two servers could understand in two ways end at the edge, over HTTP/1.1.

use serde_json::Value;

use super::status_of;
use crate::harness::balancer::field;
use crate::harness::front::Front;
use crate::harness::wait::{SOON, until};

/// A request whose lines are joined and ended properly.
fn lines(lines: &[&str]) -> Vec<u8> {
    (lines.join("\r\n") + "\r\n\r\n").into_bytes()
}

/// GET of a target with one more header line.
fn get(target: &str, host: &str, more: &str) -> Vec<u8> {
    let first = format!("GET {target} HTTP/1.1");
    let host = format!("Host: {host}");
    if more.is_empty() {
        lines(&[&first, &host])
    } else {
        lines(&[&first, &host, more])
    }
}

/// A POST with these header lines, and a body that would be another request.
fn post(host: &str, headers: &[&str]) -> Vec<u8> {
    let host_line = format!("Host: {host}");
    let mut all = vec!["POST /v2/lab/app/blobs/uploads/ HTTP/1.1", &host_line];
    all.extend(headers);
    let smuggled = format!("0\r\n\r\nGET /v2/_catalog HTTP/1.1\r\nHost: {host}\r\n\r\n");
    [lines(&all), smuggled.into_bytes()].concat()
}

/// Sends every case; none may reach a node, all have a record.
async fn all_refused(front: &Front, status: u16, cases: &[(&str, Vec<u8>)]) {
    let before = front.balancer.access_log().len();
    let mut wrong = Vec::new();
    for (name, bytes) in cases {
        let got = status_of(&front.h1(), bytes).await;
        if got != status {
            wrong.push(format!("{name}: {got}"));
        }
    }
    let seen = front.seen();
    let seen = seen.iter().map(|one| one.head.escape_ascii().to_string());
    let seen = seen.collect::<Vec<_>>();
    assert!(wrong.is_empty() && seen.is_empty(), "{wrong:#?}\n{seen:#?}");
    let records = until("a record of each", SOON, async || {
        let all = front.balancer.access_log().split_off(before);
        (all.len() >= cases.len()).then_some(all)
    })
    .await;
    let told = records
        .iter()
        .map(|record| format!("{} {}", field(record, "method"), field(record, "fault")));
    let told = told.collect::<Vec<_>>();
    assert_eq!(told.len(), cases.len(), "{told:?}");
    for record in &records {
        assert_eq!(field(record, "status"), status, "{record}");
        assert!(field(record, "fault").is_string(), "{record}");
        assert_eq!(field(record, "node"), &Value::Null, "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_proxies_disagree_about_is_refused_and_no_node_sees_it() {
    let front = Front::start(|config| {
        config.set("limits", "header_size", "16KiB");
    })
    .await;
    let host = front.balancer.public_authority();
    let ping = "GET /v2/_catalog HTTP/1.1";
    let host_line = format!("Host: {host}");
    let more = |line: &str| get("/v2/_catalog", &host, line);
    let long = format!("X-Long: {}", "a".repeat(17 * 1024));
    let many = (0..400)
        .map(|number| format!("X-Line-{number}: {}", "b".repeat(60)))
        .collect::<Vec<_>>()
        .join("\r\n");
    let bare = |text: String| text.into_bytes();
    let cases = [
        ("no host", lines(&[ping])),
        (
            "no host, old version",
            lines(&["GET /v2/_catalog HTTP/1.0"]),
        ),
        ("host twice", lines(&[ping, &host_line, &host_line])),
        ("two hosts", lines(&[ping, &host_line, "Host: evil.test"])),
        ("empty host", lines(&[ping, "Host:"])),
        ("host with user", lines(&[ping, &format!("Host: a@{host}")])),
        (
            "host with space",
            lines(&[ping, &format!("Host: {host} b")]),
        ),
        (
            "host with path",
            lines(&[ping, &format!("Host: {host}/v2")]),
        ),
        ("bare line feeds", bare(format!("{ping}\n{host_line}\n\n"))),
        (
            "one bare line feed",
            bare(format!("{ping}\r\n{host_line}\nX-A: b\r\n\r\n")),
        ),
        ("bare end", bare(format!("{ping}\r\n{host_line}\r\n\n"))),
        ("line end in the middle", more("X-A: b\rX-C: d")),
        ("folded", more("X-A: b\r\n c")),
        ("folded by tab", more("X-A: b\r\n\tc")),
        ("space before colon", more("X-A : b")),
        ("space before name", lines(&[ping, " X-A: b", &host_line])),
        ("no colon", more("X-A")),
        ("no name", more(": b")),
        ("null byte", more("X-A: b\0c")),
        ("control byte", more("X-A: b\x01c")),
        ("delete", more("X-A: b\x7fc")),
        ("null in name", more("X-\0A: b")),
        ("too large", more(&long)),
        ("too large in many lines", more(&many)),
        (
            "unknown version",
            lines(&["GET /v2/_catalog HTTP/3.7", &host_line]),
        ),
        ("no version", lines(&["GET /v2/_catalog", &host_line])),
        (
            "preface of HTTP/2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        ),
    ];
    all_refused(&front, 400, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_with_two_possible_ends_is_refused_and_no_node_sees_it() {
    let front = Front::start(|_| ()).await;
    let host = front.balancer.public_authority();
    let chunked = "Transfer-Encoding: chunked";
    let post = |headers: &[&str]| post(&host, headers);
    let old = [
        "POST /v2/lab/app/blobs/uploads/ HTTP/1.0",
        &format!("Host: {host}"),
        chunked,
    ];
    let cases = [
        (
            "differing lengths",
            post(&["Content-Length: 5", "Content-Length: 6"]),
        ),
        ("list of differing lengths", post(&["Content-Length: 5, 6"])),
        ("length with sign", post(&["Content-Length: +5"])),
        ("negative length", post(&["Content-Length: -5"])),
        ("length in hex", post(&["Content-Length: 0x5"])),
        (
            "huge length",
            post(&["Content-Length: 99999999999999999999999"]),
        ),
        ("length and chunks", post(&["Content-Length: 5", chunked])),
        ("chunks and length", post(&[chunked, "content-length: 5"])),
        ("unknown coding", post(&["Transfer-Encoding: xchunked"])),
        (
            "chunked and identity",
            post(&["Transfer-Encoding: chunked, identity"]),
        ),
        (
            "chunked twice",
            post(&["Transfer-Encoding: chunked, chunked"]),
        ),
        ("chunked in two lines", post(&[chunked, chunked])),
        (
            "chunked in quotes",
            post(&["Transfer-Encoding: \"chunked\""]),
        ),
        ("chunked in an old version", lines(&old)),
    ];
    all_refused(&front, 400, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ambiguous_target_is_refused_and_no_node_sees_it() {
    let front = Front::start(|_| ()).await;
    let host = front.balancer.public_authority();
    let targets = [
        "/v2/a b",
        "/v2/ HTTP/1.1 ",
        "/v2/lab\tapp/tags/list",
        "/v2/lab\x01/tags/list",
        "/v2/lab\0/tags/list",
        "/v2/lab\x7f/tags/list",
        "/v2/l\u{e9}b/tags/list",
        "/v2/_catalog#fragment",
        "/v2/../api/v2.0/users",
        "/v2/lab/../tags/list",
        "/v2/./_catalog",
        "/v2/lab/app/..",
        "/v2/%2e%2e/api/v2.0/users",
        "/v2/%2E./_catalog",
        "/v2/%252e%252e/_catalog",
        "/v2/lab%2fapp/tags/list",
        "/v2/lab%2Fapp/tags/list",
        "/v2/lab%5capp/tags/list",
        "/v2/lab\\app/tags/list",
        "/v2//_catalog",
        "/v2/lab//app/tags/list",
        "//v2/_catalog",
        "/v2/lab/app/manifests/v%00",
        "/v2/lab/app/manifests/v%0d%0a",
        "/v2/lab/app/manifests/v%zz",
        "/v2/lab/app/manifests/v%2",
        "/%76%32/_catalog",
        "/api/../v2/_catalog",
        "/service/../v2/_catalog",
        "/service/token/../notifications/jobs/1",
        "/service//notifications/jobs/1",
        "/api/v2.0/../../service/notifications/jobs/1",
        "/harbor/../v1/_ping",
        "v2/_catalog",
        "*",
        "",
        "https://evil.test/v2/_catalog",
        "http://evil.test/v2/_catalog",
        "https://user@registry.pilotage.test/v2/_catalog",
        "ftp://evil.test/v2/_catalog",
    ];
    let cases = targets.map(|target| (target, get(target, &host, "")));
    all_refused(&front, 400, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_a_route_does_not_know_is_405_and_says_which_it_knows() {
    let front = Front::start(|_| ()).await;
    let cases = [
        ("TRACE", "/v2/", "GET"),
        ("TRACE", "/harbor/projects", "POST"),
        ("FOO", "/v2/lab/app/manifests/v1", "PUT"),
        ("get", "/v2/lab/app/tags/list", "GET"),
        ("PATCH", "/v2/lab/app/manifests/v1", "DELETE"),
        ("POST", "/v2/lab/app/tags/list", "GET"),
        ("PUT", "/v2/", "GET"),
        ("DELETE", "/service/token", "GET"),
        ("PROPFIND", "/api/v2.0/projects", "GET"),
    ];
    for (method, path, known) in cases {
        let request = crate::harness::http::Request::new(method, path);
        let answer = front.h1().send(request).await;
        assert_eq!(answer.status, 405, "{method} {path}");
        let allow = answer.header("allow").unwrap_or_default().to_owned();
        assert!(
            allow.split(", ").any(|one| one == known),
            "{method} {path}: {allow}"
        );
        assert!(!allow.contains(method), "{method} {path}: {allow}");
        if path.starts_with("/v2/") {
            assert_eq!(answer.error_code(), "UNSUPPORTED");
        }
    }
    let host = front.balancer.public_authority();
    for target in [host.as_str(), "/v2/"] {
        let connect = format!("CONNECT {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let status = status_of(&front.h1(), connect.as_bytes()).await;
        assert_eq!(status, 405, "CONNECT {target}");
    }
    assert_eq!(front.seen().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_behind_a_body_or_an_upgrade_is_never_answered_by_a_node() {
    let front = Front::start(|_| ()).await;
    let host = front.balancer.public_authority();
    let second = format!("GET /v2/_catalog HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for upgrade in ["foo", "h2c", "TLS/1.0"] {
        let first = get(
            "/harbor/projects",
            &host,
            &format!("Connection: Upgrade\r\nUpgrade: {upgrade}"),
        );
        let both = [first, second.clone().into_bytes()].concat();
        assert_eq!(status_of(&front.h1(), &both).await, 200, "{upgrade}");
    }
    let seen = front.seen();
    assert_eq!(seen.len(), 3);
    for request in seen {
        assert_eq!(request.target, "/harbor/projects");
        assert_eq!(request.values("upgrade"), Vec::<String>::new());
    }
}
