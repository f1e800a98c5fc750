//! Several instances over one Redis are one guard; without it each is its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::scene::{Door, Somebody, expect_pause, quick};
use rustix::process::Signal;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, program};
use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::core::Account;
use crate::harness::http::Request;
use crate::harness::image::{Image, digest};
use crate::harness::link::Flow;
use crate::harness::ports;
use crate::harness::process::{Process, Spec};
use crate::harness::scripted::Client;
use crate::harness::wait::{SOON, until};

const GOOD: &str = "Builder12345";
const PREFIX: &str = "guarded";

/// Instances with one key before one node. The cluster goes last, so that the folder outlives what writes there.
struct Ensemble {
    instances: Vec<Balancer>,
    /// Where they meet; the nodes have one of their own.
    redis: Process,
    redis_address: SocketAddr,
    cluster: Cluster,
}

impl Ensemble {
    async fn of(count: usize, change: impl Fn(&mut Config)) -> Self {
        let mut cluster = Cluster::builder().nodes(1).start().await;
        let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
        let key = cluster.scratch.write("affinity.key", key);
        let redis_address = ports::free(cluster.subnet.host(251));
        let redis = redis(&cluster, redis_address);
        let mut instances = Vec::new();
        for number in 0..count {
            let folder = cluster.scratch.folder(&format!("instance-{number}"));
            let mut config = Config::new(&folder);
            quick(&mut config);
            config.node("node-1", &cluster.nodes[0].url());
            config.set("affinity", "key_file", key.to_str().unwrap());
            config.set("redis", "url", format!("redis://{redis_address}"));
            config.set("redis", "prefix", PREFIX);
            config.set("redis", "timeout", "1s");
            change(&mut config);
            instances.push(Balancer::start(&program(), &folder, config).await);
        }
        let url = instances[0].url();
        cluster.set_public_url(&url).await;
        cluster.nodes[0]
            .switch(|switches| switches.wrong_password_ms = 0)
            .await;
        let ensemble = Self {
            instances,
            redis,
            redis_address,
            cluster,
        };
        for instance in &ensemble.instances {
            instance.all_up(1).await;
        }
        ensemble.redis_is(1.0).await;
        ensemble
    }

    /// Waits until every instance knows whether Redis serves it.
    async fn redis_is(&self, wanted: f64) {
        for instance in &self.instances {
            until("an instance knows of Redis", SOON, async || {
                let up = instance.metric("pilotage_affinity_redis_up").await?;
                ((up - wanted).abs() < 0.1).then_some(())
            })
            .await;
        }
    }

    /// Somebody at this address, before the instance of this number.
    fn at(&self, number: usize, address: &str) -> Somebody {
        let instance = &self.instances[number % self.instances.len()];
        Somebody::before(instance.target(Offer::Http1), address)
    }

    /// Guesses at one instance after the other; gives how many reached a node.
    async fn guess(&self, times: usize, account: &str, address: &str) -> usize {
        let mut passed = 0;
        for number in 0..times {
            let password = format!("wrong-{:08x}", fastrand::u32(..));
            let somebody = self.at(number, address);
            let answer = somebody.tries(Door::Ping, account, &password).await;
            match answer.status {
                401 => passed += 1,
                _ => drop(expect_pause(&answer)),
            }
        }
        passed
    }

