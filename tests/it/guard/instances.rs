//! Several instances over one Redis are one guard; without it each is its own.

use std::time::Duration;

use super::farm::{Farm, places};
use super::scene::{Door, expect_pause};
use crate::harness::balancer::config::Config;
use crate::harness::certs::Offer;
use crate::harness::core::Account;
use crate::harness::http::Request;
use crate::harness::image::{Image, digest};
use crate::harness::link::Flow;
use crate::harness::redis::Redis;
use crate::harness::scratch::Scratch;
use crate::harness::scripted::Client;
use crate::harness::wait::{SOON, until};

const GOOD: &str = "Builder12345";
const PREFIX: &str = "guarded";

/// Instances over one Redis, and where it works.
async fn met(count: usize, change: impl Fn(&mut Config)) -> (Scratch, Redis, Farm) {
    let scratch = Scratch::new();
    let redis = Redis::start(&scratch).await;
    let farm = Farm::of(count, &redis.url(), |config| {
        config.set("redis", "prefix", PREFIX);
        change(config);
    })
    .await;
    (scratch, redis, farm)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_instances_allow_as_many_tries_as_one() {
    let (_scratch, _redis, farm) = met(3, |config| {
        config.set("guard", "login_failures", 6);
    })
    .await;
    assert_eq!(farm.guess(18, "192.0.2.1").await, 6);
    // Neither the right one passes here, nor is it held up elsewhere.
    for number in 0..3 {
        let here = farm.at(number, "192.0.2.1");
        expect_pause(&here.tries(Door::Token, "builder", GOOD).await);
        let elsewhere = farm.at(number, "192.0.2.2");
        elsewhere
            .tries(Door::Token, "builder", GOOD)
            .await
            .expect(200);
    }
    // A job that repeats one outdated password pauses itself, wherever it comes by.
    let outdated = async |number| {
        let farm = farm.at(number, "192.0.2.3");
        farm.tries(Door::Token, "builder", "outdated").await.status
    };
    let mut passed = 0;
    for number in 0..70 {
        passed += usize::from(outdated(number).await == 401);
    }
    assert_eq!(passed, 60);
    let farm = farm.at(1, "192.0.2.3");
    farm.tries(Door::Token, "builder", GOOD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_has_proven_all_believe() {
    let (_scratch, _redis, farm) = met(2, |config| {
        config.set("guard", "login_failures_per_client", 4);
    })
    .await;
    let farm = |number| farm.at(number, "192.0.2.1");
    farm(0)
        .tries(Door::Token, "builder", GOOD)
        .await
        .expect(200);
    for number in 0..4 {
        let account = format!("user-{number}");
        farm(1)
            .tries(Door::Token, &account, "Spring2026")
            .await
            .expect(401);
    }
    // The success at the other instance is told behind its answer.
    until("the pair is known to both", SOON, async || {
        let answer = farm(1).tries(Door::Token, "builder", GOOD).await;
        (answer.status == 200).then_some(())
    })
    .await;
    for number in 0..2 {
        expect_pause(&farm(number).tries(Door::Token, "dev", "Dev12345x").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_one_for_all_instances() {
    let (_scratch, _redis, farm) = met(3, |config| {
        config.set("guard", "requests_per_client", 1);
        config.set("guard", "request_burst", "10s");
        config.set("guard", "patience", "0s");
    })
    .await;
    let begin = tokio::time::Instant::now();
    let mut passed = 0;
    for number in 0..60 {
        let somebody = farm.at(number, "192.0.2.1");
        passed += u64::from(somebody.send(Request::get("/v2/")).await.status == 401);
    }
    let most = 10 + begin.elapsed().as_secs() + 1;
    assert!((10..=most).contains(&passed), "{passed} of {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_pays_at_every_instance_for_tokens_of_any() {
    let (_scratch, redis, farm) = met(2, |config| {
        config.set("guard", "requests_per_account", 1);
        config.set("guard", "request_burst", "8s");
        config.set("guard", "patience", "0s");
    })
    .await;
    let path = "/service/token?service=harbor-registry&scope=repository:lab/app:pull";
    let request = Request::get(path).basic("builder", GOOD);
    let answer = farm.at(0, "192.0.2.1").send(request).await.expect(200);
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    until("all instances know whose it is", SOON, async || {
        let all = redis.everything().await;
        all.iter()
            .any(|(key, ..)| key.contains(":o:"))
            .then_some(())
    })
    .await;
    let begin = tokio::time::Instant::now();
    let mut served = 0;
    for number in 0..30 {
        let job = farm.at(1, &format!("192.0.2.{number}"));
        let list = Request::get("/v2/lab/app/tags/list").bearer(&token);
        served += u64::from(job.send(list).await.status != 429);
    }
    let most = 8 + begin.elapsed().as_secs() + 1;
    assert!((6..=most).contains(&served), "{served} of {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_delays_few_logins_and_refuses_none() {
    // Longer than a busy machine takes for a login without Redis.
    let deadline = Duration::from_secs(1);
    let (_scratch, redis, farm) = met(1, |config| {
        config.set("redis", "timeout", format!("{}ms", deadline.as_millis()));
    })
    .await;
    let robot = farm.at(0, "192.0.2.1");
    robot.tries(Door::Token, "builder", GOOD).await.expect(200);
    redis.process.pause();
    let mut times = Vec::new();
    for _ in 0..40 {
        let begin = tokio::time::Instant::now();
        robot.tries(Door::Token, "builder", GOOD).await.expect(200);
        times.push(begin.elapsed());
    }
    let slow = times.iter().filter(|time| **time >= deadline).count();
    println!("logins with a hanging redis: {times:?}");
    assert!(slow <= 10, "{slow} were delayed: {times:?}");
    redis.process.resume();
    farm.redis_is("up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_are_counted_over_all_instances() {
    let (_scratch, redis, mut farm) = met(2, |config| {
        config.set("guard", "transfers_per_client", 2);
        config.set("guard", "patience", "300ms");
    })
    .await;
    let image = Image::random(&[2_000_000]);
    let target = farm.instances[0].target(Offer::Http1);
    let client = Client::new(target, Account::BUILDER);
    client.push("lab/big", "v1", &image).await;
    let token = client.token(&["lab/big"]).await;
    let path = format!("/v2/lab/big/blobs/{}", digest(&image.layers[0]));
    let pull = |farm: &Farm, number: usize| {
        let somebody = farm.at(number, "192.0.2.1");
        let request = Request::get(&path).bearer(&token);
        async move { somebody.send(request).await }
    };
    farm.cluster.nodes[0].link().set_flow(Flow::Stalled);
    let running: Vec<_> = (0..2)
        .map(|number| tokio::spawn(pull(&farm, number)))
        .collect();
    until("both places are taken", SOON, async || {
        (places(&redis).await == 2).then_some(())
    })
    .await;
    for number in 0..2 {
        expect_pause(&pull(&farm, number).await);
    }
    farm.cluster.nodes[0].link().set_flow(Flow::Open);
    for one in running {
        assert_eq!(one.await.unwrap().expect(200).body, image.layers[0]);
    }
    until("the places are given back", SOON, async || {
        (places(&redis).await == 0).then_some(())
    })
    .await;
    pull(&farm, 1).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_instance_guards_by_itself_and_goes_on() {
    let (_scratch, mut redis, farm) = met(2, |_| ()).await;
    assert_eq!(farm.guess(8, "192.0.2.1").await, 3);
    redis.process.kill();
    farm.redis_is("away").await;
    // What each saw itself is not forgotten, and what is new is counted by each.
    assert_eq!(farm.guess(8, "192.0.2.1").await, 3);
    assert_eq!(farm.guess(20, "192.0.2.2").await, 6);
    let robot = farm.at(0, "192.0.2.3");
    robot.tries(Door::Token, "builder", GOOD).await.expect(200);
    redis.start_again().await;
    farm.redis_is("up").await;
    assert_eq!(farm.guess(8, "192.0.2.4").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_holds_no_name_and_nothing_for_ever() {
    let (_scratch, redis, farm) = met(2, |config| {
        for limit in ["requests_per_client", "requests_per_account"] {
            config.set("guard", limit, 1);
        }
        config.set("guard", "request_burst", "1m");
    })
    .await;
    farm.guess(4, "192.0.2.77").await;
    let robot = farm.at(0, "192.0.2.78");
    robot.tries(Door::Token, "builder", GOOD).await.expect(200);
    let kinds = ["fa", "fc", "fp", "fk", "ra"];
    let all = until("everything is there", SOON, async || {
        let all = redis.everything().await;
        let has = |kind: &&str| {
            all.iter()
                .any(|(key, ..)| key.contains(&format!(":{kind}:")))
        };
        kinds.iter().all(has).then_some(all)
    })
    .await;
    for (key, value, life) in all {
        assert!(key.starts_with(PREFIX), "{key}");
        assert!(life > 0, "{key} lives {life}");
        for secret in ["builder", GOOD, "192.0.2", "YnVpbGRlcj"] {
            assert!(
                !key.contains(secret) && !value.contains(secret),
                "{secret} in {key}"
            );
        }
    }
}
