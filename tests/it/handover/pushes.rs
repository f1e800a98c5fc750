//! Uploads that begin in one process and end in another.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::harness::balancer::field;
use crate::harness::certs::Offer;
use crate::harness::clients::Destination;
use crate::harness::clients::docker::Docker;
use crate::harness::clients::skopeo::Skopeo;
use crate::harness::cluster::Cluster;
use crate::harness::core::Account;
use crate::harness::image::Image;
use crate::harness::process::Process;
use crate::harness::uploads::{assert_own, begin, go_on};
use crate::registry::stage::{Stage, expect_stored};
use crate::shared::scene::{Scene, redis_is};
use crate::takeover::courier::{Courier, Form, Moment};

use super::{GONE, front};

async fn stage() -> Stage {
    Stage::with(Cluster::builder(), |config| {
        config.upgradable();
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_crosses_an_upgrade_at_every_moment() {
    let mut stage = stage().await;
    let courier = Courier::of(&stage.balancer, Offer::Http1, Account::ADMIN).await;
    for (form, answers) in [
        (Form::Streamed, &[202, 202, 201, 200][..]),
        (Form::Chunks, &[202, 202, 202, 202, 202, 201, 200]),
        (Form::Put, &[202, 201, 200]),
    ] {
        let content: Vec<u8> = (0..3 << 20).map(|_| fastrand::u8(..)).collect();
        let mut before = Vec::new();
        let upgrade = async |moment| match moment {
            Moment::Body(0 | 1 | 99 | 100) => {}
            Moment::Begun | Moment::Body(_) | Moment::Between | Moment::Committing => {
                before.push(stage.balancer.upgrade().await);
            }
        };
        let told = courier.push("lab/any", (&content, form), upgrade).await;
        let told: Vec<_> = told.iter().map(|answer| answer.status).collect();
        assert_eq!(told, answers, "{form:?}");
        assert!(before.len() >= 2, "{form:?}");
        for mut old in before {
            assert!(old.ended(GONE).await.success());
        }
    }
}

type Pushed = Vec<(String, Image)>;

async fn by_skopeo(destination: &Destination, enough: &AtomicBool) -> Pushed {
    let skopeo = Skopeo::new(destination);
    let login = skopeo.login("builder", "Builder12345").await;
    login.expect_success();
    let mut pushed = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let tag = format!("v{}", pushed.len());
        let image = Image::random(&[3 << 20, 1 << 20]);
        let name = destination.image(&format!("lab/skopeo:{tag}"));
        skopeo.push(&image, &name).await.expect_success();
        let pulled = skopeo.pull(&name).await.expect_success();
        assert_eq!(pulled.stdout, image.id());
        pushed.push((tag, image));
    }
    pushed
}

async fn by_docker(destination: &Destination, enough: &AtomicBool) -> Pushed {
    let docker = Docker::start(destination).await;
    let authority = destination.authority.as_str();
    let login = docker.login(authority, "builder", "Builder12345").await;
    login.expect_success();
    let mut pushed = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let tag = format!("v{}", pushed.len());
        let image = Image::random(&[3 << 20, 1 << 20]);
        let name = destination.image(&format!("lab/docker:{tag}"));
        docker.load(&image, &name).await.expect_success();
        docker.push(&name).await.expect_success();
        docker.remove(&name).await.expect_success();
        docker.pull(&name).await.expect_success();
        assert_eq!(docker.image_id(&name).await, image.id());
        pushed.push((tag, image));
    }
    pushed
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_and_skopeo_push_and_pull_through_upgrades() {
    let mut stage = stage().await;
    let destination = stage.balancer.destination();
    let enough = AtomicBool::new(false);
    let upgrades = async {
        let mut before: Vec<Process> = Vec::new();
        let uploads = |repository: &'static str| {
            move |record: &serde_json::Value| {
                field(record, "route") == "upload" && field(record, "repo") == repository
            }
        };
        for _ in 0..3 {
            // Both are in the middle of something when the next process comes.
            stage.balancer.records(3, uploads("lab/skopeo")).await;
            stage.balancer.records(3, uploads("lab/docker")).await;
            before.push(stage.balancer.upgrade().await);
        }
        enough.store(true, Ordering::Relaxed);
        before
    };
    let (skopeo, docker, before) = tokio::join!(
        by_skopeo(&destination, &enough),
        by_docker(&destination, &enough),
        upgrades
    );
    for (repository, pushed) in [("lab/skopeo", skopeo), ("lab/docker", docker)] {
        for (tag, image) in &pushed {
            expect_stored(&stage.storage(), repository, tag, image);
        }
    }
    for mut old in before {
        assert!(old.ended(GONE).await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_waits_until_it_has_redis() {
    let nodes = Cluster::builder();
    let mut scene = Scene::with(1, nodes, |config| {
        config.upgradable();
    })
    .await;
    for _ in 0..3 {
        let old = scene.instances[0].upgrade().await;
        let page = scene.instances[0].admin("/nodes").await.json();
        assert_eq!(page["redis"], "up");
        drop(old);
    }
    // And does not wait for ever.
    scene.redis.process.kill();
    let instance = &mut scene.instances[0];
    redis_is(instance, "away").await;
    instance.upgrade().await.ended(GONE).await;
    instance.admin("/readyz").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_no_file_can_hold_outlives_upgrades_and_reloads() {
    let mut front = front(2, |config| {
        let spool = config.folder().join("spool");
        config.set("spool", "folder", spool.to_str().unwrap());
        // Nothing can be made in there.
        config.extra = String::new();
        config.set("", "state_folder", json!("/proc/pilotage"));
    })
    .await;
    let upload = begin(&front.balancer).await;
    front.balancer.upgrade().await.ended(GONE).await;
    let upload = go_on(&front.balancer, &upload).await.expect("it goes on");
    front.balancer.reload(|_| ());
    front.balancer.says("settings reloaded").await;
    let upload = go_on(&front.balancer, &upload).await.expect("it goes on");
    front.balancer.upgrade().await.ended(GONE).await;
    go_on(&front.balancer, &upload).await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_first_bytes_stayed_behind_goes_on_and_is_told_as_unprotected() {
    let mut front = front(2, |_| ()).await;
    let empty = begin(&front.balancer).await;
    let begun = begin(&front.balancer).await;
    let begun = go_on(&front.balancer, &begun).await.expect("it goes on");
    front.balancer.upgrade().await.ended(GONE).await;
    let unprotected = "pilotage_upload_unprotected_total{reason=\"begun_elsewhere\"}";
    // Nothing of this one was kept anywhere, so that it can be kept here.
    go_on(&front.balancer, &empty).await.expect("it goes on");
    let count = front.balancer.metric(unprotected).await;
    assert_eq!(count.unwrap_or_default(), 0.0);
    go_on(&front.balancer, &begun).await.expect("it goes on");
    assert_eq!(front.balancer.metric(unprotected).await, Some(1.0));
    assert_own(&front, 3);
}
