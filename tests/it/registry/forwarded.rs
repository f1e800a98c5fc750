//! What a node reads about who asks: ours, and another hop's only where it is trusted.

use std::path::Path;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, field, program};
use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::ports::{self, Subnet};
use crate::harness::recorder::{Received, Recorder};
use crate::harness::scratch::Scratch;

use super::hand::Hand;

/// A node that keeps what it gets, behind a balancer.
struct Watched {
    balancer: Balancer,
    recorder: Recorder,
    _scratch: Scratch,
}

impl Watched {
    async fn start(change: impl FnOnce(&mut Config, &Path)) -> Self {
        let scratch = Scratch::new();
        let recorder = Recorder::healthy(ports::free(Subnet::take().host(1))).await;
        let mut config = Config::new(scratch.path());
        config.node("node-1", &recorder.url());
        change(&mut config, scratch.path());
        let balancer = Balancer::start(&program(), scratch.path(), config).await;
        balancer.all_up(1).await;
        Self {
            balancer,
            recorder,
            _scratch: scratch,
        }
    }

    /// What became of this request at the node.
    async fn seen(&self, offer: Offer, request: Request) -> Received {
        let hand = Hand::anonymous(&self.balancer, offer).await;
        let before = self.recorder.requests().len();
        hand.send(request).await.expect(200);
        let mut all = self.recorder.requests();
        assert_eq!(all.len(), before + 1);
        all.remove(before)
    }
}

/// A request that claims to come from elsewhere.
fn claiming() -> Request {
    Request::get("/v2/lab/app/tags/list?n=5&last=a%2Fb")
        .header("X-Forwarded-For", "192.0.2.1, 192.0.2.2")
        .header("X-Forwarded-Proto", "http")
        .header("X-Forwarded-Host", "evil.test")
        .header("X-Forwarded-Port", "81")
        .header("X-Forwarded-Prefix", "/evil")
        .header("X-Real-IP", "192.0.2.1")
        .header("Forwarded", "for=192.0.2.1;host=evil.test")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_client_does_not_tell_nodes_where_it_comes_from() {
    let watched = Watched::start(|_, _| ()).await;
    let authority = watched.balancer.public_authority();
    let port = watched.balancer.address().port().to_string();
    for offer in [Offer::Http1, Offer::Http2] {
        let received = watched.seen(offer, claiming()).await;
        assert_eq!(received.target, "/v2/lab/app/tags/list?n=5&last=a%2Fb");
        for (name, value) in [
            ("Host", authority.as_str()),
            ("X-Forwarded-For", "127.0.0.1"),
            ("X-Real-IP", "127.0.0.1"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", &authority),
            ("X-Forwarded-Port", &port),
        ] {
            assert_eq!(received.values(name), [value], "{name} over {offer:?}");
        }
        for name in ["Forwarded", "X-Forwarded-Prefix"] {
            assert_eq!(received.values(name), [""; 0], "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_keeps_its_word_and_joins_the_list() {
    let watched = Watched::start(|config, _| {
        config.set("public", "trusted_proxies", vec!["127.0.0.0/8"]);
    })
    .await;
    for offer in [Offer::Http1, Offer::Http2] {
        let received = watched.seen(offer, claiming()).await;
        for (name, value) in [
            ("X-Forwarded-For", "192.0.2.1, 192.0.2.2, 127.0.0.1"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "evil.test"),
            ("X-Forwarded-Port", "81"),
            ("Forwarded", "for=192.0.2.1;host=evil.test"),
        ] {
            assert_eq!(received.values(name), [value], "{name} over {offer:?}");
        }
    }
    let line = watched.balancer.logged("the record", |line| {
        field(line, "route") == "tags" && field(line, "client") == "192.0.2.2"
    });
    line.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_kept_or_made_and_always_echoed() {
    let watched = Watched::start(|_, _| ()).await;
    for offer in [Offer::Http1, Offer::Http2] {
        let hand = Hand::anonymous(&watched.balancer, offer).await;
        let given = format!("given-by.the_client-{offer:?}");
        let request = Request::get("/api/v2.0/projects").header("X-Request-ID", &given);
        let answer = hand.send(request).await.expect(200);
        assert_eq!(answer.all("x-request-id").collect::<Vec<_>>(), [&given]);
        let received = watched.recorder.requests();
        assert_eq!(received.last().unwrap().values("X-Request-ID"), [given]);

        let wild = "two words and \"more\"";
        let request = Request::get("/api/v2.0/projects").header("X-Request-ID", wild);
        for request in [request, Request::get("/api/v2.0/projects")] {
            let answer = hand.send(request).await.expect(200);
            let made = answer.header("x-request-id").unwrap().to_owned();
            assert_eq!(made.len(), 36, "{made}");
            let received = watched.recorder.requests();
            assert_eq!(received.last().unwrap().values("X-Request-ID"), [made]);
        }
        let refused = Request::get("/v1/_ping").header("X-Request-ID", "mine");
        let answer = hand.send(refused).await.expect(404);
        assert_eq!(answer.header("x-request-id"), Some("mine"));
    }
    let named = |line: &serde_json::Value| {
        field(line, "request_id") == "mine" && field(line, "status") == 404
    };
    watched.balancer.logged("the record", named).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_one_connection_do_not_reach_the_node() {
    let watched = Watched::start(|_, _| ()).await;
    let request = Request::get("/api/v2.0/projects")
        .header("Connection", "close, X-Private")
        .header("X-Private", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Authorization", "Basic eDp5")
        .header("TE", "trailers")
        .header("Upgrade", "h2c")
        .header("X-Kept", "1");
    let received = watched.seen(Offer::Http1, request).await;
    for name in [
        "X-Private",
        "Keep-Alive",
        "Proxy-Authorization",
        "TE",
        "Upgrade",
    ] {
        assert_eq!(received.values(name), [""; 0], "{name}");
    }
    assert_eq!(received.values("X-Kept"), ["1"]);
}
