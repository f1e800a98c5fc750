//! Every way to Redis: alone, behind sentinels, as a cluster, with TLS and users, in each form of address.

use rustix::process::Signal;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::field;
use crate::harness::certs::Authority;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::recorder::{Received, answer};
use crate::harness::redis::{Redis, Watched, masters};
use crate::harness::scratch::Scratch;
use crate::harness::wait::{SOON, until};

use super::scene::{AWAY, calls, fresh_key, redis_is};

/// A manifest that is put is kept, one that is asked for is not there.
fn missing(_: usize, request: &Received) -> Option<Vec<u8>> {
    let error = "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}";
    let json = [("Content-Type", "application/json")];
    (request.method == "HEAD" || request.method == "GET").then(|| answer(404, &json, error))
}

async fn front(change: impl FnOnce(&mut Config)) -> Front {
    Front::scripted(
        1,
        |config| {
            let key = config.folder().join("affinity.key");
            std::fs::write(&key, fresh_key()).unwrap();
            config.set("affinity", "key_file", key.to_str().unwrap());
            config.set("redis", "timeout", "1s");
            change(config);
        },
        missing,
    )
    .await
}

/// Notes many things and asks for others: with many keys every slot of a cluster has its share.
async fn use_it(front: &Front, rounds: usize) {
    let before = calls(&front.balancer, "note_write", "done").await;
    let asked = calls(&front.balancer, "find_write", "missing").await;
    for number in 0..rounds {
        let path = format!("/v2/lab/app/manifests/{:x}-{number}", fastrand::u64(..));
        let put = Request::new("PUT", &path).body(format!("{{\"number\":{number}}}"));
        front.h1().send(put).await.expect(201);
        let other = format!("/v2/lab/app/manifests/gone-{number}");
        front.h1().send(Request::get(&other)).await.expect(404);
    }
    until("everything is noted", SOON, async || {
        let done = calls(&front.balancer, "note_write", "done").await;
        (done >= before + 2.0 * rounds as f64).then_some(())
    })
    .await;
    let now = calls(&front.balancer, "find_write", "missing").await;
    assert!(now >= asked + rounds as f64, "{asked} then {now}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_is_used_by_any_form_of_its_address() {
    let scratch = Scratch::new();
    let address = crate::harness::ports::free(crate::harness::ports::Subnet::take().host(1));
    let redis = Redis::with(&scratch, address, &["--requirepass", "hunter2"]).await;
    let harbors = scratch.write("harbor", format!("{address},100,hunter2,3,30\n"));
    let url = scratch.write("url", format!("redis://default:hunter2@{address}/3\n"));
    let password = scratch.write("password", "hunter2\n");
    for form in ["harbor", "url", "password"] {
        let front = front(|config| {
            match form {
                "harbor" => config.set("redis", "url_file", harbors.to_str().unwrap()),
                "url" => config.set("redis", "url_file", url.to_str().unwrap()),
                _ => config
                    .set("redis", "url", format!("redis://{address}/3"))
                    .set("redis", "password_file", password.to_str().unwrap()),
            };
        })
        .await;
        redis_is(&front.balancer, "up").await;
        assert_eq!(front.balancer.admin("/readyz").await.text(), "ready\n");
        use_it(&front, 3).await;
        assert!(!front.balancer.process.stderr().contains("hunter2"));
    }
    drop(redis);
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_lead_to_the_new_master() {
    let scratch = Scratch::new();
    let mut watched = Watched::start(&scratch).await;
    let front = front(|config| {
        config.set("redis", "url", watched.url());
    })
    .await;
    redis_is(&front.balancer, "up").await;
    use_it(&front, 3).await;
    watched.servers[0].process.kill();
    front.balancer.says(AWAY).await;
    redis_is(&front.balancer, "up").await;
    use_it(&front, 3).await;
    let role: Vec<redis::Value> = watched.servers[1].ask(&["ROLE"]).await;
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()));
    let kept = watched.servers[1].everything().await;
    assert!(kept.len() > 6, "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_each_key_where_it_belongs() {
    let scratch = Scratch::new();
    let mut masters = masters(&scratch).await;
    let all: Vec<_> = masters.iter().map(|one| one.address.to_string()).collect();
    let front = front(|config| {
        config.set("redis", "url", format!("redis+cluster://{}", all.join(",")));
    })
    .await;
    redis_is(&front.balancer, "up").await;
    use_it(&front, 30).await;
    for master in &masters {
        let size: usize = master.ask(&["DBSIZE"]).await;
        assert!(size > 3, "{size}");
    }
    // Without one of its masters it serves nobody; requests do not wait for it.
    masters[1].process.kill();
    until("the cluster is given up", SOON, async || {
        let path = format!("/v2/lab/app/manifests/{:x}", fastrand::u64(..));
        front.h1().send(Request::get(&path)).await.expect(404);
        let page = front.balancer.admin("/nodes").await.json();
        (page["redis"] == "away").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_a_certificate_and_a_user_of_few_rights_is_enough() {
    let scratch = Scratch::new();
    let authority = Authority::new();
    let redis = Redis::secured(&scratch, &authority, "s3cret-of-edge").await;
    let ca = scratch.write("ca.crt", authority.pem());
    let shown = authority.issue_client("edge");
    let (chain, key) = shown.write(scratch.path(), "edge");
    let password = scratch.write("password", "s3cret-of-edge\n");
    let secured = |config: &mut Config| {
        config.set("redis", "url", format!("rediss://edge@{}", redis.address));
        config.set("redis", "password_file", password.to_str().unwrap());
        config.set("redis", "ca_file", ca.to_str().unwrap());
        config.set("redis", "chain_file", chain.to_str().unwrap());
        config.set("redis", "key_file", key.to_str().unwrap());
    };
    let good = front(secured).await;
    redis_is(&good.balancer, "up").await;
    use_it(&good, 3).await;
    // Scripts are among what it may do: they ask Redis for the time.
    let login = Request::get("/v2/lab/app/manifests/v1").basic("builder", "Builder12345");
    good.h1().send(login).await.expect(404);
    for call in ["roll", "script"] {
        assert!(calls(&good.balancer, call, "done").await > 0.0, "{call}");
        assert!(calls(&good.balancer, call, "refused").await < 1.0, "{call}");
    }
    let stranger = scratch.write("stranger.crt", Authority::new().pem());
    let distrusting = front(|config| {
        secured(config);
        config.set("redis", "ca_file", stranger.to_str().unwrap());
    })
    .await;
    distrusting.balancer.says(AWAY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_once_and_a_reload_mends_it() {
    let scratch = Scratch::new();
    let address = crate::harness::ports::free(crate::harness::ports::Subnet::take().host(1));
    let _redis = Redis::with(&scratch, address, &["--requirepass", "right"]).await;
    let password = scratch.write("password", "wrong\n");
    let mut front = front(|config| {
        config.set("redis", "url", format!("redis://{address}"));
        config.set("redis", "password_file", password.to_str().unwrap());
    })
    .await;
    let told = front.balancer.says(AWAY).await;
    let reason = field(&told, "reason").as_str().unwrap().to_owned();
    assert!(
        reason.contains("auth") || reason.contains("wrongpass"),
        "{reason}"
    );
    let ready = front.balancer.admin("/readyz").await.expect(200);
    assert_eq!(ready.text(), "ready, without redis\n");
    for _ in 0..3 {
        front
            .h1()
            .send(Request::get("/v2/lab/app/manifests/v1"))
            .await
            .expect(404);
    }
    std::fs::write(&password, "right\n").unwrap();
    front.balancer.reload(|_| ());
    redis_is(&front.balancer, "up").await;
    let log = front.balancer.log();
    let times = log.iter().filter(|line| field(line, "message") == AWAY);
    assert_eq!(times.count(), 1);
    // A reload that changes nothing about Redis keeps the link.
    front.balancer.reload(|config| {
        config.set("log", "level", "debug");
    });
    until("reloaded twice", SOON, async || {
        let log = front.balancer.log();
        let done = log
            .iter()
            .filter(|line| field(line, "message") == "settings reloaded");
        (done.count() == 2).then_some(())
    })
    .await;
    use_it(&front, 2).await;
    front.balancer.reload(|config| {
        config.set("redis", "url", "");
        config.set("redis", "password_file", "");
    });
    redis_is(&front.balancer, "off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_redis_at_the_start() {
    let nowhere = crate::harness::ports::free(crate::harness::ports::Subnet::take().host(1));
    let mut front = front(|config| {
        config.set("redis", "url", format!("redis://{nowhere}"));
    })
    .await;
    front.balancer.says(AWAY).await;
    front.h1().send(Request::get("/")).await.expect(404);
    front.balancer.process.signal(Signal::TERM);
    front.balancer.process.ended(SOON).await;
}
