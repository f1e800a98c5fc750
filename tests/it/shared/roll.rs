//! Instances know of each other through Redis.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::harness::balancer::Balancer;
use crate::harness::cluster::Cluster;
use crate::harness::redis::masters;
use crate::harness::scratch::Scratch;
use crate::harness::wait::until;

use super::scene::{Scene, redis_is};

/// An instance that died is listed for three rounds of ten seconds.
const LONG: Duration = Duration::from_secs(90);

async fn listed(instance: &Balancer) -> Vec<Value> {
    let page = instance.admin("/nodes").await.json();
    page["instances"].as_array().unwrap().clone()
}

async fn lists(instance: &Balancer, count: usize) -> Vec<Value> {
    let what = format!("{count} instances are listed");
    until(&what, LONG, async || {
        let all = listed(instance).await;
        (all.len() == count).then_some(all)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_list_each_other_for_as_long_as_they_live() {
    let scratch = Scratch::new();
    let masters = masters(&scratch).await;
    let all: Vec<_> = masters.iter().map(|one| one.address.to_string()).collect();
    let url = format!("redis+cluster://{}", all.join(","));
    let mut scene = Scene::with(2, Cluster::builder().nodes(1), |config| {
        config.set("redis", "url", url.as_str());
    })
    .await;
    let seen = [
        lists(&scene.instances[0], 2).await,
        lists(&scene.instances[1], 2).await,
    ];
    let ids = |list: &[Value]| -> BTreeSet<String> {
        let ids = list.iter().map(|one| one["id"].as_str().unwrap());
        ids.map(str::to_owned).collect()
    };
    assert_eq!(ids(&seen[0]), ids(&seen[1]));
    until("both are seen serving", LONG, async || {
        let all = listed(&scene.instances[0]).await;
        all.iter()
            .all(|one| one["stage"] == "serving")
            .then_some(())
    })
    .await;
    for one in &seen[0] {
        assert_eq!(one["version"], env!("CARGO_PKG_VERSION"));
        assert!(one["started"].as_u64().unwrap() > 1_700_000_000, "{one}");
        assert!(one["listeners"].as_u64().unwrap() >= 1, "{one}");
        assert_eq!(one.as_object().unwrap().len(), 5, "and no name: {one}");
    }
    scene.instances[0].process.kill();
    let left = lists(&scene.instances[1], 1).await;
    assert!(ids(&left).is_subset(&ids(&seen[1])));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_nobody_is_listed() {
    let mut scene = Scene::set(1).await;
    lists(&scene.instances[0], 1).await;
    scene.redis.process.kill();
    redis_is(&scene.instances[0], "away").await;
    assert!(listed(&scene.instances[0]).await.is_empty());
    scene.redis.start_again().await;
    lists(&scene.instances[0], 1).await;
}
