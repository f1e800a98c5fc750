//! What the page shows, how it looks, and who can use it.

use super::window::{Scripts, Window};
use crate::harness::cluster::Cluster;
use crate::harness::link::Door;
use crate::harness::wait::{SOON, until};
use crate::registry::stage::Stage;
use crate::shared::scene::Scene;

/// The row of a node.
fn row(name: &str) -> String {
    format!("[data-key='node-{name}']")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_turns_down_while_somebody_looks() {
    let mut stage = Stage::set().await;
    let mut window = Window::open(&stage.balancer).await;
    window.sees_in(&row("node-2"), "up").await;
    window.sees("alarms", "Nothing needs you.").await;
    window.chrome.evaluate("window.neverReloaded = true").await;
    let node = &mut stage.cluster.nodes[1];
    node.kill();
    node.link().set_door(Door::Refusing).await;
    window.sees_in(&row("node-2"), "down").await;
    window.sees("alarms", "node-2 is down").await;
    window
        .is("the title says so", "document.title.startsWith('1 alarm')")
        .await;
    let state = window.text_of(&format!("{} .state", row("node-1"))).await;
    assert_eq!(state, "up");
    node.start_again().await;
    node.link().set_door(Door::Open).await;
    window.sees("alarms", "Nothing needs you.").await;
    window
        .is("it is the same page", "window.neverReloaded")
        .await;
    window.expect_no_complaint();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_numbers_are_there_without_a_script() {
    let stage = Stage::with(Cluster::builder().nodes(2), |_| ()).await;
    let mut window = Window::closed(&stage.balancer).await;
    // The second look at the counters is what makes a rate.
    until("there are rates", SOON, async || {
        window.load(Scripts::Off).await;
        let traffic = window.text("traffic").await;
        (!traffic.contains('–')).then_some(())
    })
    .await;
    for (part, text) in [
        ("fleet", "node-1"),
        ("fleet", "node-2"),
        ("fleet", "database"),
        ("state", "All is well"),
        ("traffic", "0 /s"),
        ("running", "No push and no pull is under way."),
        ("process", env!("CARGO_PKG_VERSION")),
        ("link", "load the page again"),
    ] {
        window.sees(part, text).await;
    }
    let shown =
        "[...document.querySelectorAll('button')].filter((one) => one.checkVisibility()).length";
    assert_eq!(
        window.chrome.evaluate(shown).await,
        0,
        "nothing is offered that cannot work"
    );
    window.expect_no_complaint();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_fits_a_phone_and_a_dark_room() {
    let stage = Stage::with(Cluster::builder().nodes(2), |_| ()).await;
    let mut window = Window::open(&stage.balancer).await;
    let ground = "getComputedStyle(document.body).backgroundColor";
    window.prefers("light").await;
    let light = window.chrome.evaluate(ground).await;
    window.prefers("dark").await;
    assert_ne!(window.chrome.evaluate(ground).await, light);
    for width in [360, 768, 1280, 1920] {
        window.is_wide(width).await;
        let beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(window.chrome.evaluate(beyond).await, 0, "at {width}");
        let cut = "[...document.querySelectorAll('td, th.name, .tile, li, p, h2')].filter((one) => \
                   one.checkVisibility() && !one.closest('dialog') && one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)\
                   .map((one) => one.outerHTML.slice(0, 120))";
        assert_eq!(
            window.chrome.evaluate(cut).await,
            serde_json::json!([]),
            "at {width}"
        );
    }
    window.expect_no_complaint();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_finds_landmarks_headings_and_tables() {
    let stage = Stage::with(Cluster::builder().nodes(2), |_| ()).await;
    let mut window = Window::open(&stage.balancer).await;
    for width in [1280, 360] {
        window.is_wide(width).await;
        let heard = window.heard_by_a_reader().await;
        for (role, name) in [
            ("banner", ""),
            ("main", ""),
            ("contentinfo", ""),
            ("navigation", "Other pages"),
            ("status", "Alarms"),
            ("region", "Fleet"),
            ("heading", "pilotage"),
            ("heading", "Fleet"),
            ("heading", "Under way"),
            ("table", "Fleet"),
            ("rowheader", "node-1 "),
            ("button", "Drain node-2"),
            ("link", "Skip to the fleet"),
        ] {
            let found = heard.iter().any(|(heard_role, heard_name)| {
                heard_role == role && heard_name.starts_with(name.trim_end())
            });
            assert!(found, "no {role} {name:?} at {width} in {heard:#?}");
        }
        // A header of a column that has nothing to say is worse than none.
        for (role, name) in heard {
            let speaks = ["columnheader", "button", "link", "heading", "progressbar"];
            assert!(
                !speaks.contains(&role.as_str()) || !name.is_empty(),
                "a {role} without a name"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_meet_in_redis_are_shown() {
    let mut scene = Scene::set(2).await;
    let mut window = Window::open(&scene.instances[0]).await;
    // Each answers the roll every ten seconds.
    let both = "document.querySelectorAll('#instances tbody tr').length === 2";
    window.is("both are listed", both).await;
    window.sees("instances", "serving").await;
    window.sees("process", "Redis up").await;
    scene.redis.process.kill();
    window.sees("alarms", "Redis is away").await;
    window.sees("instances", "knows of no other").await;
    window.expect_no_complaint();
}
