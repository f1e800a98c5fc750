//! Rates and transfers of clients and accounts.

use tokio::time::Instant;

use super::scene::{Door, Somebody, expect_pause, stage};
use crate::harness::certs::Offer;
use crate::harness::core::Account;
use crate::harness::http::Request;
use crate::harness::image::{Image, digest};
use crate::harness::link::Flow;
use crate::harness::scripted::Client;
use crate::harness::wait::{SOON, until};
use crate::registry::stage::Stage;

/// A client of this account that pushes and pulls through the balancer.
fn client(stage: &Stage) -> Client {
    Client::new(stage.balancer.target(Offer::Http1), Account::BUILDER)
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_rate_a_client_waits_and_then_is_refused() {
    let stage = stage(|config| {
        config.set("guard", "requests_per_client", 2);
        config.set("guard", "request_burst", "5s");
        config.set("guard", "patience", "1s");
    })
    .await;
    let (one, other) = (
        Somebody::at(&stage, "192.0.2.1"),
        Somebody::at(&stage, "192.0.2.2"),
    );
    // Half a minute's worth: even a slow machine sends them faster than they are let in.
    let asked = (0..70).map(|_| {
        let one = one.clone();
        tokio::spawn(async move { one.send(Request::get("/v2/")).await })
    });
    let (mut served, mut refused) = (0, 0);
    for answer in asked.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        if answer.status == 401 {
            served += 1;
        } else {
            expect_pause(&answer);
            refused += 1;
        }
    }
    // A burst of ten, and what the wait and the time it took allow.
    assert!(served >= 12 && refused >= 1, "{served} {refused}");
    let delayed = "pilotage_guard_delayed_total{limit=\"requests_of_client\"";
    assert!(stage.balancer.metric(delayed).await.unwrap() >= 1.0);
    other.send(Request::get("/v2/")).await.expect(401);
    until("it is its turn again", SOON, async || {
        let answer = one.send(Request::get("/v2/")).await;
        (answer.status == 401).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_pays_wherever_it_is_used_and_nobody_can_pay_for_it() {
    let stage = stage(|config| {
        config.set("guard", "requests_per_account", 1);
        config.set("guard", "request_burst", "8s");
        config.set("guard", "patience", "0s");
        config.set("guard", "login_failures", 1_000);
    })
    .await;
    let mut tokens = Vec::new();
    for address in ["192.0.2.1", "192.0.2.2"] {
        let path = "/service/token?service=harbor-registry&scope=repository:lab/app:pull";
        let request = Request::get(path).basic("builder", "Builder12345");
        let answer = Somebody::at(&stage, address)
            .send(request)
            .await
            .expect(200);
        tokens.push(answer.json()["token"].as_str().unwrap().to_owned());
    }
    // Whoever knows only the name uses up nothing.
    let stranger = Somebody::at(&stage, "192.0.2.3");
    stranger.fails(Door::Token, "builder", 20).await;
    let begin = Instant::now();
    let mut served = 0;
    for number in 0..20 {
        let job = Somebody::at(&stage, &format!("192.0.2.{}", number % 2 + 1));
        let list = Request::get("/v2/lab/app/tags/list").bearer(&tokens[number % 2]);
        let answer = job.send(list).await;
        if answer.status == 429 {
            break;
        }
        served += 1;
    }
    let most = 8 + begin.elapsed().as_secs() + 1;
    assert!((6..=most).contains(&served), "{served} of {most}");
    stranger.send(Request::get("/v2/")).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_has_begun_is_never_refused() {
    let stage = stage(|config| {
        config.set("guard", "requests_per_client", 2);
        config.set("guard", "request_burst", "1s");
        config.set("guard", "patience", "1s");
    })
    .await;
    let client = client(&stage);
    let upload = until("an upload begins", SOON, async || {
        let token = client.token(&["lab/slow"]).await;
        let start = Request::new("POST", "/v2/lab/slow/blobs/uploads/").bearer(&token);
        let answer = stage.balancer.target(Offer::Http1).send(start).await;
        (answer.status == 202).then_some((answer, token))
    });
    let (answer, token) = upload.await;
    let target = stage.balancer.target(Offer::Http1);
    let mut location = answer.header("location").unwrap().to_owned();
    for number in 0..8 {
        let path = location.strip_prefix(&stage.balancer.url()).unwrap();
        let patch = Request::new("PATCH", path)
            .bearer(&token)
            .body(format!("part {number}"));
        let answer = target.send(patch).await.expect(202);
        answer.header("location").unwrap().clone_into(&mut location);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_so_many_transfers_at_one_time() {
    let mut stage = stage(|config| {
        config.set("guard", "transfers_per_client", 2);
        config.set("guard", "patience", "300ms");
    })
    .await;
    let image = Image::random(&[3_000_000]);
    client(&stage).push("lab/big", "v1", &image).await;
    let token = client(&stage).token(&["lab/big"]).await;
    let path = format!("/v2/lab/big/blobs/{}", digest(&image.layers[0]));
    let one = Somebody::at(&stage, "192.0.2.1");
    let pull = |one: &Somebody| {
        let (one, request) = (one.clone(), Request::get(&path).bearer(&token));
        async move { one.send(request).await }
    };
    let link = stage.cluster.nodes[0].link();
    link.set_flow(Flow::Stalled);
    let running: Vec<_> = (0..2).map(|_| tokio::spawn(pull(&one))).collect();
    // Whoever asks a node has his place.
    let asking = async |count: u64| {
        until("so many ask the node", SOON, async || {
            let nodes = stage.balancer.nodes().await;
            (nodes[0]["requests_in_flight"] == count).then_some(())
        })
        .await;
    };
    asking(2).await;
    expect_pause(&pull(&one).await);
    // What is no transfer passes, and so does another client; nobody answers while the link is stalled.
    let other = tokio::spawn(pull(&Somebody::at(&stage, "192.0.2.2")));
    asking(3).await;
    stage.cluster.nodes[0].link().set_flow(Flow::Open);
    for one in running.into_iter().chain([other]) {
        assert_eq!(one.await.unwrap().expect(200).body, image.layers[0]);
    }
    pull(&one).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_flow_at_the_rate_of_their_client_both_ways() {
    let stage = stage(|config| {
        config.set("guard", "bytes_per_client", "1MiB");
    })
    .await;
    let image = Image::random(&[3 << 20]);
    let begin = Instant::now();
    client(&stage).push("lab/paced", "v1", &image).await;
    let pushed = begin.elapsed().as_secs_f64();
    let pulled = client(&stage).pull("lab/paced", "v1").await;
    let both = begin.elapsed().as_secs_f64();
    assert_eq!(pulled.layers, image.layers);
    // A second's worth is free after a rest; a busy machine adds to it, and no rate less than half of this one.
    assert!((1.5..30.0).contains(&pushed), "{pushed}");
    assert!((4.5..60.0).contains(&both), "{both}");
}
