//! Wrong passwords, by hand, through every door.

use serde_json::Value;

use super::scene::{Door, Somebody, expect_pause, stage};
use crate::harness::balancer::field;
use crate::harness::certs::Offer;
use crate::harness::http::answer::Answer;
use crate::harness::http::{Request, h2};
use crate::harness::wait::{SOON, until};
use crate::registry::stage::Stage;

const GOOD: &str = "Builder12345";

#[tokio::test(flavor = "multi_thread")]
async fn every_door_counts_and_is_closed_for_a_while() {
    let stage = stage(|_| ()).await;
    for (number, door) in Door::ALL.into_iter().enumerate() {
        let guesser = Somebody::at(&stage, &format!("192.0.2.{number}"));
        guesser.fails(door, "builder", 3).await;
        for closed in Door::ALL {
            let answer = guesser.tries(closed, "builder", "another").await;
            let seconds = expect_pause(&answer);
            assert!((1..=600).contains(&seconds), "{seconds}");
        }
        // Not even the right password, or a guesser would learn that it is.
        expect_pause(&guesser.tries(door, "builder", GOOD).await);
        let elsewhere = Somebody::at(&stage, "198.51.100.1");
        elsewhere
            .tries(Door::Token, "builder", GOOD)
            .await
            .expect(200);
    }
    let refused = "pilotage_guard_refused_total{limit=\"logins_of_pair\"";
    let refused = stage.balancer.metric(refused).await.unwrap();
    assert!((refused - 30.0).abs() < 0.1, "{refused}");
    let wrong = "pilotage_guard_logins_total{outcome=\"wrong\"";
    let wrong = stage.balancer.metric(wrong).await.unwrap();
    assert!((wrong - 15.0).abs() < 0.1, "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_and_each_further_failure_makes_it_longer() {
    let stage = stage(|config| {
        config.set("guard", "login_pause", "3s");
    })
    .await;
    let guesser = Somebody::at(&stage, "192.0.2.1");
    guesser.fails(Door::Ping, "builder", 3).await;
    let first = expect_pause(&guesser.tries(Door::Ping, "builder", "next").await);
    let again = async |password: &'static str| {
        until("the pause is over", SOON, async || {
            let answer = guesser.tries(Door::Ping, "builder", password).await;
            (answer.status != 429).then_some(answer.status)
        })
        .await
    };
    assert_eq!(again("next").await, 401);
    let second = expect_pause(&guesser.tries(Door::Ping, "builder", GOOD).await);
    assert!(first <= 3 && second > first, "{first} {second}");
    assert_eq!(again(GOOD).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_password_pauses_itself_and_no_other_job() {
    let stage = stage(|_| ()).await;
    let farm = Somebody::at(&stage, "192.0.2.1");
    for _ in 0..30 {
        farm.tries(Door::Token, "builder", "outdated")
            .await
            .expect(401);
    }
    expect_pause(&farm.tries(Door::Token, "builder", "outdated").await);
    farm.tries(Door::Token, "builder", GOOD).await.expect(200);
    let said = stage.balancer.says("wrong logins have to pause").await;
    assert_eq!(field(&said, "reason"), "logins_of_credential");
}

/// What tells an answer from another, but for the id of its request.
fn told(answer: &Answer) -> (u16, Option<String>, Value) {
    let mut body = answer.json();
    body["errors"][0]["detail"] = Value::Null;
    let kind = answer.header("content-type").map(str::to_owned);
    (answer.status, kind, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_does_not_exist_is_treated_like_one_that_does() {
    let stage = stage(|_| ()).await;
    let mut all = Vec::new();
    for account in ["admin", "nobody-of-this-name"] {
        let guesser = Somebody::at(&stage, "192.0.2.1");
        guesser.fails(Door::Token, account, 3).await;
        let answer = guesser.tries(Door::Token, account, "next").await;
        expect_pause(&answer);
        all.push(told(&answer));
    }
    assert_eq!(all[0], all[1]);
    let log = stage.balancer.process.stderr();
    assert!(
        !log.contains("nobody-of-this-name"),
        "an account was logged"
    );
}

fn form(body: &str) -> Request {
    Request::new("POST", "/c/login")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body.as_bytes())
}

/// The cookies and the token without which nobody looks at a password.
async fn csrf(stage: &Stage) -> (String, String) {
    let target = stage.balancer.target(Offer::Http1);
    let (mut cookies, mut token) = (Vec::new(), None);
    // The session comes first, and with it the token.
    for _ in 0..2 {
        let info = Request::get("/api/v2.0/systeminfo").header("Cookie", &cookies.join("; "));
        let page = target.send(info).await.expect(200);
        token = page.header("x-harbor-csrf-token").map(str::to_owned);
        let pairs = page.all("set-cookie");
        cookies.extend(pairs.map(|cookie| cookie.split(';').next().unwrap().to_owned()));
    }
    (cookies.join("; "), token.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_reaches_the_node_whole_and_counts() {
    let stage = stage(|_| ()).await;
    let (cookies, token) = csrf(&stage).await;
    let guesser = Somebody::at(&stage, "192.0.2.1");
    let login = async |somebody: &Somebody, body: &str| {
        let request = form(body)
            .header("Cookie", &cookies)
            .header("X-Harbor-CSRF-Token", &token);
        somebody.send(request).await
    };
    // Whoever has no token is refused before his password is looked at: that is no try.
    for _ in 0..5 {
        let forged = guesser.send(form("principal=builder&password=x")).await;
        forged.expect(403);
    }
    login(&guesser, "principal=builder&password=Builder12345")
        .await
        .expect(200);
    let long = "x".repeat(10_000);
    for number in 0..3 {
        let body = format!("principal=builder&password=wrong-{number}&more={long}");
        login(&guesser, &body).await.expect(401);
    }
    let answer = login(&guesser, "principal=Builder&password=Builder12345").await;
    expect_pause(&answer);
    // The same account through another door, and another account through this one.
    expect_pause(&guesser.tries(Door::Ping, "builder", GOOD).await);
    login(&guesser, "principal=dev&password=Dev12345x")
        .await
        .expect(200);
    let elsewhere = Somebody::at(&stage, "2001:db8::1");
    login(&elsewhere, "principal=builder&password=Builder12345")
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_over_http2_in_small_pieces_reaches_the_node_whole() {
    let stage = stage(|_| ()).await;
    let (cookies, token) = csrf(&stage).await;
    let client = h2::Client::connect(&stage.balancer.target(Offer::Http2))
        .await
        .unwrap();
    let body = "principal=builder&password=Builder12345";
    let login = |body: &str| {
        form(body)
            .header("Cookie", &cookies)
            .header("X-Harbor-CSRF-Token", &token)
            .header("Content-Length", &body.len().to_string())
    };
    client.send(&login(body)).await.unwrap().expect(200);
    // A form without a length cannot be one of a login: it passes, unread.
    let unread = form(body)
        .header("Cookie", &cookies)
        .header("X-Harbor-CSRF-Token", &token);
    client.send(&unread).await.unwrap().expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_may_try_its_form_as_often_as_it_likes() {
    let stage = stage(|_| ()).await;
    let containerd = Somebody::at(&stage, "192.0.2.1");
    for number in 0..6 {
        let body = format!("grant_type=password&username=builder&password=wrong-{number}");
        let request = Request::new("POST", "/service/token")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body.into_bytes());
        containerd.send(request).await.expect(405);
    }
    containerd
        .tries(Door::Token, "builder", GOOD)
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_with_many_accounts_pauses_and_its_known_accounts_do_not() {
    let stage = stage(|config| {
        config.set("guard", "login_failures_per_client", 6);
    })
    .await;
    let farm = Somebody::at(&stage, "2001:db8::1");
    farm.tries(Door::Token, "builder", GOOD).await.expect(200);
    // The whole network of a household is one client.
    let neighbour = Somebody::at(&stage, "2001:db8::ffff");
    for number in 0..6 {
        let account = format!("user-{number}");
        neighbour
            .tries(Door::Token, &account, "Spring2026")
            .await
            .expect(401);
    }
    expect_pause(&neighbour.tries(Door::Token, "user-7", "Spring2026").await);
    expect_pause(&farm.tries(Door::Token, "dev", "Dev12345x").await);
    farm.tries(Door::Token, "builder", GOOD).await.expect(200);
    let said = stage.balancer.says("many wrong logins").await;
    assert_eq!(field(&said, "reason"), "logins_of_client");
    assert_eq!(field(&said, "client"), "2001:db8::ffff");
    let hidden = field(&said, "account").as_str().unwrap().len();
    assert_eq!(hidden, 12, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_guard_nothing_is_counted() {
    let stage = stage(|config| {
        config.set("guard", "login_guard", false);
    })
    .await;
    let guesser = Somebody::at(&stage, "192.0.2.1");
    guesser.fails(Door::Token, "builder", 10).await;
    guesser
        .tries(Door::Token, "builder", GOOD)
        .await
        .expect(200);
}
