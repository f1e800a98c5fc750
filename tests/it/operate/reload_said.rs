//! What a reload cannot change is said, and what the log shows changes with it.

use serde_json::{Value, json};

use super::{idle, reloads};
use crate::harness::balancer::config::Config;
use crate::harness::balancer::field;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::wait::{SOON, until};

type Change = fn(&mut Config);

/// Keys that need a restart, each with a change of it.
const FIXED: [(&str, Change); 12] = [
    ("state_folder", |config| {
        config.set("", "state_folder", "/tmp/elsewhere");
    }),
    ("threads", |config| {
        config.set("", "threads", 3);
    }),
    ("listener", |config| {
        config.set_listener("address", "127.0.0.1:1");
    }),
    ("log.format", |config| {
        config.set("log", "format", "text");
    }),
    ("log.queue", |config| {
        config.set("log", "queue", 99);
    }),
    ("admin.address", |config| {
        config.set("admin", "address", "127.0.0.1:2");
    }),
    ("limits.requests_per_connection", |config| {
        config.set("limits", "requests_per_connection", 77);
    }),
    ("limits.h2_streams", |config| {
        config.set("limits", "h2_streams", 7);
    }),
    ("limits.h2_window", |config| {
        config.set("limits", "h2_window", "1MiB");
    }),
    ("retry.budget_percent", |config| {
        config.set("retry", "budget_percent", 7);
    }),
    ("retry.budget_minimum", |config| {
        config.set("retry", "budget_minimum", 7);
    }),
    ("affinity.recent_lifetime", |config| {
        config.set("affinity", "recent_lifetime", "7s");
    }),
];

/// Whether a warning is about this key; one setting may bring another with it.
fn named(line: &Value, key: &str) -> bool {
    let keys = field(line, "key").as_str().unwrap_or_default();
    keys.split(", ").any(|one| one == key)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_that_needs_a_restart_is_named_by_the_reload() {
    let key = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        (1..=32).collect::<Vec<u8>>(),
    );
    let mut front = Front::start(|config| {
        let file = config.folder().join("keys");
        std::fs::write(&file, &key).unwrap();
        config.set("affinity", "key_file", file.to_str().unwrap());
    })
    .await;
    let good = front.balancer.config.clone();
    front.balancer.reload(|config| {
        config.set("limits", "connections", 999);
    });
    reloads(&front.balancer, "done", 1.0).await;
    let warned = |front: &Front| {
        let log = front.balancer.log().into_iter();
        let message = "these settings change only with a restart";
        log.filter(|line| field(line, "message") == message)
            .collect::<Vec<_>>()
    };
    assert!(warned(&front).is_empty(), "{:#?}", warned(&front));
    for (number, (key, change)) in FIXED.into_iter().enumerate() {
        // Back, and then the change: each of them differs in this key alone.
        for changed in [good.clone(), {
            let mut bad = good.clone();
            change(&mut bad);
            bad
        }] {
            let done = front
                .balancer
                .metric("pilotage_config_reloads_total{outcome=\"done\"}")
                .await
                .unwrap();
            front.balancer.reload(|config| *config = changed);
            reloads(&front.balancer, "done", done + 1.0).await;
        }
        let line = until(&format!("{key} is named"), SOON, async || {
            warned(&front)
                .into_iter()
                .rev()
                .find(|line| named(line, key))
        })
        .await;
        assert_eq!(line["level"], "WARN", "{number}");
    }
    front.serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_of_the_log_changes_with_a_reload() {
    let mut front = Front::start(|_| ()).await;
    front.serves().await;
    until("a record", SOON, async || {
        (front.balancer.access_log().len() == 1).then_some(())
    })
    .await;
    front.balancer.reload(|config| {
        config.set("log", "level", "info,access=off");
    });
    reloads(&front.balancer, "done", 1.0).await;
    for _ in 0..5 {
        front.serves().await;
    }
    idle(&front).await;
    front.balancer.reload(|config| {
        config.set("log", "level", json!("info"));
    });
    reloads(&front.balancer, "done", 2.0).await;
    front
        .h1()
        .send(Request::get("/v2/lab/app/tags/list"))
        .await
        .expect(200);
    until("a record of the last", SOON, async || {
        let records = front.balancer.access_log();
        records
            .iter()
            .any(|line| field(line, "route") == "tags")
            .then_some(())
    })
    .await;
    assert_eq!(front.balancer.access_log().len(), 2);
}
