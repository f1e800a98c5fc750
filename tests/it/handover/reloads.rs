//! Settings and certificates change all the time, and no client notices.

use crate::entrance::certificates::shown;
use crate::harness::balancer::config::Config;
use crate::harness::cluster::PUBLIC_NAME;
use crate::harness::http::h2;
use crate::harness::load::{Load, Trickle};
use crate::harness::uploads::{begin, blob};
use crate::operate::reloads;

use super::{LONG, front};

const NAMES: [&str; 3] = [PUBLIC_NAME, "localhost", "127.0.0.1"];

/// Something else in each round: nodes, weights, limits, timers, TLS, log.
fn change(config: &mut Config, round: usize, spare: &str) {
    config.nodes.retain(|node| node["name"] != "node-3");
    if round.is_multiple_of(2) {
        config.node("node-3", spare);
    }
    config.set_node("node-1", "weight", 50 + round);
    config.set_node("node-2", "drain", round.is_multiple_of(3));
    config.set("limits", "header_size", format!("{}KiB", 16 + round));
    config.set("limits", "idle_timeout", format!("{}s", 60 + round));
    config.set("upstream", "read_timeout", format!("{}s", 15 + round));
    config.set("health", "down_after", 2 + round % 5);
    config.set("retry", "attempts", 2 + round % 3);
    config.set_listener("minimum_tls", ["1.2", "1.3"][round % 2]);
    config.set("log", "level", ["info", "debug"][round % 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_reloads_with_a_new_certificate_each_fail_nothing_under_load() {
    let mut front = front(3, |_| ()).await;
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    let loads = [(); 2].map(|()| Load::start(&front.h1(), &front.h2(), "/v2/lab/app/tags/list"));
    let pulls = [
        Trickle::download(&front.h1(), &blob()),
        Trickle::download_h2(&client, &blob()),
    ];
    let push = Trickle::upload(&front.h1(), &begin(&front.balancer).await);
    let put = Trickle::upload_h2(&client, "/api/v2.0/projects/1");
    let spare = front.nodes[2].url();
    let mut certificate = Vec::new();
    for round in 1..=50 {
        certificate = front.balancer.replace_certificate(&NAMES).der;
        front
            .balancer
            .reload(|config| change(config, round, &spare));
        reloads(&front.balancer, "done", round as f64).await;
        for load in &loads {
            load.goes_on(5).await;
        }
    }
    assert_eq!(shown(&front.balancer).await, certificate);
    for one in [&push, &put] {
        one.goes_on().await;
    }
    for pull in pulls {
        assert_eq!(pull.finish().await.bytes, LONG as u64);
    }
    assert_eq!(push.finish().await.status, 202);
    assert_eq!(put.finish().await.status, 200);
    for load in loads {
        load.finish_without_failure().await;
    }
    let refused = "pilotage_config_reloads_total{outcome=\"refused\"}";
    assert!(
        front
            .balancer
            .metric(refused)
            .await
            .is_none_or(|count| count == 0.0)
    );
}
