//! Nothing that pilotage writes has a secret in it, however much it is asked to write.

use crate::harness::balancer::Balancer;
use crate::harness::certs::Offer;
use crate::harness::clients::skopeo::Skopeo;
use crate::harness::cluster::{Cluster, PUBLIC_NAME};
use crate::harness::front::Front;
use crate::harness::http::{Request, Target, h2};
use crate::harness::image::Image;
use crate::harness::recorder::{Received, answer};
use crate::harness::uploads;
use crate::harness::wait::{SOON, until};

/// Everything that the balancer said so far, wherever it said it.
async fn all_it_said(balancer: &Balancer) -> String {
    let mut said = balancer.process.stderr() + &balancer.process.stdout();
    for page in ["/livez", "/readyz", "/metrics", "/nodes"] {
        said.push_str(&balancer.admin(page).await.text());
    }
    said
}

/// None of the secrets is there, nor a piece of it that would help.
async fn assert_silent(balancer: &Balancer, secrets: &[String]) {
    let said = all_it_said(balancer).await;
    assert!(
        said.len() > 10_000,
        "it was told to say much: {}",
        said.len()
    );
    for secret in secrets {
        assert!(secret.len() >= 8, "too short to look for: {secret:?}");
        let pieces = secret
            .split(['.', '%', '=', '&', ' '])
            .filter(|piece| piece.len() >= 12);
        for piece in pieces.chain([secret.as_str()]) {
            let line = said.lines().find(|line| line.contains(piece));
            assert!(line.is_none(), "{piece:?} is in {line:?}");
        }
    }
}

fn basic(name: &str, password: &str) -> String {
    let request = Request::get("/").basic(name, password);
    request.headers[0].1.trim_start_matches("Basic ").to_owned()
}

