//! A rescue, seen while it happens.

use serde_json::Value;

use super::window::Window;
use crate::harness::balancer::config::Config;
use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::core::Account;
use crate::harness::link::Door;
use crate::registry::stage::Stage;
use crate::takeover::courier::{Courier, Form, Moment};

const ROW: &str = "[data-key^='transfer-']";

fn hasty(config: &mut Config) {
    for timer in ["connect_timeout", "write_timeout", "read_timeout"] {
        config.set("upstream", timer, "3s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_node_is_killed_goes_on_before_everybodys_eyes() {
    let mut stage = Stage::with(Cluster::builder(), hasty).await;
    let courier = Courier::of(&stage.balancer, Offer::Http1, Account::ADMIN).await;
    let mut window = Window::open(&stage.balancer).await;
    window
        .sees("running", "No push and no pull is under way.")
        .await;
    let mut content = vec![0; 8_000_000];
    fastrand::fill(&mut content);
    let mut holder = String::new();
    let answers = courier.push(
        "lab/rescued",
        (&content, Form::Patched),
        async |moment| match moment {
            Moment::Body(50) => {
                window.sees_in(ROW, "Push lab/rescued").await;
                window.sees_in(ROW, "50 %, 4.0 MB of 8.0 MB").await;
                let bar = window
                    .chrome
                    .evaluate("document.querySelector('progress').value")
                    .await;
                assert_eq!(bar, 50);
                let node = window
                    .text_of(&format!("{ROW} [data-title='Node'] p"))
                    .await;
                let number = stage
                    .cluster
                    .nodes
                    .iter()
                    .position(|one| one.name == node)
                    .unwrap();
                let node = &mut stage.cluster.nodes[number];
                node.kill();
                node.link().set_door(Door::Refusing).await;
                holder.clone_from(&node.name);
            }
            Moment::Body(99) => {
                window.sees_in(ROW, "1 takeover").await;
                let node = window
                    .text_of(&format!("{ROW} [data-title='Node'] p"))
                    .await;
                assert_ne!(node, holder);
                window.sees("rescues", "Push of lab/rescued").await;
                window
                    .sees("rescues", &format!("{holder} → {node} because "))
                    .await;
                window.sees("alarms", &format!("{holder} is down")).await;
            }
            _ => {}
        },
    );
    let statuses: Vec<_> = answers.await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [202, 202, 201, 200]);
    window
        .sees("running", "No push and no pull is under way.")
        .await;
    window.sees_in(".rescued", "1 transfer").await;

    // The link of the rescue leads to the steps of the request.
    let link = "document.querySelector('#rescues a').getAttribute('href')";
    let link = window.chrome.evaluate(link).await;
    let request = stage
        .balancer
        .admin(link.as_str().unwrap())
        .await
        .expect(200)
        .json();
    assert_eq!(request["takeovers"], 1);
    let steps = request["steps"].as_array().unwrap();
    let taken = |step: &Value| step["step"] == "taken_over" && step["from"] == holder.as_str();
    assert!(steps.iter().any(taken), "{steps:#?}");
    window.expect_no_complaint();
}
