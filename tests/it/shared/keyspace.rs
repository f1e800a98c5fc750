//! Everything that Redis ever holds for the instances: of a kind that the manual lists, and gone within an hour.

use std::collections::BTreeSet;

use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::core::Account;
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;
use crate::harness::image::{Image, digest};
use crate::harness::link::{Door, Flow};
use crate::harness::scripted::{Client, location};
use crate::harness::wait::{SOON, until};
use crate::sessions::browser::Browser;

use super::scene::Scene;

/// The kinds of keys in the table of the manual.
fn listed() -> BTreeSet<String> {
    let table = include_str!("../../../conf/manual/redis.md").lines();
    let rows = table.filter(|line| line.starts_with("| `pilotage:1:"));
    let kinds = rows.flat_map(|row| {
        let names = row.split('|').nth(1).unwrap();
        let names = names.split('`').skip(1).step_by(2);
        names.map(|name| {
            let name = name.trim_start_matches("pilotage:1:");
            name.trim_end_matches(":...").to_owned()
        })
    });
    kinds.collect()
}

/// Notes the kinds of all keys, none of which lives for more than an hour.
async fn note(scene: &Scene, seen: &mut BTreeSet<String>) {
    for (key, _, left) in scene.redis.everything().await {
        // What expires in this very moment has no time left.
        assert!(left != -1, "{key} stays for ever");
        assert!(left <= 3_600_000, "{key} lives {left} ms");
        let kind = key.strip_prefix("pilotage:1:").unwrap();
        seen.insert(kind.split(':').next().unwrap().to_owned());
    }
}

/// As many limits as there are, none of which is reached.
async fn scene(mode: &str) -> Scene {
    let nodes = Cluster::builder();
    let scene = Scene::with(2, nodes, |config| {
        config.set("sessions", "mode", mode);
        // So few that what a request costs stays for a moment, and so many at once that nobody waits.
        for limit in ["requests_per_client", "requests_per_account"] {
            config.set("guard", limit, 1);
        }
        config.set("guard", "request_burst", "10m");
        for limit in ["transfers_per_client", "transfers_per_account"] {
            config.set("guard", limit, 50);
        }
    })
    .await;
    for node in &scene.cluster.nodes {
        node.switch(|switches| switches.wrong_password_ms = 0).await;
    }
    scene
}

async fn login(scene: &Scene, number: usize, password: &str) -> Answer {
    let target = scene.instances[number].target(Offer::Http1);
    let path = "/service/token?service=harbor-registry&account=builder";
    target
        .send(Request::get(path).basic("builder", password))
        .await
}

/// A push, a pull that is still under way when the keys are looked at, and its end.
async fn transfers(scene: &mut Scene, seen: &mut BTreeSet<String>) {
    let image = Image::random(&[2_000_000, 10]);
    let client = Client::new(scene.instances[0].target(Offer::Http1), Account::BUILDER);
    client.push("lab/kept", "v1", &image).await;
    note(scene, seen).await;
    let other = Client::new(scene.instances[1].target(Offer::Http1), Account::BUILDER);
    let layer = digest(&image.layers[0]);
    for node in &mut scene.cluster.nodes {
        node.link().set_flow(Flow::Slow(300_000));
    }
    let pull = tokio::spawn(async move { other.blob("lab/kept", &layer).await });
    until("a place is taken for the account", SOON, async || {
        note(scene, seen).await;
        seen.contains("tc").then_some(())
    })
    .await;
    for node in &mut scene.cluster.nodes {
        node.link().set_flow(Flow::Open);
    }
    assert_eq!(pull.await.unwrap().expect(200).body, image.layers[0]);
    // What a request costs its account is forgotten within a second.
    let small = digest(&image.layers[1]);
    until("the rates are seen", SOON, async || {
        client.blob("lab/kept", &small).await.expect(200);
        note(scene, seen).await;
        (seen.contains("ra") && seen.contains("rc")).then_some(())
    })
    .await;
}

/// Another node takes over an upload that is never committed.
async fn takeover(scene: &mut Scene) {
    let courier = scene.courier(0, Offer::Http1).await;
    let begun = courier.start("lab/left").await.expect(202);
    let holder = scene.holder(0, "lab/left").await;
    scene.cluster.nodes[holder].kill();
    let link = scene.cluster.nodes[holder].link();
    link.set_door(Door::Refusing).await;
    let patch = Request::new("PATCH", &location(&begun)).body(vec![7; 100_000]);
    courier.send(patch).await.expect(202);
}

async fn everything(mode: &str) -> BTreeSet<String> {
    let mut scene = scene(mode).await;
    let mut seen = BTreeSet::new();
    transfers(&mut scene, &mut seen).await;
    for number in 0..6 {
        let wrong = format!("wrong-{:08x}", fastrand::u32(..));
        login(&scene, number % 2, &wrong).await.expect(401);
        login(&scene, number % 2, "Builder12345").await.expect(200);
    }
    let both = (0..2).map(|number| scene.instances[number].target(Offer::Http1));
    let mut browser = Browser::new(both.collect());
    for _ in 0..2 {
        browser.open().await;
        let refused = browser.try_login(Account::ADMIN, "not-the-password").await;
        refused.expect(401);
        browser.login(Account::ADMIN).await;
        // In either mode here: these nodes share what they know.
        browser.works(4).await;
        note(&scene, &mut seen).await;
        browser.logout().await;
    }
    takeover(&mut scene).await;
    note(&scene, &mut seen).await;
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_for_more_than_an_hour_and_all_of_it_is_documented() {
    let listed = listed();
    let mut shared = everything("shared").await;
    let pinned = everything("pinned").await;
    assert!(!shared.contains("s"), "{shared:?}");
    shared.insert("s".to_owned());
    for seen in [shared, pinned] {
        assert_eq!(seen, listed, "seen, and listed in the manual");
    }
}
