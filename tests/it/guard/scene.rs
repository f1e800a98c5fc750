//! Somebody at an address who tries to log in, in each of the ways there are.

use crate::harness::balancer::config::Config;
use crate::harness::certs::Offer;
use crate::harness::cluster::{Builder, Cluster};
use crate::harness::http::answer::Answer;
use crate::harness::http::{Request, Target};
use crate::registry::stage::Stage;

/// One node whose wrong passwords cost no time, behind a balancer with few tries that believes what it is told
/// about addresses.
pub async fn stage(change: impl FnOnce(&mut Config)) -> Stage {
    staged(Cluster::builder().nodes(1), change).await
}

/// The same with nodes of the test's own.
pub async fn staged(nodes: Builder, change: impl FnOnce(&mut Config)) -> Stage {
    let stage = Stage::with(nodes, |config| {
        quick(config);
        change(config);
    })
    .await;
    for node in &stage.cluster.nodes {
        node.switch(|switches| switches.wrong_password_ms = 0).await;
    }
    stage
}

/// Three tries, then a pause that is not over before a test has looked at it.
pub fn quick(config: &mut Config) {
    config.set("guard", "login_failures", 3);
    config.set("guard", "login_pause", "10m");
    config.set("public", "trusted_proxies", vec!["127.0.0.0/8"]);
}

/// How somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// As docker does it to prove a password.
    Token,
    /// As docker does it for an image: a wrong password gets the token of a stranger.
    TokenForImage,
    /// Basic, where other registries take it.
    Ping,
    /// Basic on the way to an image.
    Manifest,
    /// Basic, as scripts use the API.
    Api,
}

impl Door {
    pub const ALL: [Self; 5] = [
        Self::Token,
        Self::TokenForImage,
        Self::Ping,
        Self::Manifest,
        Self::Api,
    ];

    pub fn path(self) -> &'static str {
        match self {
            Self::Token => "/service/token?service=harbor-registry&account=a",
            Self::TokenForImage => {
                "/service/token?service=harbor-registry&scope=repository:lab/app:pull"
            }
            Self::Ping => "/v2/",
            Self::Manifest => "/v2/lab/app/manifests/v1",
            Self::Api => "/api/v2.0/users/current",
        }
    }

    /// What a node says to a wrong password.
    pub fn refusal(self) -> u16 {
        match self {
            Self::TokenForImage => 200,
            Self::Token | Self::Ping | Self::Manifest | Self::Api => 401,
        }
    }
}

/// Somebody at an address.
#[derive(Debug, Clone)]
pub struct Somebody {
    target: Target,
    address: String,
}

impl Somebody {
    pub fn at(stage: &Stage, address: &str) -> Self {
        Self::before(stage.balancer.target(Offer::Http1), address)
    }

    pub fn before(target: Target, address: &str) -> Self {
        let address = address.to_owned();
        Self { target, address }
    }

    pub async fn send(&self, request: Request) -> Answer {
        let request = request.header("X-Forwarded-For", &self.address);
        self.target.send(request).await
    }

    pub async fn tries(&self, door: Door, account: &str, password: &str) -> Answer {
        let request = Request::get(door.path()).basic(account, password);
        self.send(request).await
    }

    /// Fails with so many passwords of which none was tried before.
    pub async fn fails(&self, door: Door, account: &str, times: usize) {
        for number in 0..times {
            let password = format!("wrong-{number}-{}", fastrand::u32(..));
            let answer = self.tries(door, account, &password).await;
            assert_eq!(answer.status, door.refusal(), "{door:?} {number}");
        }
    }
}

/// The answer of a balancer that wants a pause; gives its seconds.
#[track_caller]
pub fn expect_pause(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.error_code(), "TOOMANYREQUESTS");
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{kind}");
    let after = answer.header("retry-after").expect("a time to come back");
    after.parse().unwrap()
}
