//! The admin listener with TLS, and operators with certificates.

use serde_json::Value;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, field, program};
use crate::harness::certs::{Authority, Offer};
use crate::harness::http::{Request, Target};
use crate::harness::ports::{self, Subnet};
use crate::harness::process::{self, Outcome, Spec};
use crate::harness::scratch::Scratch;
use crate::harness::wait::SOON;

const TOKEN: &str = "0f6c1d7e9b2a4c58a1b3";
const NAME: &str = "balancer.internal";

/// A balancer whose admin listener has TLS, before a node that is not there.
struct Scene {
    balancer: Balancer,
    servers: Authority,
    clients: Authority,
    scratch: Scratch,
}

impl Scene {
    async fn set(change: impl FnOnce(&mut Config)) -> Self {
        let (servers, clients, scratch) = (Authority::new(), Authority::new(), Scratch::new());
        let mut config = Config::new(scratch.path());
        let nobody = ports::free(Subnet::take().host(1));
        config.node("node-1", &format!("http://{nobody}"));
        let (chain, key) = servers.issue(&[NAME]).write(scratch.path(), "admin");
        let ca_file = scratch.write("operators.pem", clients.pem());
        for (name, file) in [
            ("chain_file", &chain),
            ("key_file", &key),
            ("client_ca_file", &ca_file),
        ] {
            config.set("admin", name, file.to_str().unwrap());
        }
        change(&mut config);
        let balancer = Balancer::start(&program(), scratch.path(), config).await;
        Self {
            balancer,
            servers,
            clients,
            scratch,
        }
    }

    /// An operator with a certificate of this authority, or with none.
    fn operator(&self, authority: Option<&Authority>) -> Target {
        let config = match authority {
            Some(authority) => {
                let shown = authority.issue_client("ann");
                self.servers.client_with(Offer::Http1, &shown)
            }
            None => self.servers.client(Offer::Http1),
        };
        let mut address = self.balancer.desk().address;
        address.set_ip([127, 0, 0, 1].into());
        Target::tls(address, &format!("{NAME}:{}", address.port()), config)
    }

    async fn run(&self, words: &[&str]) -> Outcome {
        let mut config = self.balancer.config.clone();
        let address = self.operator(None).address;
        config.set("admin", "address", address.to_string());
        let file = self.scratch.write("asked.toml", config.text());
        let spec = Spec::new("command", program(), self.scratch.path());
        let spec = spec.arguments(words).argument("--config").argument(file);
        process::run(&spec, b"", SOON).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_right_authority_is_enough_and_no_other() {
    let scene = Scene::set(|config| {
        config.set("admin", "address", "0.0.0.0:0");
    })
    .await;
    let stranger = scene.operator(None);
    stranger.send(Request::get("/livez")).await.expect(200);
    stranger.send(Request::get("/v1/nodes")).await.expect(401);
    stranger
        .send(Request::get("/v1/nodes").bearer(TOKEN))
        .await
        .expect(401);
    let ann = scene.operator(Some(&scene.clients));
    ann.send(Request::get("/v1/nodes")).await.expect(200);
    let weight = Request::new("PUT", "/v1/nodes/node-1/weight").body("{\"weight\": 7}");
    let weight = weight.header("Content-Type", "application/json");
    ann.send(weight).await.expect(200);
    let line: Value = scene.balancer.says("weight of a node ordered").await;
    let by = field(&line, "by").as_str().unwrap();
    assert!(
        by.starts_with("certificate ") && by.contains("sha256:"),
        "{by}"
    );
    // One of another authority does not even finish its handshake.
    let eve = scene.operator(Some(&scene.servers));
    let refused = eve.try_send(&Request::get("/livez")).await;
    assert!(refused.is_err(), "{refused:?}");
    // In clear nobody is understood.
    let plain = Target::local(ann.address);
    let clear = plain.try_send(&Request::get("/livez")).await;
    assert!(clear.is_err(), "{clear:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_machine_find_their_way_by_token_and_know_the_certificate() {
    let scene = Scene::set(|config| {
        let file = config.folder().join("tokens");
        std::fs::write(&file, format!("ann:{TOKEN}\n")).unwrap();
        config.set("admin", "token_file", file.to_str().unwrap());
    })
    .await;
    let listed = scene.run(&["nodes"]).await.expect_success();
    assert!(listed.stdout.contains("node-1"), "{}", listed.stdout);
    let alive = scene.run(&["health", "--live"]).await.expect_success();
    assert_eq!(alive.stdout, "alive\n");
    // Somebody else has taken the port, with a good certificate of the same authority and name.
    let other = Scene::set(|_| ()).await;
    let mut config = scene.balancer.config.clone();
    config.set("admin", "address", other.operator(None).address.to_string());
    let file = scene.scratch.write("other.toml", config.text());
    let spec = Spec::new("command", program(), scene.scratch.path());
    let spec = spec.arguments(["nodes", "--config"]).argument(file);
    let refused = process::run(&spec, b"", SOON).await.expect_failure();
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_serves_a_renewed_certificate() {
    let scene = Scene::set(|_| ()).await;
    let ann = scene.operator(Some(&scene.clients));
    let reload = || {
        let reload = Request::new("POST", "/v1/reload").body("{}");
        reload.header("Content-Type", "application/json")
    };
    let fresh = Authority::new();
    fresh.issue(&[NAME]).write(scene.scratch.path(), "admin");
    ann.send(reload()).await.expect(200);
    let old = scene.operator(None);
    let old = old.try_send(&Request::get("/livez")).await;
    assert!(old.is_err(), "its authority is not the old one");
    let scene = Scene {
        servers: fresh,
        ..scene
    };
    scene
        .operator(None)
        .send(Request::get("/livez"))
        .await
        .expect(200);
}
