//! Several instances are one guard wherever they meet: behind sentinels, in a cluster, and when one of them dies.

use super::farm::{Farm, places};
use super::scene::{Door, expect_pause};
use crate::harness::balancer::config::Config;
use crate::harness::certs::Offer;
use crate::harness::core::Account;
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;
use crate::harness::image::{Image, digest};
use crate::harness::link::Flow;
use crate::harness::redis::{Redis, Watched, masters};
use crate::harness::scratch::Scratch;
use crate::harness::scripted::Client;
use crate::harness::wait::{SOON, until};
use crate::shared::scene::{AWAY, calls};

const GOOD: &str = "Builder12345";
/// Tries before the first pause, as set below.
const ALLOWED: usize = 6;

/// As many tries for a farm as for one instance, and a pause that outlasts the test.
fn allowing(config: &mut Config) {
    config.set("guard", "login_failures", ALLOWED);
}

/// All scripts that were run, by all instances.
async fn scripts(farm: &Farm) -> f64 {
    let mut all = 0.0;
    for instance in &farm.instances {
        all += calls(instance, "script", "done").await;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_sentinels_a_failover_gives_nobody_new_tries() {
    let scratch = Scratch::new();
    let mut watched = Watched::start(&scratch).await;
    let farm = Farm::of(3, &watched.url(), allowing).await;
    assert_eq!(farm.guess(18, "192.0.2.1").await, ALLOWED);
    assert_eq!(farm.guess(3, "192.0.2.2").await, 3);
    let known = watched.servers[0].everything().await.len();
    until("the replica has it all", SOON, async || {
        let there = watched.servers[1].everything().await.len();
        (there >= known).then_some(())
    })
    .await;
    watched.servers[0].process.kill();
    for instance in &farm.instances {
        instance.says(AWAY).await;
    }
    farm.redis_is("up").await;
    let before = scripts(&farm).await;
    // Who has to pause still has to, and who has tries left has no more of them than before.
    assert_eq!(farm.guess(9, "192.0.2.1").await, 0);
    assert_eq!(farm.guess(9, "192.0.2.2").await, ALLOWED - 3);
    assert!(scripts(&farm).await > before, "the new master is asked");
    let robot = farm.at(1, "192.0.2.3");
    robot.tries(Door::Token, "builder", GOOD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_three_instances_allow_as_much_as_one() {
    let scratch = Scratch::new();
    let masters = masters(&scratch).await;
    let all: Vec<_> = masters.iter().map(|one| one.address.to_string()).collect();
    let url = format!("redis+cluster://{}", all.join(","));
    let farm = Farm::of(3, &url, |config| {
        allowing(config);
        config.set("guard", "requests_per_account", 1);
        config.set("guard", "request_burst", "40s");
        config.set("guard", "patience", "0s");
    })
    .await;
    for address in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(farm.guess(15, address).await, ALLOWED, "{address}");
    }
    let begin = tokio::time::Instant::now();
    let mut passed = 0;
    for number in 0..80 {
        let job = farm.at(number, "192.0.2.3");
        let answer = job.tries(Door::Ping, "dev", "Dev12345x").await;
        passed += u64::from(answer.status == 200);
    }
    // The first request at each instance pays nothing: only its answer tells that it is the account's.
    let most = 40 + begin.elapsed().as_secs() + 1 + 3;
    assert!((40..=most).contains(&passed), "{passed} of {most}");
    let mut holders = 0;
    for master in &masters {
        let kept = master.everything().await;
        holders += usize::from(
            kept.iter()
                .any(|(key, ..)| !key.contains(":i:") && !key.ends_with(":n")),
        );
    }
    assert!(holders > 1, "counts lie on {holders} of the masters");
}

#[tokio::test(flavor = "multi_thread")]
async fn places_of_an_instance_that_died_are_free_again() {
    let scratch = Scratch::new();
    let redis = Redis::start(&scratch).await;
    let mut farm = Farm::of(2, &redis.url(), |config| {
        config.set("guard", "transfers_per_client", 2);
        config.set("guard", "transfer_lease", "6s");
        config.set("guard", "patience", "100ms");
    })
    .await;
    let image = Image::random(&[2_000_000]);
    let target = farm.instances[0].target(Offer::Http1);
    let client = Client::new(target, Account::BUILDER);
    client.push("lab/big", "v1", &image).await;
    let token = client.token(&["lab/big"]).await;
    let path = format!("/v2/lab/big/blobs/{}", digest(&image.layers[0]));
    let ask = || Request::get(&path).bearer(&token);
    farm.cluster.nodes[0].link().set_flow(Flow::Stalled);
    for _ in 0..2 {
        let doomed = farm.at(0, "192.0.2.1");
        let request = ask();
        tokio::spawn(async move { doomed.send(request).await });
    }
    until("both places are taken", SOON, async || {
        (places(&redis).await == 2).then_some(())
    })
    .await;
    // For as long as the instance lives the places are its own, whatever the lease.
    let held = tokio::time::Instant::now();
    let other = farm.at(1, "192.0.2.1");
    while held.elapsed() < std::time::Duration::from_secs(9) {
        let answer: Answer = other.send(ask()).await;
        expect_pause(&answer);
    }
    farm.instances[0].process.kill();
    farm.cluster.nodes[0].link().set_flow(Flow::Open);
    let died = tokio::time::Instant::now();
    let pulled = until("a place is free", SOON, async || {
        let answer = other.send(ask()).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    println!("free again after {:?}", died.elapsed());
    assert_eq!(pulled.body, image.layers[0]);
}
