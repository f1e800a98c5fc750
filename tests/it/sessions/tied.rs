//! A login is known to all instances before the browser hears of it.

use std::time::Duration;

use tokio::time::Instant;

use super::browser::Browser;
use super::pair::Pair;
use super::pinned::loners;
use crate::harness::balancer::config::Config;
use crate::harness::core::Account;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::recorder::{Received, answer};
use crate::harness::resp::{Manner, Resp};
use crate::shared::scene::{calls, fresh_key, redis_is};

/// A node that gives a session to whoever has none.
fn page(request: &Received) -> Vec<u8> {
    let cookie = [("Set-Cookie", "sid=0123456789abcdef; Path=/; HttpOnly")];
    let known = !request.values("cookie").is_empty();
    answer(200, if known { &[] } else { &cookie }, "a page")
}

async fn front(redis: &Resp, timeout: &str) -> Front {
    let front = Front::scripted(
        1,
        |config| {
            let key = config.folder().join("affinity.key");
            std::fs::write(&key, fresh_key()).unwrap();
            config.set("affinity", "key_file", key.to_str().unwrap());
            config.set("sessions", "mode", "pinned");
            config.set("redis", "url", redis.url());
            config.set("redis", "timeout", timeout);
        },
        |_, request| Some(page(request)),
    )
    .await;
    redis_is(&front.balancer, "up").await;
    front
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_begins_a_session_waits_until_others_can_know() {
    let redis = Resp::start().await;
    let front = front(&redis, "1s").await;
    let pause = Duration::from_millis(300);
    redis.set(Manner::Slow(pause));
    let begun = Instant::now();
    let first = front.h1().send(Request::get("/")).await.expect(200);
    assert!(first.header("set-cookie").is_some());
    assert!(begun.elapsed() >= pause, "{:?}", begun.elapsed());
    assert!(calls(&front.balancer, "keep_session", "done").await > 0.0);
    // One that goes on with it does not.
    let again = Request::get("/api/v2.0/systeminfo").header("Cookie", "sid=0123456789abcdef");
    front.h1().send(again).await.expect(200);
    assert!(calls(&front.balancer, "find_session", "missing").await < 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_keeps_few_of_them_and_none_for_long() {
    let redis = Resp::start().await;
    let deadline = Duration::from_secs(1);
    let front = front(&redis, "1s").await;
    redis.set(Manner::Slow(Duration::from_mins(10)));
    let mut kept = 0;
    for _ in 0..12 {
        let begun = Instant::now();
        let page = front.h1().send(Request::get("/")).await.expect(200);
        assert!(page.header("set-cookie").is_some());
        kept += u64::from(begun.elapsed() >= deadline);
    }
    // Three questions that fail end it; the rest is what a busy machine may do to a request.
    assert!((1..=6).contains(&kept), "{kept} of 12 waited");
    redis_is(&front.balancer, "away").await;
}

/// The next request comes to the other instance at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_at_one_instance_is_known_to_the_other_at_once() {
    let pair = Pair::over_redis(loners(), |config: &mut Config| {
        config.set("sessions", "mode", "pinned");
    })
    .await;
    for number in 0..30 {
        let mut browser = pair.browser_of(number % 2);
        browser.login(Account::ADMIN).await;
        let mut browser: Browser = browser.at(pair.target((number + 1) % 2));
        let user = browser.user().await;
        assert_eq!(user.as_deref(), Some("admin"), "login {number}");
    }
}
