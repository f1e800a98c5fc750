//! The key that seals upload addresses: made once, kept, shared and rotated.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;

use super::reloads;
use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, program};
use crate::harness::front::Front;
use crate::harness::uploads::{assert_own, begin, go_on, script};

fn fresh_key() -> String {
    let mut key = [0; 32];
    fastrand::fill(&mut key);
    base64::engine::general_purpose::STANDARD.encode(key)
}

fn write_keys(file: &Path, keys: &[&str]) {
    std::fs::write(file, format!("# newest first\n{}\n", keys.join("\n"))).unwrap();
}

async fn assert_unknown(balancer: &Balancer, path: &str) {
    let refused = go_on(balancer, path)
        .await
        .expect_err("an upload that nobody knows");
    assert_eq!(refused.status, 404);
    assert_eq!(refused.error_code(), "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_on_the_first_start_and_uploads_outlive_a_restart() {
    let mut front = Front::scripted(2, |_| (), script).await;
    let file = front.scratch.path().join("balancer/state/affinity.key");
    let key = std::fs::read(&file).unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    let mut running = Vec::new();
    for _ in 0..6 {
        running.push(begin(&front.balancer).await);
    }
    front.balancer.restart().await;
    front.balancer.all_up(2).await;
    assert_eq!(std::fs::read(&file).unwrap(), key);
    for path in &running {
        let next = go_on(&front.balancer, path).await.expect("it goes on");
        go_on(&front.balancer, &next).await.expect("it goes on");
    }
    assert_own(&front, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_key_opens_until_it_leaves_the_list() {
    let (old, new) = (fresh_key(), fresh_key());
    let mut front = Front::scripted(
        2,
        |config| {
            let file = config.folder().join("keys");
            write_keys(&file, &[&old]);
            config.set("affinity", "key_file", file.to_str().unwrap());
        },
        script,
    )
    .await;
    let file = front.scratch.path().join("balancer/keys");
    let first = begin(&front.balancer).await;
    write_keys(&file, &[&new, &old]);
    front.balancer.reload(|_| ());
    reloads(&front.balancer, "done", 1.0).await;
    go_on(&front.balancer, &first)
        .await
        .expect("the old key still opens");
    let second = begin(&front.balancer).await;
    write_keys(&file, &[&new]);
    front.balancer.restart().await;
    front.balancer.all_up(2).await;
    assert_unknown(&front.balancer, &first).await;
    go_on(&front.balancer, &second)
        .await
        .expect("the newest key seals");
    // A list that cannot be used changes nothing.
    std::fs::write(&file, "short\n").unwrap();
    front.balancer.reload(|_| ());
    reloads(&front.balancer, "refused", 1.0).await;
    go_on(&front.balancer, &second)
        .await
        .expect("the keys of before stay");
    assert!(!front.balancer.process.stderr().contains(&new));
    assert_own(&front, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_with_the_same_keys_share_their_uploads_and_others_do_not() {
    let key = fresh_key();
    let front = Front::scripted(
        2,
        |config| {
            let file = config.folder().join("keys");
            write_keys(&file, &[&key]);
            config.set("affinity", "key_file", file.to_str().unwrap());
        },
        script,
    )
    .await;
    let start = async |name: &str, key: &str| {
        let folder = front.scratch.folder(name);
        write_keys(&folder.join("keys"), &[key]);
        let mut config = Config::new(&folder);
        config.set(
            "affinity",
            "key_file",
            folder.join("keys").to_str().unwrap(),
        );
        for (number, node) in (1..).zip(&front.nodes) {
            config.node(&format!("node-{number}"), &node.url());
        }
        let balancer = Balancer::start(&program(), &folder, config).await;
        balancer.all_up(2).await;
        balancer
    };
    let twin = start("twin", &key).await;
    let stranger = start("stranger", &fresh_key()).await;
    for _ in 0..4 {
        // The twins speak on other ports, so only path and query are the same.
        let path = begin(&front.balancer).await;
        let next = go_on(&twin, &path).await.expect("the twin goes on");
        go_on(&front.balancer, &next).await.expect("and back");
        assert_unknown(&stranger, &path).await;
    }
    let refused = stranger.metric("pilotage_affinity_tokens_refused_total{reason=\"forged\"}");
    assert_eq!(refused.await, Some(4.0));
    assert_own(&front, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_or_expired_address_is_an_unknown_upload() {
    let front = Front::scripted(
        2,
        |config| {
            config.set("affinity", "upload_lifetime", "1s");
        },
        script,
    )
    .await;
    let path = begin(&front.balancer).await;
    let (place, state) = path.split_once("?_state=").unwrap();
    let altered_at = |at: usize| {
        let other = if state[at..].starts_with('A') {
            "B"
        } else {
            "A"
        };
        format!("{place}?_state={}{other}{}", &state[..at], &state[at + 1..])
    };
    let altered = [
        altered_at(0),
        altered_at(state.len() / 2),
        altered_at(state.len() - 3),
        format!("{place}?_state="),
        place.to_owned(),
        format!("{}?_state={state}", place.replace("lab/app", "lab/other")),
        format!("{place}0?_state={state}"),
    ];
    for path in altered {
        assert_unknown(&front.balancer, &path).await;
    }
    crate::harness::wait::until("it is too old", crate::harness::wait::SOON, async || {
        go_on(&front.balancer, &path).await.err()
    })
    .await;
    assert_unknown(&front.balancer, &path).await;
    let expired = "pilotage_affinity_tokens_refused_total{reason=\"expired\"}";
    assert!(front.balancer.metric(expired).await.unwrap() >= 1.0);
}
