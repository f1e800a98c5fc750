//! Clients push and pull without a pause while nodes die, hang and come back at random moments, one at a
//! time, and the balancer reads its file again: nothing may fail, and nothing may pile up.
//!
//! `PILOTAGE_CHAOS_SECONDS` says how long; a minute when it does not.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::http::Request;
use crate::harness::image::{Image, MANIFEST_TYPE, digest};
use crate::harness::link::End;
use crate::harness::node::Common;
use crate::harness::wait::{SOON, until};

use super::courier::{Courier, Ending, Form};
use super::survive::{expect_answers, fresh, random};
use super::trial::{Fault, Trial};

/// Blobs that were pushed and may be pulled: path and content.
type Shelf = Mutex<Vec<(String, Arc<Vec<u8>>)>>;

/// What the clients share.
#[derive(Debug, Default)]
struct Work {
    shelf: Shelf,
    stop: AtomicBool,
    pushed: AtomicU64,
    pulled: AtomicU64,
}

impl Work {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn put(&self, path: String, content: Vec<u8>) {
        let mut shelf = self.shelf.lock().unwrap();
        if shelf.len() >= SHELF {
            let place = fastrand::usize(..SHELF);
            shelf.swap_remove(place);
        }
        shelf.push((path, Arc::new(content)));
        self.pushed.fetch_add(1, Ordering::Relaxed);
    }

    fn pick(&self) -> Option<(String, Arc<Vec<u8>>)> {
        let shelf = self.shelf.lock().unwrap();
        fastrand::choice(shelf.iter()).cloned()
    }
}

const SHELF: usize = 20;

/// Small, middling and large blobs.
fn size() -> usize {
    match fastrand::u8(..10) {
        0..4 => fastrand::usize(1..50_000),
        4..8 => fastrand::usize(50_000..2_000_000),
        _ => fastrand::usize(2_000_000..8_000_000),
    }
}

/// Pushes blobs in every form, now and then a whole image.
async fn push_on(courier: Courier, work: Arc<Work>) {
    while work.goes_on() {
        let forms = [Form::Streamed, Form::Patched, Form::Put, Form::Chunks];
        let (repository, content, form) =
            (fresh(), random(size()), *fastrand::choice(&forms).unwrap());
        let push = courier.push(&repository, (&content, form), async |_| ());
        expect_answers(&push.await, form, &content);
        let path = format!("/v2/{repository}/blobs/{}", digest(&content));
        work.put(path, content);
        if fastrand::u8(..4) == 0 {
            publish(&courier, &repository).await;
        }
    }
}

async fn publish(courier: &Courier, repository: &str) {
    let image = Image::random(&[30_000]);
    for content in image.layers.iter().chain([&image.config]) {
        let push = courier.push(repository, (content, Form::Put), async |_| ());
        expect_answers(&push.await, Form::Put, content);
    }
    let path = format!("/v2/{repository}/manifests/v1");
    let put = Request::new("PUT", &path).header("Content-Type", MANIFEST_TYPE);
    courier.send(put.body(image.manifest())).await.expect(201);
    let get = Request::get(&path).header("Accept", MANIFEST_TYPE);
    let got = courier.send(get).await.expect(200);
    assert!(got.complete && got.body == image.manifest());
}

/// Pulls blobs, whole or in part.
async fn pull_on(courier: Courier, work: Arc<Work>) {
    while work.goes_on() {
        let Some((path, content)) = work.pick() else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let from = if fastrand::bool() {
            0
        } else {
            fastrand::usize(..content.len())
        };
        let range = (from > 0).then(|| format!("bytes={from}-"));
        let (answer, ending) = courier.pull(&path, range.as_deref(), async |_| ()).await;
        let status = if from > 0 { 206 } else { 200 };
        assert_eq!(
            (answer.status, ending),
            (status, Ending::Proper),
            "{path} from {from}"
        );
        assert!(
            answer.body == content[from..],
            "wrong bytes of {path} from {from}"
        );
        work.pulled.fetch_add(1, Ordering::Relaxed);
    }
}

