//! How it starts: the ready line, the service manager, sockets that were bound beforehand.

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::balancer::program;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::ports::{self, Subnet};
use crate::harness::process::{self, Spec};
use crate::harness::scratch::Scratch;
use crate::harness::wait::{SOON, until};

/// What the service manager was told so far.
async fn told(socket: &UnixDatagram, wanted: &str) {
    until(wanted, SOON, async || {
        let mut buffer = [0; 1024];
        let length = socket.recv(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        text.lines().any(|line| line == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ready_line_has_real_addresses_and_the_service_manager_is_told() {
    let scratch = Scratch::new();
    let path = scratch.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_nonblocking(true).unwrap();
    let mut front = Front::start(|config| {
        let path = path.to_str().unwrap().to_owned();
        config.environment.push(("NOTIFY_SOCKET".to_owned(), path));
    })
    .await;
    let out = front.balancer.process.stdout();
    let line: Value = serde_json::from_str(out.trim_end()).expect("one line of JSON");
    assert_eq!(line["ready"], true);
    let listeners = line["listeners"].as_array().unwrap();
    let protocols = listeners
        .iter()
        .map(|one| one["protocol"].as_str().unwrap());
    assert_eq!(protocols.collect::<Vec<_>>(), ["https", "redirect"]);
    for one in listeners {
        assert!(!one["address"].as_str().unwrap().ends_with(":0"), "{one}");
    }
    assert!(!line["admin"].as_str().unwrap().ends_with(":0"));
    told(&manager, "READY=1").await;
    front.serves().await;
    front.balancer.process.signal(Signal::TERM);
    told(&manager, "STOPPING=1").await;
    let status = front.balancer.process.ended(SOON).await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_the_service_manager_is_used_for_the_address_it_has() {
    let address = ports::free(Subnet::take().host(1));
    let socket = Arc::new(std::net::TcpListener::bind(address).unwrap());
    let handed = socket.clone();
    let front = Front::start(move |config| {
        config.set_listener("address", address.to_string());
        config.socket = Some(handed);
    })
    .await;
    // The port was taken by us all the time, so it can only be the socket that was handed over.
    assert_eq!(front.balancer.address(), address);
    front.serves().await;
    front.plain().send(Request::get("/")).await.expect(301);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_listeners_of_each_kind_listen_on_both_families() {
    let front = Front::start(|config| {
        for (address, protocol) in [
            ("[::1]:0", "https"),
            ("[::]:0", "https"),
            ("[::1]:0", "redirect"),
        ] {
            let keys = serde_json::json!({ "address": address, "protocol": protocol });
            config.listeners.push(keys.as_object().unwrap().clone());
        }
    })
    .await;
    let mut target = front.h1();
    let https = front.balancer.listeners("https");
    assert_eq!(https.len(), 3);
    let any = https[2].port();
    let addresses = [
        https[0],
        https[1],
        ([127, 0, 0, 1], any).into(),
        ([0, 0, 0, 0, 0, 0, 0, 1], any).into(),
    ];
    for address in addresses {
        target.address = address;
        target.authority = format!("registry.pilotage.test:{}", address.port());
        target.send(Request::get("/v2/_catalog")).await.expect(200);
    }
    let clients = front.seen();
    let clients = clients
        .iter()
        .map(|one| one.values("x-forwarded-for")[0].clone());
    assert_eq!(
        clients.collect::<Vec<_>>(),
        ["127.0.0.1", "::1", "127.0.0.1", "::1"]
    );
    for address in front.balancer.listeners("redirect") {
        let mut plain = front.plain();
        plain.address = address;
        let answer = plain.send(Request::get("/")).await.expect(301);
        let wanted = format!("{}/", front.balancer.url());
        assert_eq!(answer.header("location"), Some(wanted.as_str()));
    }
}

/// As in an image without any certificate of an authority, whether or not a node needs one.
#[tokio::test(flavor = "multi_thread")]
async fn a_system_without_authorities_is_told_how_to_get_some() {
    let scratch = Scratch::new();
    let file = scratch.write(
        "pilotage.toml",
        "[public]\nnames = [\"registry.pilotage.test\"]\n\
         [[tls.certificate]]\nchain_file = \"/nowhere/chain.pem\"\nkey_file = \"/nowhere/key.pem\"\n\
         [[node]]\nname = \"one\"\nurl = \"http://127.0.0.1:9\"\n",
    );
    for (command, code) in [("run", 1), ("doctor", 2)] {
        let spec = Spec::new(command, program(), scratch.path());
        let spec = spec.arguments([command, "--config"]).argument(&file);
        let spec = spec.environment("SSL_CERT_FILE", "/nowhere/authorities.pem");
        let spec = spec.environment("SSL_CERT_DIR", "/nowhere");
        let ended = process::run(&spec, b"", SOON).await;
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains("ca-certificates"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}
