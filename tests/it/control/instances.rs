//! What is said to all instances, through Redis.

use serde_json::json;

use super::maintenance::maintain;
use crate::harness::balancer::{Balancer, field};
use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::wait::{SOON, until};
use crate::shared::scene::{Scene, redis_is};

/// Waits until an instance refuses pushes, or takes them.
async fn pushes_are(instance: &Balancer, on: bool) {
    until("the instance has heard of it", SOON, async || {
        let page = instance.admin("/v1/maintenance").await.json();
        (page["on"] == on).then_some(())
    })
    .await;
}

async fn push(instance: &Balancer) -> u16 {
    let target = instance.target(Offer::Http1);
    let start = Request::new("POST", "/v2/lab/app/blobs/uploads/");
    target
        .send(start.basic("admin", "Harbor12345"))
        .await
        .status
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_of_all_reaches_every_instance_and_outlives_the_one_that_said_it() {
    let mut scene = Scene::set(2).await;
    let told = maintain(&scene.instances[0], true, "all")
        .await
        .expect(200)
        .json();
    assert!(
        told["note"].as_str().unwrap().contains("12 hours"),
        "{told}"
    );
    let (since, until) = (&told["all"]["since"], &told["all"]["until"]);
    assert_eq!(until.as_u64().unwrap() - since.as_u64().unwrap(), 12 * 3600);
    assert_eq!(
        push(&scene.instances[0]).await,
        503,
        "at once where it was said"
    );
    pushes_are(&scene.instances[1], true).await;
    assert_eq!(push(&scene.instances[1]).await, 503);
    let line = scene.instances[1]
        .says("maintenance of all instances changed")
        .await;
    assert_eq!(field(&line, "to"), "on");
    assert_eq!(field(&line, "by"), "127.0.0.1 without credentials");
    // One that starts later hears of it too.
    scene.instances[0].restart().await;
    redis_is(&scene.instances[0], "up").await;
    pushes_are(&scene.instances[0], true).await;

    maintain(&scene.instances[1], false, "all")
        .await
        .expect(200);
    assert_eq!(push(&scene.instances[1]).await, 202);
    pushes_are(&scene.instances[0], false).await;
    assert_eq!(push(&scene.instances[0]).await, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_what_was_said_goes_on_and_nothing_new_is_said_to_all() {
    let mut scene = Scene::set(2).await;
    maintain(&scene.instances[0], true, "all").await.expect(200);
    pushes_are(&scene.instances[1], true).await;
    scene.redis.process.kill();
    for instance in &scene.instances {
        redis_is(instance, "away").await;
        assert_eq!(push(instance).await, 503);
    }
    let away = maintain(&scene.instances[0], false, "all")
        .await
        .expect(503)
        .json();
    assert!(
        away["error"]["what"]
            .as_str()
            .unwrap()
            .contains("Redis is away"),
        "{away}"
    );
    // One instance can still be told for itself.
    let own = maintain(&scene.instances[0], true, "instance")
        .await
        .expect(200)
        .json();
    assert!(own["instance"].is_object(), "{own}");
    // A Redis that comes back empty has forgotten it, which is the word that counts.
    scene.redis.start_again().await;
    redis_is(&scene.instances[1], "up").await;
    pushes_are(&scene.instances[1], false).await;
    let page = scene.instances[0].admin("/v1/maintenance").await.json();
    assert_eq!(
        (&page["on"], &page["instance"]["message"]),
        (&json!(true), &own["message"])
    );
}