/// Logs in as a browser does; gives the CSRF token, its cookie and the session.
async fn browse(target: &Target) -> Vec<String> {
    let (mut secrets, mut cookies) = (Vec::new(), Vec::new());
    let mut token = None;
    // The session comes first, and with it the token.
    for _ in 0..2 {
        let info = Request::get("/api/v2.0/systeminfo").header("Cookie", &cookies.join("; "));
        let page = target.send(info).await.expect(200);
        token = page.header("x-harbor-csrf-token").map(str::to_owned);
        for cookie in page.all("set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            cookies.push(pair.to_owned());
            secrets.push(pair.split_once('=').unwrap().1.to_owned());
        }
    }
    secrets.insert(0, token.unwrap());
    for password in ["not-the-password", "Harbor12345"] {
        let form = format!("principal=admin&password={password}");
        let login = Request::new("POST", "/c/login")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Cookie", &cookies.join("; "))
            .header("X-Harbor-CSRF-Token", &secrets[0])
            .body(form.into_bytes());
        let answer = target.send(login).await;
        assert!(
            matches!(answer.status, 200 | 401),
            "{} {}",
            answer.status,
            answer.text()
        );
        let fresh = answer.all("set-cookie").filter_map(|cookie| {
            let (_, rest) = cookie.split_once('=')?;
            Some(rest.split(';').next()?.to_owned())
        });
        secrets.extend(fresh.filter(|value| value.len() >= 8));
        secrets.push(password.to_owned());
    }
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_pushes_pulls_and_failures_leave_no_secret_at_the_loudest_level() {
    let mut cluster = Cluster::builder().nodes(2).start().await;
    let balancer = Balancer::before(&mut cluster, |config| {
        config.set("log", "level", "trace");
    })
    .await;
    let mut secrets = vec!["Builder12345".to_owned(), basic("builder", "Builder12345")];
    let destination = balancer.destination();
    let skopeo = Skopeo::new(&destination);
    skopeo
        .login("builder", "not-the-password")
        .await
        .expect_failure();
    skopeo
        .login("builder", "Builder12345")
        .await
        .expect_success();
    let (image, name) = (Image::small(), destination.image("lab/secret:v1"));
    skopeo.push(&image, &name).await.expect_success();
    skopeo.pull(&name).await.expect_success();
    let target = balancer.target(Offer::Http1);
    secrets.extend(browse(&target).await);
    let path = "/service/token?service=harbor-registry&scope=repository:lab/secret:pull,push";
    let token = target
        .send(Request::get(path).basic("builder", "Builder12345"))
        .await
        .expect(200);
    let token = token.json()["token"].as_str().unwrap().to_owned();
    secrets.push(token.clone());
    let start = Request::new("POST", "/v2/lab/secret/blobs/uploads/").bearer(&token);
    let started = target.send(start).await.expect(202);
    let location = started.header("location").unwrap().to_owned();
    secrets.push(location.split_once("_state=").unwrap().1.to_owned());
    let path = location.strip_prefix(&balancer.url()).unwrap();
    let part = Request::new("PATCH", path).bearer(&token).body("bytes");
    target.send(part).await.expect(202);
    cluster.nodes[1].kill();
    let client = h2::Client::connect(&balancer.target(Offer::Http2))
        .await
        .unwrap();
    for number in 0..10 {
        let list =
            format!("/v2/lab/secret/tags/list?n=1{number}&token=query-token-{number}-of-length");
        client
            .send(&Request::get(&list).bearer(&token))
            .await
            .unwrap()
            .expect(200);
        secrets.push(format!("query-token-{number}-of-length"));
    }
    balancer.node_is("node-2", "pull", "down").await;
    assert_silent(&balancer, &secrets).await;
}

/// A node that says things that must stay between it and the client, and fails now and then.
fn talkative(number: usize, request: &Received) -> Option<Vec<u8>> {
    let target = request.target.as_str();
    if target.contains("/blobs/sha256:") {
        let storage = "https://storage.test/blob?X-Amz-Signature=signature-of-storage";
        return Some(answer(307, &[("Location", storage)], ""));
    }
    if target.contains("broken") {
        return Some(b"HTTP/1.1 nonsense-of-the-node\r\n\r\n".to_vec());
    }
    if target.contains("failing") {
        return Some(answer(
            502,
            &[("Set-Cookie", "sid=cookie-of-failure")],
            "body-of-failure",
        ));
    }
    if target.contains("/c/login") {
        return Some(answer(
            200,
            &[("Set-Cookie", "sid=cookie-of-session; Path=/")],
            "{}",
        ));
    }
    uploads::script(number, request)
}

/// What the nodes and the clients of the test below say.
const SAID: [&str; 13] = [
    "node-state-1",
    "node-state-2",
    "forged-state-of-somebody",
    "query-of-a-client",
    "header-of-a-client",
    "cookie-of-a-client",
    "csrf-of-a-client",
    "password-of-a-client",
    "signature-of-storage",
    "nonsense-of-the-node",
    "cookie-of-failure",
    "body-of-failure",
    "cookie-of-session",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_nodes_and_odd_clients_say_is_never_repeated_in_the_log() {
    let front = Front::scripted(
        2,
        |config| {
            config.set("log", "level", "trace");
            config.set("retry", "patience", "1s");
        },
        talkative,
    )
    .await;
    let path = uploads::begin(&front.balancer).await;
    uploads::go_on(&front.balancer, &path).await.unwrap();
    let forged = format!(
        "{}?_state=forged-state-of-somebody",
        path.split('?').next().unwrap()
    );
    uploads::go_on(&front.balancer, &forged).await.unwrap_err();
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    for target in [
        format!(
            "/v2/lab/app/blobs/sha256:{}?sig=query-of-a-client",
            "a".repeat(64)
        ),
        "/v2/lab/broken/tags/list?sig=query-of-a-client".to_owned(),
        "/v2/lab/failing/tags/list?sig=query-of-a-client".to_owned(),
        "/c/login?next=query-of-a-client".to_owned(),
        "/v2/../x?sig=query-of-a-client".to_owned(),
        "/service/notifications/x?sig=query-of-a-client".to_owned(),
    ] {
        let request = Request::get(&target)
            .bearer("header-of-a-client")
            .header("Cookie", "sid=cookie-of-a-client")
            .header("X-Harbor-CSRF-Token", "csrf-of-a-client");
        front.h1().send(request.clone()).await;
        client.send(&request).await.unwrap();
    }
    let host = front.balancer.public_authority();
    for odd in [
        format!(
            "GET /v2/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: header-of-a-client\r\n bad\r\n\r\n"
        ),
        format!("GET /v2/?x=query-of-a-client b HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        "header-of-a-client with no meaning\r\n\r\n".to_owned(),
        "GET /v2/ HTTP/1.1\r\nHost: user:password-of-a-client@x\r\n\r\n".to_owned(),
    ] {
        let mut connection = front.h1().connect().await.unwrap();
        connection.write(odd.as_bytes()).await.unwrap();
        connection.answer_head().await.unwrap().expect(400);
    }
    until("the last record", SOON, async || {
        (front.balancer.access_log().len() >= 19).then_some(())
    })
    .await;
    let state = path.split_once("_state=").unwrap().1.to_owned();
    let secrets = SAID.map(str::to_owned).into_iter().chain([state]);
    assert_silent(&front.balancer, &secrets.collect::<Vec<_>>()).await;
    assert!(front.balancer.process.stderr().contains(PUBLIC_NAME));
}
