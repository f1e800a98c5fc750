//! Who may ask, and who may change.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, field, program};
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::ports::{self, Subnet};
use crate::harness::process::{self, Spec};
use crate::harness::scratch::Scratch;
use crate::harness::wait::{SOON, until};

const ANN: &str = "0f6c1d7e9b2a4c58a1b3";
const BOB: &str = "77aa88bb99cc00dd11ee";

/// Asks for tokens from a file that has this text.
fn guard(config: &mut Config, tokens: &str) {
    let file = config.folder().join("tokens");
    std::fs::write(&file, tokens).unwrap();
    config.set("admin", "token_file", file.to_str().unwrap());
}

fn change(path: &str) -> Request {
    Request::new("POST", path).body("{}")
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tokens_everything_but_probes_asks_for_one() {
    let front = Front::start(|config| guard(config, &format!("ann:{ANN}\n"))).await;
    let desk = front.balancer.desk();
    for path in ["/livez", "/readyz"] {
        desk.send(Request::get(path)).await.expect(200);
    }
    let pages = [
        "/metrics",
        "/nodes",
        "/v1/nodes",
        "/v1/transfers",
        "/v1/openapi.json",
        "/nowhere",
    ];
    for path in pages {
        let refused = desk.send(Request::get(path)).await.expect(401);
        assert_eq!(
            refused.header("www-authenticate"),
            Some("Bearer realm=\"pilotage\"")
        );
        assert!(
            refused.json()["error"]["remedy"].is_string(),
            "{}",
            refused.text()
        );
        let wrong = Request::get(path).bearer(BOB);
        desk.send(wrong).await.expect(401);
        let status = if path == "/nowhere" { 404 } else { 200 };
        desk.send(Request::get(path).bearer(ANN))
            .await
            .expect(status);
    }
    let drain = || change("/v1/nodes/node-1/weight").header("Content-Type", "application/json");
    desk.send(drain()).await.expect(401);
    let weight = Request::new("PUT", "/v1/nodes/node-1/weight").body("{\"weight\": 7}");
    let weight = weight
        .header("Content-Type", "application/json")
        .bearer(ANN);
    desk.send(weight).await.expect(200);
    let line = front.balancer.says("weight of a node ordered").await;
    assert_eq!(field(&line, "by"), "token ann");
    front
        .balancer
        .says("a wrong token was shown to the admin listener")
        .await;
    let denied = "pilotage_control_denied_total{reason=\"credential\"";
    assert!(front.balancer.metric(denied).await >= Some(12.0));
    for text in [
        front.balancer.process.stdout(),
        front.balancer.process.stderr(),
    ] {
        assert!(
            !text.contains(ANN) && !text.contains(BOB),
            "a token was written down"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_change_with_a_reload_and_a_bad_file_changes_nothing() {
    let mut front = Front::start(|config| guard(config, &format!("ann:{ANN}\n"))).await;
    let desk = front.balancer.desk();
    let file = front.balancer.config.folder().join("tokens");
    std::fs::write(&file, "short\n").unwrap();
    let reload = |token: &str| {
        let request = change("/v1/reload").header("Content-Type", "application/json");
        request.bearer(token)
    };
    let refused = desk.send(reload(ANN)).await.expect(422).json();
    let what = refused["error"]["what"].as_str().unwrap();
    assert!(what.contains("line 1") && what.contains("16"), "{refused}");
    std::fs::write(&file, format!("bob:{BOB}\n")).unwrap();
    desk.send(reload(ANN)).await.expect(200);
    desk.send(Request::get("/v1/nodes").bearer(ANN))
        .await
        .expect(401);
    desk.send(Request::get("/v1/nodes").bearer(BOB))
        .await
        .expect(200);
    // Without the key in the file, the machine itself may ask again.
    front.balancer.reload(|config| {
        config.set("admin", "token_file", "");
    });
    until("the file counts", SOON, async || {
        let page = desk.send(Request::get("/v1/nodes")).await;
        (page.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_may_be_open_where_the_rest_is_not() {
    let front = Front::start(|config| {
        guard(config, ANN);
        config.set("admin", "open_metrics", true);
    })
    .await;
    let desk = front.balancer.desk();
    desk.send(Request::get("/metrics")).await.expect(200);
    desk.send(Request::get("/nodes")).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_cannot_make_a_browser_change_anything() {
    let front = Front::start(|_| ()).await;
    let desk = front.balancer.desk();
    let path = "/v1/nodes/node-1/off";
    let json = || change(path).header("Content-Type", "application/json");
    // What a form or a script may send elsewhere without asking first.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        desk.send(change(path).header("Content-Type", kind))
            .await
            .expect(415);
    }
    desk.send(change(path)).await.expect(415);
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        desk.send(json().header(name, value)).await.expect(403);
    }
    // A foreign name that was made to point here.
    let host = "evil.example:9090";
    desk.send(json().header("Host", host)).await.expect(421);
    desk.send(Request::get("/v1/nodes").header("Host", host))
        .await
        .expect(421);
    desk.send(Request::get("/readyz").header("Host", host))
        .await
        .expect(200);
    // It may not even be asked whether it would be allowed.
    let preflight = Request::new("OPTIONS", path).header("Origin", "https://evil.example");
    let preflight = desk.send(preflight).await;
    assert_eq!(
        (
            preflight.status,
            preflight.header("access-control-allow-origin")
        ),
        (403, None)
    );
    assert_eq!(front.balancer.nodes().await[0]["duty"], "active");
    let site = "pilotage_control_denied_total{reason=\"site\"";
    assert!(front.balancer.metric(site).await >= Some(9.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_small_and_json() {
    let front = Front::start(|_| ()).await;
    let put = |body: Vec<u8>| {
        let request = Request::new("PUT", "/v1/maintenance").body(body);
        request.header("Content-Type", "application/json")
    };
    let desk = front.balancer.desk();
    desk.send(put(b"{".to_vec())).await.expect(400);
    desk.send(put(b"\xff".to_vec())).await.expect(400);
    desk.send(put(b"[]".to_vec())).await.expect(422);
    desk.send(put(vec![b' '; 17 * 1024])).await.expect(413);
    let most = [b"{\"on\":false}".to_vec(), vec![b' '; 16 * 1024 - 12]].concat();
    desk.send(put(most)).await.expect(200);
    // The connection is good for the next question only when the body was read.
    let mut connection = desk.connect().await.unwrap();
    let good = put(b"{\"on\":false}".to_vec()).header("Connection", "keep-alive");
    for _ in 0..2 {
        connection
            .write(&good.bytes(&desk.authority))
            .await
            .unwrap();
        connection.answer("PUT").await.unwrap().expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_reach_needs_tokens() {
    let scratch = Scratch::new();
    let mut config = Config::new(scratch.path());
    let nobody = ports::free(Subnet::take().host(1));
    config.node("node-1", &format!("http://{nobody}"));
    config.set("admin", "address", "0.0.0.0:0");
    config.set("", "threads", 1);
    let file = scratch.write("open.toml", config.text());
    let spec = Spec::new("check", program(), scratch.path());
    let spec = spec.arguments(["check", "--config"]).argument(file);
    let checked = process::run(&spec, b"", SOON).await;
    assert!(
        checked.stderr.contains("set admin.token_file"),
        "{}",
        checked.stderr
    );

    guard(&mut config, &format!("ann:{ANN}"));
    let balancer = Balancer::start(&program(), scratch.path(), config).await;
    let mut desk = balancer.desk();
    desk.address.set_ip([127, 0, 0, 1].into());
    desk.authority = "balancer.internal:9090".to_owned();
    desk.send(Request::get("/v1/nodes")).await.expect(401);
    // With a token any name will do.
    let page = desk
        .send(Request::get("/v1/nodes").bearer(ANN))
        .await
        .expect(200);
    assert_eq!(page.json()["nodes"][0]["id"], json!("node-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_tokens_that_cannot_be_used_refuses_the_start() {
    let scratch = Scratch::new();
    let mut config = Config::new(scratch.path());
    let authority = crate::harness::certs::Authority::new();
    let (chain, key) = authority
        .issue(&["localhost"])
        .write(scratch.path(), "public");
    config.certificate(&chain, &key);
    config.node("node-1", "http://127.0.0.1:9");
    guard(&mut config, "ann:short");
    let file = scratch.write("pilotage.toml", config.text());
    let spec = Spec::new("run", program(), scratch.path());
    let spec = spec.arguments(["run", "--config"]).argument(file);
    let ended = process::run(&spec, b"", SOON).await.expect_failure();
    assert!(
        ended.stderr.contains("line 1: a token has at least 16"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_is_no_larger_than_that_of_a_client_may_be() {
    let front = Front::start(|config| {
        config.set("limits", "header_size", "8KiB");
    })
    .await;
    let desk = front.balancer.desk();
    let with = |size: usize| Request::get("/livez").header("X-Much", &"x".repeat(size));
    desk.send(with(4 * 1024)).await.expect(200);
    let refused = desk.send(with(9 * 1024)).await.expect(431);
    assert!(refused.text().contains("limits.header_size"));
    assert_eq!(refused.header("connection"), Some("close"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_to_the_end_of_the_connection_is_not_kept_waiting() {
    let front = Front::start(|_| ()).await;
    let mut socket = TcpStream::connect(front.balancer.desk().address)
        .await
        .unwrap();
    socket
        .write_all(b"GET /livez HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let read = timeout(SOON, socket.read_to_string(&mut answer)).await;
    read.expect("the connection ends").unwrap();
    assert!(answer.contains("alive"), "{answer}");
}