/// Something befalls one node for a while; says what.
async fn torment(trial: &mut Trial) -> String {
    let victim = fastrand::usize(..3);
    let what = match fastrand::u8(..7) {
        0 | 1 => {
            trial.strike(victim, Fault::Killed).await;
            "killed"
        }
        2 | 3 => {
            trial.strike(victim, Fault::Stopped).await;
            "stopped"
        }
        4 => {
            trial.node(victim).registry.kill();
            "registry killed"
        }
        5 => {
            trial.node(victim).core.kill();
            "core killed"
        }
        _ => {
            let end = if fastrand::bool() {
                End::Reset
            } else {
                End::Close
            };
            trial.node(victim).link().cut_all(end);
            "cut off"
        }
    };
    sleep(Duration::from_millis(fastrand::u64(50..2500))).await;
    trial.heal().await;
    format!("node-{} {what}", victim + 1)
}

/// What the balancer holds: memory in kilobytes, descriptors, and files of the spool.
#[derive(Debug, Clone, Copy)]
struct Held {
    memory: u64,
    descriptors: usize,
    kept: usize,
}

impl Held {
    fn by(trial: &Trial) -> Self {
        let process = format!("/proc/{}", trial.stage.balancer.process.id());
        let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let memory = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let entries = std::fs::read_dir(format!("{process}/fd")).unwrap();
        let open = entries
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .collect::<Vec<_>>();
        let is_kept = |file: &&std::path::PathBuf| file.to_string_lossy().contains("/spool/");
        Self {
            memory,
            descriptors: open.len(),
            kept: open.iter().filter(is_kept).count(),
        }
    }
}

/// Clients at work.
async fn hire(trial: &Trial, work: &Arc<Work>) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for offer in [Offer::Http1, Offer::Http2] {
        for _ in 0..2 {
            clients.spawn(push_on(trial.courier(offer).await, work.clone()));
        }
        clients.spawn(pull_on(trial.courier(offer).await, work.clone()));
    }
    clients
}

fn length() -> Duration {
    let told = std::env::var("PILOTAGE_CHAOS_SECONDS").ok();
    let seconds = told.map_or(60, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_and_nothing_piles_up_whatever_befalls_one_node_at_a_time() {
    let mut trial = Trial::with(Common::Shared, Cluster::builder(), |config| {
        // The machine is busy with many things.
        config.set("upstream", "write_timeout", "3s");
        config.set("upstream", "read_timeout", "3s");
        config.set("upstream", "commit_timeout", "5s");
        config.set("retry", "patience", "30s");
        // What rests is given back soon.
        config.set("upstream", "idle_timeout", "5s");
    })
    .await;
    let work = Arc::<Work>::default();
    let mut clients = hire(&trial, &work).await;
    let warm = |work: &Work| work.pulled.load(Ordering::Relaxed) > 40;
    until("the clients are at work", SOON * 3, async || {
        warm(&work).then_some(())
    })
    .await;
    let before = Held::by(&trial);
    let (began, mut befell, mut reloads) = (Instant::now(), Vec::new(), 0);
    while began.elapsed() < length() {
        befell.push(torment(&mut trial).await);
        if befell.len() % 4 == 0 {
            reloads += 1;
            trial.stage.balancer.reload(|config| {
                config.set("retry", "patience", format!("{}s", 30 + reloads % 2));
            });
        }
        if let Some(ended) = clients.try_join_next() {
            panic!("a client gave up: {ended:?} after {befell:?}");
        }
        sleep(Duration::from_millis(fastrand::u64(..1000))).await;
    }
    work.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap_or_else(|error| panic!("{error} after {befell:?}"));
    }
    let (pushed, pulled) = (
        work.pushed.load(Ordering::Relaxed),
        work.pulled.load(Ordering::Relaxed),
    );
    let rescued = trial.takeovers("upload").len() + trial.takeovers("download").len();
    println!(
        "{pushed} pushed, {pulled} pulled, {} blows, {rescued} rescued",
        befell.len()
    );
    until("descriptors are given back", SOON * 2, async || {
        let now = Held::by(&trial);
        (now.kept == 0 && now.descriptors <= before.descriptors + 10).then_some(())
    })
    .await;
    let after = Held::by(&trial);
    println!("held before and after: {before:?}, {after:?}");
    assert!(
        after.memory < before.memory + 64 * 1024,
        "{before:?}, {after:?}"
    );
    let log = trial.stage.balancer.access_log();
    let failed = log
        .iter()
        .filter(|record| record["status"].as_u64() >= Some(400));
    assert_eq!(failed.collect::<Vec<_>>(), Vec::<&serde_json::Value>::new());
}
