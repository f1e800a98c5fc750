//! Pictures for the documentation, of a registry at work. They go to `target/pictures`, or to the folder that
//! `PILOTAGE_SCREENSHOTS` names.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::window::Window;
use crate::harness::balancer::config::Config;
use crate::harness::certs::Offer;
use crate::harness::cluster::{Cluster, PUBLIC_NAME};
use crate::harness::core::Account;
use crate::harness::image::digest;
use crate::harness::link::{Door, Flow};
use crate::harness::wait::found;
use crate::registry::stage::Stage;
use crate::takeover::courier::{Courier, Form};

fn folder() -> PathBuf {
    let wanted = std::env::var_os("PILOTAGE_SCREENSHOTS").map(PathBuf::from);
    let target = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/pictures");
    let folder = wanted.unwrap_or_else(target);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn content(megabytes: usize) -> Vec<u8> {
    let mut content = vec![0; megabytes * 1_000_000];
    fastrand::fill(&mut content);
    content
}

fn configured(config: &mut Config) {
    config.set("public", "names", serde_json::json!([PUBLIC_NAME]));
}

/// Pushes that go on for as long as somebody looks.
async fn pushes(stage: &Stage, sizes: &[(&'static str, usize)]) -> Vec<JoinHandle<()>> {
    let mut running = Vec::new();
    for (repository, megabytes) in sizes {
        let courier = Courier::of(&stage.balancer, Offer::Http1, Account::ADMIN).await;
        let (repository, content) = (*repository, content(*megabytes));
        running.push(tokio::spawn(async move {
            courier
                .push(repository, (&content, Form::Patched), async |_| ())
                .await;
        }));
    }
    running
}

/// The page in all its forms, and the question that a button asks.
async fn take(window: &mut Window) {
    let folder = folder();
    for (name, width, scheme) in [
        ("page-light", 1280, "light"),
        ("page-dark", 1280, "dark"),
        ("page-phone", 360, "light"),
    ] {
        window.prefers(scheme).await;
        window.is_wide(width).await;
        let file = folder.join(format!("{name}.png"));
        window.picture(&file, TALLEST).await;
        assert!(
            std::fs::metadata(&file).unwrap().len() > 20_000,
            "{name} is empty"
        );
    }
    window.is_wide(1000).await;
    window.click("[data-act='drain']").await;
    window.sees("question", "is given nothing new").await;
    window.picture(&folder.join("page-question.png"), 620).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_at_work_is_a_picture() {
    let mut stage = Stage::with(Cluster::builder(), configured).await;
    let courier = Courier::of(&stage.balancer, Offer::Http1, Account::ADMIN).await;
    let layer = content(64);
    courier
        .push("lab/base", (&layer, Form::Patched), async |_| ())
        .await;
    let mut window = Window::open(&stage.balancer).await;
    for node in &mut stage.cluster.nodes {
        node.link().set_flow(Flow::Slow(700_000));
    }
    let mut running = pushes(
        &stage,
        &[("lab/web", 60), ("lab/worker", 80), ("lab/models", 120)],
    )
    .await;
    let path = format!("/v2/lab/base/blobs/{}", digest(&layer));
    for _ in 0..2 {
        let puller = Courier::of(&stage.balancer, Offer::Http1, Account::ADMIN).await;
        let path = path.clone();
        running.push(tokio::spawn(async move {
            drop(puller.pull(&path, None, async |_| ()).await);
        }));
    }
    window.sees("running", "lab/models").await;
    window.sees("running", "Pull").await;
    window.sees("running", "%").await;
    // A curve takes time, which only a picture that is kept is worth.
    if std::env::var_os("PILOTAGE_SCREENSHOTS").is_some() {
        let _over = found(Duration::from_mins(1), async || None::<()>).await;
    }
    let lost = window
        .text_of("[data-key^='transfer-'] [data-title='Node'] p")
        .await;
    let node = stage
        .cluster
        .nodes
        .iter_mut()
        .find(|node| node.name == lost)
        .unwrap();
    node.kill();
    node.link().set_door(Door::Refusing).await;
    window.sees("running", "1 takeover").await;
    window.sees("rescues", &format!("{lost} → ")).await;
    window.sees("alarms", &format!("{lost} is down")).await;
    window
        .is(
            "curves are drawn",
            "document.querySelector('.curve polygon')",
        )
        .await;
    take(&mut window).await;
    for push in running {
        push.abort();
    }
    window.expect_no_complaint();
}

/// A phone shows more than a reader of the documentation wants to scroll through.
const TALLEST: u32 = 1400;
