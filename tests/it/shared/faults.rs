//! Redis is killed, stopped, empty, refuses or is slow: requests go on, and hardly wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::balancer::field;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::recorder::{Received, answer};
use crate::harness::redis::Redis;
use crate::harness::resp::{Manner, Resp};
use crate::harness::scratch::Scratch;

use super::scene::{calls, fresh_key, redis_is};

/// Longer than a busy machine takes for a request that does not wait.
const DEADLINE: Duration = Duration::from_secs(1);
const REQUESTS: usize = 60;

fn missing(_: usize, request: &Received) -> Option<Vec<u8>> {
    let unknown = "{\"errors\":[{\"code\":\"BLOB_UNKNOWN\"}]}";
    let json = [("Content-Type", "application/json")];
    (request.method == "HEAD").then(|| answer(404, &json, unknown))
}

async fn front(url: String) -> Front {
    let front = Front::scripted(
        1,
        |config| {
            let key = config.folder().join("affinity.key");
            std::fs::write(&key, fresh_key()).unwrap();
            config.set("affinity", "key_file", key.to_str().unwrap());
            config.set("redis", "url", url);
            config.set("redis", "timeout", format!("{}s", DEADLINE.as_secs()));
        },
        missing,
    )
    .await;
    redis_is(&front.balancer, "up").await;
    front
}

/// How long requests took that each have a question for Redis.
async fn ask(front: &Front) -> Vec<Duration> {
    let target = front.h1();
    let mut took = Vec::new();
    for number in 0..REQUESTS {
        let path = format!("/v2/lab/app/blobs/sha256:{:064x}", fastrand::u64(..));
        let began = Instant::now();
        target.send(Request::new("HEAD", &path)).await.expect(404);
        took.push(began.elapsed());
        assert!(number < REQUESTS);
    }
    took
}

/// Asks while something is wrong, and panics unless few requests wait, none longer than a deadline.
async fn bear(front: &Front, what: &str, usual: &[Duration]) {
    let mut usual = usual.to_vec();
    usual.sort_unstable();
    let median = usual[usual.len() / 2];
    let took = ask(front).await;
    let waited: Vec<_> = took.iter().filter(|one| **one >= DEADLINE).collect();
    let longest = took.iter().max().unwrap();
    let added: Duration = took.iter().map(|one| one.saturating_sub(median)).sum();
    println!(
        "{what}: {} of {REQUESTS} requests waited, the longest took {longest:?}, usually {median:?}, \
         {added:?} more in all",
        waited.len()
    );
    // Three questions that fail end it; the rest is what a busy machine may do to a request.
    assert!(waited.len() <= 6, "{what}: {took:?}");
    assert!(added < DEADLINE * 12, "{what}: {took:?}");
    redis_is(&front.balancer, "away").await;
    let ready = front.balancer.admin("/readyz").await.expect(200);
    assert_eq!(ready.text(), "ready, without redis\n");
    assert_eq!(
        front.balancer.metric("pilotage_affinity_redis_up").await,
        Some(0.0)
    );
    let again = ask(front).await;
    let waited = again.iter().filter(|one| **one >= DEADLINE).count();
    assert!(
        waited <= 2,
        "{what}: somebody asks a Redis that is away: {again:?}"
    );
    assert!(calls(&front.balancer, "find_write", "not_asked").await >= REQUESTS as f64);
}

fn told(front: &Front, message: &str) -> usize {
    let log = front.balancer.log();
    log.iter()
        .filter(|line| field(line, "message") == message)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_or_stopped_is_left_alone_and_found_again() {
    let scratch = Scratch::new();
    let mut redis = Redis::start(&scratch).await;
    let front = front(redis.url()).await;
    let usual = ask(&front).await;
    redis.process.pause();
    bear(&front, "stopped", &usual).await;
    redis.process.resume();
    redis_is(&front.balancer, "up").await;
    redis.process.kill();
    bear(&front, "killed", &usual).await;
    redis.start_again().await;
    redis_is(&front.balancer, "up").await;
    // Restarted empty: whatever it knew is missing, and nothing fails.
    let before = calls(&front.balancer, "find_write", "missing").await;
    ask(&front).await;
    let now = calls(&front.balancer, "find_write", "missing").await;
    assert!(now >= before + REQUESTS as f64);
    assert_eq!(told(&front, "redis is away: going on without it"), 2);
    assert_eq!(told(&front, "redis is up"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_or_is_slow_is_left_alone() {
    for manner in [
        Manner::Refusing("OOM command not allowed when used memory > 'maxmemory'."),
        Manner::Refusing("READONLY You can't write against a read only replica."),
        Manner::Refusing("LOADING Redis is loading the dataset in memory"),
        Manner::Refusing("NOAUTH Authentication required."),
        Manner::Slow(DEADLINE * 30),
    ] {
        let resp = Resp::start().await;
        let front = front(resp.url()).await;
        let usual = ask(&front).await;
        resp.set(manner);
        let before = resp.commands();
        bear(&front, &format!("{manner:?}"), &usual).await;
        // What it is asked meanwhile are probes.
        let asked = resp.commands() - before;
        assert!(asked < 40, "{manner:?}: {asked} commands");
        resp.set(Manner::Good);
        redis_is(&front.balancer, "up").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_in_the_file_nobody_asks_for_it() {
    let front = Front::scripted(1, |_| (), missing).await;
    ask(&front).await;
    assert_eq!(calls(&front.balancer, "find_write", "not_asked").await, 0.0);
    let page = front.balancer.admin("/nodes").await.json();
    assert_eq!(page["redis"], "off");
    assert_eq!(front.balancer.admin("/readyz").await.text(), "ready\n");
}
