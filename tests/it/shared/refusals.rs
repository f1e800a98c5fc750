//! A real client logs in, pushes and pulls while Redis refuses or takes ten seconds for each answer.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::cluster::Cluster;
use crate::harness::image::Image;
use crate::harness::resp::{Manner, Resp};
use crate::takeover::tool::{Kind, Tool};

use super::scene::{Scene, redis_is};

/// Logs in, pushes and pulls; gives how long that took.
async fn work(scene: &Scene, repository: &str) -> Duration {
    let begun = Instant::now();
    let tool = Tool::at(Kind::Skopeo, &scene.destination()).await;
    let image = Image::random(&[300_000, 2_000_000, 10]);
    let name = scene.destination().image(&format!("lab/{repository}:v1"));
    tool.prepare(&image, &name).await;
    tool.push(&image, &name).await.expect_success();
    tool.forget(&name).await;
    let pulled = tool.pull(&name).await;
    assert!(pulled.contains(&image.id()), "{pulled}");
    begun.elapsed()
}

/// The work goes on, and Redis is left alone meanwhile.
async fn bear(scene: &Scene, what: &str, usual: Duration) {
    let took = work(scene, what).await;
    println!("{what}: login, push and pull took {took:?}, usually {usual:?}");
    // Each instance waits for a few answers, and dozens are asked for; the rest is what a busy machine may do.
    assert!(
        took < usual * 3 + Duration::from_secs(30),
        "{what}: {took:?}"
    );
    for instance in &scene.instances {
        redis_is(instance, "away").await;
    }
}

async fn is_back(scene: &Scene) {
    for instance in &scene.instances {
        redis_is(instance, "up").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_do_not_notice_a_redis_that_takes_no_writes() {
    let scene = Scene::set(2).await;
    let usual = work(&scene, "usual").await;
    let redis = &scene.redis;
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    bear(&scene, "full", usual).await;
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    is_back(&scene).await;
    // A replica whose master nobody finds.
    redis.ask::<()>(&["REPLICAOF", "127.0.0.1", "1"]).await;
    bear(&scene, "readonly", usual).await;
    redis.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    is_back(&scene).await;
    work(&scene, "again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_do_not_notice_a_redis_that_is_loading_or_slow() {
    let redis = Resp::start().await;
    let url = redis.url();
    let scene = Scene::with(2, Cluster::builder(), |config| {
        config.set("redis", "url", url.as_str());
        config.set("redis", "timeout", "500ms");
    })
    .await;
    let usual = work(&scene, "usual").await;
    for (what, manner) in [
        (
            "loading",
            Manner::Refusing("LOADING Redis is loading the dataset in memory"),
        ),
        ("slow", Manner::Slow(Duration::from_secs(10))),
    ] {
        redis.set(manner);
        bear(&scene, what, usual).await;
        redis.set(Manner::Good);
        is_back(&scene).await;
    }
}
