//! The real clients push, pull and log in through several instances in turn, with Redis, and while it fails.

use std::collections::BTreeMap;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::cluster::token;
use crate::harness::core::Account;
use crate::harness::image::Image;
use crate::harness::link::Flow;
use crate::harness::redis::Redis;
use crate::harness::wait::{SOON, until};
use crate::takeover::tool::{Kind, Tool};

use super::scene::{Scene, redis_is};

/// Pushes an image and pulls it again.
async fn round_trip(scene: &Scene, tool: &Tool, repository: &str) {
    let image = Image::random(&[300_000, 2_000_000, 10]);
    let name = scene.destination().image(&format!("{repository}:v1"));
    tool.prepare(&image, &name).await;
    tool.push(&image, &name).await.expect_success();
    tool.forget(&name).await;
    let pulled = tool.pull(&name).await;
    assert!(pulled.contains(&image.id()), "{pulled}");
}

async fn everywhere(kind: Kind) {
    for count in [2, 3] {
        let mut scene = Scene::with(count, Cluster::builder(), |config| {
            // While it hangs, each instance waits so long a few times.
            config.set("redis", "timeout", "200ms");
        })
        .await;
        let tool = Tool::at(kind, &scene.destination()).await;
        round_trip(&scene, &tool, "lab/shared").await;
        for instance in &scene.instances {
            let served = instance.access_log().len();
            assert!(served > 3, "{served} requests came to one of {count}");
        }
        scene.redis.process.pause();
        round_trip(&scene, &tool, "lab/stopped").await;
        if kind == Kind::Skopeo {
            // To log in needs no Redis either.
            Tool::at(kind, &scene.destination()).await;
        }
        scene.redis.process.resume();
        scene.redis.process.kill();
        round_trip(&scene, &tool, "lab/killed").await;
        scene.redis.start_again().await;
        for instance in &scene.instances {
            redis_is(instance, "up").await;
        }
        round_trip(&scene, &tool, "lab/empty").await;
        // A whole instance is gone: the front leaves it out.
        scene.instances[0].process.kill();
        round_trip(&scene, &tool, "lab/fewer").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_does_not_notice_how_many_instances_there_are() {
    everywhere(Kind::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_does_not_notice_how_many_instances_there_are() {
    everywhere(Kind::Skopeo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_does_not_notice_how_many_instances_there_are() {
    everywhere(Kind::Containerd).await;
}

/// docker begins a layer again when its connection breaks: the rest of the push goes through the other instance.
#[tokio::test(flavor = "multi_thread")]
async fn docker_goes_on_when_an_instance_is_killed_in_mid_push() {
    let mut scene = Scene::set(2).await;
    for node in &mut scene.cluster.nodes {
        node.link().set_flow(Flow::Slow(2_000_000));
    }
    let tool = Tool::at(Kind::Docker, &scene.destination()).await;
    let image = Image::random(&[4_000_000, 4_000_000]);
    let name = scene.destination().image("lab/survivor:v1");
    tool.prepare(&image, &name).await;
    let running = "pilotage_upload_running";
    let first = &scene.instances[0];
    let strike = async {
        until("a layer is on its way", SOON, async || {
            let nodes = first.nodes().await;
            let bytes = nodes
                .iter()
                .filter_map(|node| node["requests_in_flight"].as_u64());
            let busy = bytes.sum::<u64>() > 0 && first.metric(running).await > Some(0.0);
            busy.then_some(())
        })
        .await;
        first.process.signal(Signal::KILL);
    };
    let (pushed, ()) = tokio::join!(tool.push(&image, &name), strike);
    pushed.expect_success();
    for node in &mut scene.cluster.nodes {
        node.link().set_flow(Flow::Open);
    }
    tool.forget(&name).await;
    let pulled = tool.pull(&name).await;
    assert!(pulled.contains(&image.id()), "{pulled}");
}

/// Counts the commands that Redis got since the last call.
async fn spent(redis: &Redis, before: &mut BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let now: BTreeMap<_, _> = redis.commands().await.into_iter().collect();
    let fresh = now.iter().map(|(name, count)| {
        let old = before.get(name).copied().unwrap_or_default();
        (name.clone(), count - old)
    });
    let fresh = fresh.filter(|(_, count)| *count > 0).collect();
    *before = now;
    fresh
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_asked_little_and_holds_no_secret_and_nothing_for_ever() {
    let scene = Scene::set(2).await;
    let mut seen = BTreeMap::new();
    spent(&scene.redis, &mut seen).await;
    let tool = Tool::at(Kind::Docker, &scene.destination()).await;
    println!("login: {:?}", spent(&scene.redis, &mut seen).await);
    let image = Image::random(&[300_000, 2_000_000, 10]);
    let name = scene.destination().image("lab/counted:v1");
    tool.prepare(&image, &name).await;
    let begun = Instant::now();
    tool.push(&image, &name).await.expect_success();
    let push = spent(&scene.redis, &mut seen).await;
    println!("push of {} layers: {push:?}", image.layers.len());
    tool.forget(&name).await;
    tool.pull(&name).await;
    let pull = spent(&scene.redis, &mut seen).await;
    println!("pull of {} layers: {pull:?}", image.layers.len());
    let blobs = image.layers.len() as u64 + 1;
    let sum = |spent: &BTreeMap<String, u64>| spent.values().sum::<u64>();
    // Each instance says every ten seconds that it lives; and who logs in is looked up, which is a script as well.
    let beside = 4 + 2 * (1 + begun.elapsed().as_secs() / 10);
    // For each blob: whether it is there, who took it, and where its upload lives.
    assert!(sum(&push) <= blobs * 6 + beside, "{push:?}");
    assert!(sum(&pull) <= 4 + beside, "{pull:?}");
    // The manifest, by tag and by digest, at an instance that did not carry it.
    let asked = pull.get("get").copied().unwrap_or_default();
    let told = pull.get("set").copied().unwrap_or_default();
    assert!(
        asked <= 4 && told == 0,
        "a pull asks Redis nothing: {pull:?}"
    );

    let all = scene.redis.everything().await;
    assert!(all.len() > blobs as usize, "{all:?}");
    let target = scene.instances[0].target(Offer::Http1);
    let jwt = token(&target, Account::ADMIN, &["lab/counted"]).await;
    let secrets = [
        "builder",
        "Builder12345",
        "admin",
        "Harbor12345",
        "lab/counted",
        "counted",
        "sha256:",
        "_state",
        "eyJ",
        "sid=",
        "127.0.0.1",
    ];
    for (key, value, left) in &all {
        assert!(key.starts_with("pilotage:1:"), "{key}");
        assert!((1..=3_600_000).contains(left), "{key} lives {left} ms");
        for secret in secrets.iter().copied().chain([jwt.as_str()]) {
            assert!(
                !key.contains(secret) && !value.contains(secret),
                "{key} = {value}"
            );
        }
    }
    let bytes: usize = all
        .iter()
        .map(|(key, value, _)| key.len() + value.len())
        .sum();
    println!("{} keys, {bytes} bytes of keys and values", all.len());
    let (key, ..) = &all[0];
    let usage: usize = scene.redis.ask(&["MEMORY", "USAGE", key]).await;
    println!("{usage} bytes in Redis for one of them");
}
