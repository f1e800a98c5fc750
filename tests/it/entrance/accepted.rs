//! What is let through reaches the node as it came.

use crate::harness::front::Front;
use crate::harness::http::{Request, h2};

/// Targets that a careless proxy would tidy up.
const TARGETS: [&str; 16] = [
    "/v2/lab/app/tags/list?n=10&last=a%2Fb&n=11",
    "/v2/lab/app/tags/list?last=%61&n=1&empty=&flag",
    "/v2/_catalog?b=2&a=1&b=1",
    "/v2/_catalog?",
    "/v2/_catalog?x=%00%zz&y=../..//&z=a+b",
    "/v2/lab/app/manifests/v1.0_x-y",
    "/v2/lab/app/manifests/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "/service/token?service=harbor-registry&scope=repository:lab/app:pull,push&scope=b",
    "/service/token?scope=repository%3Alab%2Fapp%3Apull",
    "/api/v2.0/projects/lab/repositories/a%252Fb/artifacts?q=tags%3Dv1%20x",
    "/api/v2.0/search?q=%C3%A9",
    "/harbor/projects/1/repositories/lab%2Fapp",
    "/v2/lab/app/unknown-endpoint/x?y=z",
    "/harbor/a//b",
    "/c/login?next=/harbor//x/../y",
    "/icons/%7Euser/a;b=c,d!e$f'g(h)*i",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_target_reaches_the_node_byte_for_byte_over_both_versions() {
    let front = Front::start(|_| ()).await;
    let h2 = h2::Client::connect(&front.h2()).await.unwrap();
    for target in TARGETS {
        front.h1().send(Request::get(target)).await.expect(200);
        h2.send(&Request::get(target)).await.unwrap().expect(200);
    }
    let seen = front.seen();
    let seen = seen.iter().map(|one| one.target.as_str());
    let wanted = TARGETS.iter().flat_map(|target| [*target, *target]);
    assert_eq!(seen.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_of_a_target_is_kept_or_refused_and_never_rewritten() {
    let front = Front::start(|_| ()).await;
    let authority = front.h1().authority;
    for place in [
        "/harbor/x@y",
        "/v2/lab/app/unknown/x@y",
        "/v2/_catalog?last=x@y",
    ] {
        let (before, after) = place.split_once('@').unwrap();
        for byte in 1..=255 {
            let target = [before.as_bytes(), &[byte], after.as_bytes()].concat();
            let line = [b"GET ", target.as_slice(), b" HTTP/1.1\r\nHost: "].concat();
            let head = [&line, authority.as_bytes(), b"\r\n\r\n"].concat();
            let count = front.seen().len();
            let status = super::status_of(&front.h1(), &head).await;
            let seen = front.seen().split_off(count);
            let shown = target.escape_ascii();
            if status == 400 {
                assert_eq!(seen.len(), 0, "{shown}");
            } else {
                assert_eq!(status, 200, "{shown}");
                let line = seen[0].head.split(|byte| *byte == b'\r').next().unwrap();
                assert_eq!(
                    line,
                    [b"GET ", target.as_slice(), b" HTTP/1.1"].concat(),
                    "{shown}"
                );
            }
        }
    }
    // Most of them are kept: what can be seen and means nothing to HTTP.
    assert!(front.seen().len() > 3 * 70, "{}", front.seen().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_target_for_our_own_name_reaches_the_node_as_its_path() {
    let front = Front::start(|_| ()).await;
    let path = "/v2/lab/app/tags/list?last=http://x/y&n=1";
    let absolute = format!("{}{path}", front.balancer.url());
    front.h1().send(Request::get(&absolute)).await.expect(200);
    assert_eq!(front.seen()[0].target, path);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_reads_who_asked_and_nothing_a_stranger_claims() {
    let front = Front::start(|_| ()).await;
    let request = || {
        Request::get("/v2/_catalog")
            .header("X-Forwarded-For", "6.6.6.6")
            .header("X-Forwarded-Proto", "http")
            .header("X-Forwarded-Host", "evil.test")
            .header("X-Forwarded-Port", "1")
            .header("Forwarded", "for=6.6.6.6;host=evil.test")
            .header("X-Request-Id", "given-by-client")
            .header("X-Own", "kept as  it is")
    };
    let by_h1 = request()
        .header("Connection", "close, X-Hop")
        .header("X-Hop", "only for us")
        .header("Keep-Alive", "timeout=5")
        .header("TE", "trailers")
        .header("Proxy-Connection", "keep-alive");
    let answer = front.h1().send(by_h1).await.expect(200);
    assert_eq!(answer.header("x-request-id"), Some("given-by-client"));
    let h2 = h2::Client::connect(&front.h2()).await.unwrap();
    h2.send(&request()).await.unwrap().expect(200);
    let authority = front.balancer.public_authority();
    let port = front.balancer.address().port().to_string();
    let seen = front.seen();
    assert_eq!(seen.len(), 2);
    for request in seen {
        let one = |name: &str, value: &str| {
            let head = String::from_utf8_lossy(&request.head).into_owned();
            assert_eq!(request.values(name), [value], "{name}\n{head}");
        };
        one("host", &authority);
        one("x-forwarded-for", "127.0.0.1");
        one("x-forwarded-proto", "https");
        one("x-forwarded-host", &authority);
        one("x-forwarded-port", &port);
        one("x-request-id", "given-by-client");
        one("x-own", "kept as  it is");
        for gone in ["forwarded", "x-hop", "keep-alive", "proxy-connection", "te"] {
            assert_eq!(request.values(gone), Vec::<String>::new(), "{gone}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_before_us_is_believed() {
    let front = Front::start(|config| {
        config.set(
            "public",
            "trusted_proxies",
            serde_json::json!(["127.0.0.0/8"]),
        );
    })
    .await;
    let request = Request::get("/v2/_catalog").header("X-Forwarded-For", "203.0.113.9");
    front.h1().send(request).await.expect(200);
    let seen = front.seen();
    assert!(
        seen[0].values("x-forwarded-for")[0].starts_with("203.0.113.9"),
        "{:?}",
        seen[0].values("x-forwarded-for")
    );
    let record = front.balancer.logged("the record", |line| {
        crate::harness::balancer::field(line, "route") == "catalog"
    });
    let record = record.await;
    assert_eq!(
        crate::harness::balancer::field(&record, "client"),
        "203.0.113.9"
    );
}