    async fn link(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(format!("redis://{}", self.redis_address)).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// How many transfers of clients run, as all instances know it.
    async fn places(&self) -> usize {
        let mut all = 0;
        for key in self
            .keyspace()
            .await
            .keys()
            .filter(|key| key.contains(":ta:"))
        {
            let count: usize = redis::cmd("ZCARD")
                .arg(key)
                .query_async(&mut self.link().await)
                .await
                .unwrap();
            all += count;
        }
        all
    }

    /// Every key that instances left in Redis, with what is there and how long, all as text.
    async fn keyspace(&self) -> BTreeMap<String, (String, i64)> {
        let mut link = self.link().await;
        let pattern = format!("{PREFIX}*");
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(pattern)
            .query_async(&mut link)
            .await
            .unwrap();
        let mut all = BTreeMap::new();
        for key in keys {
            let life: i64 = redis::cmd("PTTL")
                .arg(&key)
                .query_async(&mut link)
                .await
                .unwrap();
            let dump: Vec<u8> = redis::cmd("DUMP")
                .arg(&key)
                .query_async(&mut link)
                .await
                .unwrap();
            all.insert(key, (String::from_utf8_lossy(&dump).into_owned(), life));
        }
        all
    }
}

fn redis(cluster: &Cluster, address: SocketAddr) -> Process {
    let folder = cluster.scratch.folder("meeting");
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let spec = Spec::new("meeting", "redis-server", &folder)
        .arguments([
            "--bind",
            &ip,
            "--port",
            &port,
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .argument("--dir")
        .argument(&folder);
    Process::start(spec)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_instances_allow_as_many_tries_as_one() {
    let ensemble = Ensemble::of(3, |config| {
        config.set("guard", "login_failures", 6);
        config.set("guard", "login_pause", "1m");
    })
    .await;
    assert_eq!(ensemble.guess(18, "builder", "192.0.2.1").await, 6);
    // Neither the right one passes here, nor is it held up elsewhere.
    for number in 0..3 {
        let here = ensemble.at(number, "192.0.2.1");
        expect_pause(&here.tries(Door::Token, "builder", GOOD).await);
        let elsewhere = ensemble.at(number, "192.0.2.2");
        elsewhere
            .tries(Door::Token, "builder", GOOD)
            .await
            .expect(200);
    }
    // A job that repeats one outdated password pauses itself, wherever it comes by.
    let outdated = async |number| {
        let farm = ensemble.at(number, "192.0.2.3");
        farm.tries(Door::Token, "builder", "outdated").await.status
    };
    let mut passed = 0;
    for number in 0..70 {
        passed += usize::from(outdated(number).await == 401);
    }
    assert_eq!(passed, 60);
    let farm = ensemble.at(1, "192.0.2.3");
    farm.tries(Door::Token, "builder", GOOD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_has_proven_all_believe() {
    let ensemble = Ensemble::of(2, |config| {
        config.set("guard", "login_failures_per_client", 4);
        config.set("guard", "login_pause", "1m");
    })
    .await;
    let farm = |number| ensemble.at(number, "192.0.2.1");
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
    let ensemble = Ensemble::of(3, |config| {
        config.set("guard", "requests_per_client", 1);
        config.set("guard", "request_burst", "10s");
        config.set("guard", "patience", "0s");
    })
    .await;
    let begin = tokio::time::Instant::now();
    let mut passed = 0;
    for number in 0..60 {
        let somebody = ensemble.at(number, "192.0.2.1");
        passed += u64::from(somebody.send(Request::get("/v2/")).await.status == 401);
    }
    let most = 10 + begin.elapsed().as_secs() + 1;
    assert!((10..=most).contains(&passed), "{passed} of {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_pays_at_every_instance_for_tokens_of_any() {
    let ensemble = Ensemble::of(2, |config| {
        config.set("guard", "requests_per_account", 1);
        config.set("guard", "request_burst", "8s");
        config.set("guard", "patience", "0s");
    })
    .await;
    let path = "/service/token?service=harbor-registry&scope=repository:lab/app:pull";
    let request = Request::get(path).basic("builder", GOOD);
    let answer = ensemble.at(0, "192.0.2.1").send(request).await.expect(200);
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    until("all instances know whose it is", SOON, async || {
        let all = ensemble.keyspace().await;
        all.keys().any(|key| key.contains(":o:")).then_some(())
    })
    .await;
    let begin = tokio::time::Instant::now();
    let mut served = 0;
    for number in 0..30 {
        let job = ensemble.at(1, &format!("192.0.2.{number}"));
        let list = Request::get("/v2/lab/app/tags/list").bearer(&token);
        served += u64::from(job.send(list).await.status != 429);
    }
    let most = 8 + begin.elapsed().as_secs() + 1;
    assert!((6..=most).contains(&served), "{served} of {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_delays_few_logins_and_refuses_none() {
    let ensemble = Ensemble::of(1, |config| {
        config.set("redis", "timeout", "50ms");
    })
    .await;
    let robot = ensemble.at(0, "192.0.2.1");
    robot.tries(Door::Token, "builder", GOOD).await.expect(200);
    ensemble.redis.signal(Signal::STOP);
    let mut times = Vec::new();
    for _ in 0..40 {
        let begin = tokio::time::Instant::now();
        robot.tries(Door::Token, "builder", GOOD).await.expect(200);
        times.push(begin.elapsed().as_millis());
    }
    let slow = times.iter().filter(|time| **time >= 50).count();
    println!("logins with a hanging redis, in ms: {times:?}");
    assert!(slow <= 10, "{slow} were delayed: {times:?}");
    ensemble.redis.signal(Signal::CONT);
    ensemble.redis_is(1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_are_counted_over_all_instances() {
    let mut ensemble = Ensemble::of(2, |config| {
        config.set("guard", "transfers_per_client", 2);
        config.set("guard", "patience", "300ms");
    })
    .await;
    let image = Image::random(&[2_000_000]);
    let target = ensemble.instances[0].target(Offer::Http1);
    let client = Client::new(target, Account::BUILDER);
    client.push("lab/big", "v1", &image).await;
    let token = client.token(&["lab/big"]).await;
    let path = format!("/v2/lab/big/blobs/{}", digest(&image.layers[0]));
    let pull = |ensemble: &Ensemble, number: usize| {
        let somebody = ensemble.at(number, "192.0.2.1");
        let request = Request::get(&path).bearer(&token);
        async move { somebody.send(request).await }
    };
    ensemble.cluster.nodes[0].link().set_flow(Flow::Stalled);
    let running: Vec<_> = (0..2)
        .map(|number| tokio::spawn(pull(&ensemble, number)))
        .collect();
    until("both places are taken", SOON, async || {
        (ensemble.places().await == 2).then_some(())
    })
    .await;
    for number in 0..2 {
        expect_pause(&pull(&ensemble, number).await);
    }
    ensemble.cluster.nodes[0].link().set_flow(Flow::Open);
    for one in running {
        assert_eq!(one.await.unwrap().expect(200).body, image.layers[0]);
    }
    until("the places are given back", SOON, async || {
        (ensemble.places().await == 0).then_some(())
    })
    .await;
    pull(&ensemble, 1).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_instance_guards_by_itself_and_goes_on() {
    let mut ensemble = Ensemble::of(2, |config| {
        config.set("guard", "login_pause", "1m");
    })
    .await;
    assert_eq!(ensemble.guess(8, "builder", "192.0.2.1").await, 3);
    ensemble.redis.kill();
    ensemble.redis_is(0.0).await;
    // What each saw itself is not forgotten, and what is new is counted by each.
    assert_eq!(ensemble.guess(8, "builder", "192.0.2.1").await, 3);
    assert_eq!(ensemble.guess(20, "builder", "192.0.2.2").await, 6);
    let robot = ensemble.at(0, "192.0.2.3");
    robot.tries(Door::Token, "builder", GOOD).await.expect(200);
    ensemble.redis.start_again();
    ensemble.redis_is(1.0).await;
    assert_eq!(ensemble.guess(8, "builder", "192.0.2.4").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_holds_no_name_and_nothing_for_ever() {
    let ensemble = Ensemble::of(2, |config| {
        for limit in ["requests_per_client", "requests_per_account"] {
            config.set("guard", limit, 1);
        }
        config.set("guard", "request_burst", "1m");
    })
    .await;
    ensemble.guess(4, "builder", "192.0.2.77").await;
    let robot = ensemble.at(0, "192.0.2.78");
    robot.tries(Door::Token, "builder", GOOD).await.expect(200);
    let kinds = ["fa", "fc", "fp", "fk", "ra"];
    let all = until("everything is there", SOON, async || {
        let all = ensemble.keyspace().await;
        let has = |kind: &&str| all.keys().any(|key| key.contains(&format!(":{kind}:")));
        kinds.iter().all(has).then_some(all)
    })
    .await;
    for (key, (value, life)) in all {
        assert!(life > 0, "{key} lives {life}");
        for secret in ["builder", GOOD, "192.0.2", "YnVpbGRlcj"] {
            assert!(
                !key.contains(secret) && !value.contains(secret),
                "{secret} in {key}"
            );
        }
    }
}
