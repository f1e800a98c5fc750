//! The bytes that are kept: within limits, on a disk that may fail, and gone with the process.

use std::path::PathBuf;

use crate::harness::balancer::config::Config;
use crate::harness::balancer::field;
use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::http::Request;
use crate::harness::image::digest;
use crate::harness::node::Common;
use crate::harness::scripted::location;
use crate::harness::wait::{SOON, until};

use super::courier::{Courier, Form, Moment};
use super::survive::{SIZE, fresh, random, undergo};
use super::trial::{Fault, Trial};

async fn trial(change: impl FnOnce(&mut Config)) -> Trial {
    Trial::with(Common::Shared, Cluster::builder(), change).await
}

/// How often an upload went on unprotected, and why.
fn unprotected(trial: &Trial, reason: &str) -> usize {
    let log = trial.stage.balancer.log().into_iter();
    log.filter(|line| {
        field(line, "message") == "upload goes on unprotected" && field(line, "reason") == reason
    })
    .count()
}

/// Every form of a push works although nothing can be kept of it.
async fn works_unprotected(trial: &mut Trial, reason: &str) {
    let mut pushes = 0;
    for offer in [Offer::Http1, Offer::Http2] {
        let courier = trial.courier(offer).await;
        for form in [Form::Streamed, Form::Patched, Form::Put, Form::Chunks] {
            let push = undergo(trial, &courier, (form, SIZE), async |_, _, _| ());
            let ordeal = push.await;
            ordeal.expect_whole(trial, &ordeal.holder);
            pushes += 1;
            assert_eq!(
                unprotected(trial, reason),
                pushes,
                "{form:?}: it is said once"
            );
        }
    }
}

/// An upload that rests and has taken most of the room: its repository, and its commit.
async fn resting(courier: &Courier) -> (String, Request) {
    let (repository, content) = (fresh(), random(SIZE));
    let upload = location(&courier.start(&repository).await);
    let resting = courier
        .send(Request::new("PATCH", &upload).body(content.clone()))
        .await
        .expect(202);
    let name = digest(&content);
    let put = Request::new("PUT", &format!("{}&digest={name}", location(&resting)));
    (repository, put)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_beyond_the_limit_of_one_goes_on_unprotected() {
    let mut trial = trial(|config| {
        config.set("spool", "upload_limit", "1MiB");
    })
    .await;
    works_unprotected(&mut trial, "upload_limit").await;
    // Below the limit it is protected, beyond it the client is told the truth.
    let courier = trial.courier(Offer::Http1).await;
    for (size, protected) in [(900_000, true), (SIZE, false)] {
        let strike = async |trial: &mut Trial, holder, moment| {
            if moment == Moment::Body(50) {
                trial.reached(holder).await;
                trial.strike(holder, Fault::Killed).await;
            }
        };
        let ordeal = undergo(&mut trial, &courier, (Form::Streamed, size), strike).await;
        trial.heal().await;
        if protected {
            let keeper = ordeal.expect_one_takeover();
            ordeal.expect_whole(&trial, keeper);
        } else {
            let answer = ordeal.answers.last().unwrap();
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert_eq!(answer.error_code(), "UNAVAILABLE");
            assert!(answer.header("retry-after").is_some());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_beyond_the_limit_of_all_go_on_unprotected() {
    let mut trial = trial(|config| {
        config.set("spool", "upload_limit", "4MiB");
        config.set("spool", "total_limit", "4MiB");
    })
    .await;
    let courier = trial.courier(Offer::Http1).await;
    let (repository, put) = resting(&courier).await;
    works_unprotected(&mut trial, "total_limit").await;
    // It is protected still, and its room is given back with its end.
    let holder = trial.holder(&repository).await;
    trial.strike(holder, Fault::Killed).await;
    courier.send(put).await.expect(201);
    trial.heal().await;
    let strike = async |trial: &mut Trial, holder, moment| {
        if moment == Moment::Body(99) {
            trial.reached(holder).await;
            trial.strike(holder, Fault::Killed).await;
        }
    };
    let ordeal = undergo(&mut trial, &courier, (Form::Put, SIZE), strike).await;
    trial.heal().await;
    let keeper = ordeal.expect_one_takeover();
    ordeal.expect_whole(&trial, keeper);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_fails_no_push() {
    let mut trial = trial(|config| {
        let path = config.folder().join("not-a-folder");
        std::fs::write(&path, "a file in the way").unwrap();
        config.set("spool", "folder", path.to_str().unwrap());
        config.set("spool", "memory", "64KiB");
    })
    .await;
    works_unprotected(&mut trial, "disk_failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_fails_no_push() {
    // Every device is fuller than nothing.
    let mut trial = trial(|config| {
        config.set("spool", "disk_share", 1);
    })
    .await;
    works_unprotected(&mut trial, "disk_share").await;
}

/// Files that a process has open, as the kernel names them.
fn open_files(process: u32) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    entries
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_kept_outlives_the_process() {
    let mut folder = PathBuf::new();
    let mut trial = trial(|config| {
        folder = config.folder().join("kept");
        config.set("spool", "folder", folder.to_str().unwrap());
        config.set("spool", "memory", "64KiB");
    })
    .await;
    let courier = trial.courier(Offer::Http1).await;
    let upload = location(&courier.start(&fresh()).await);
    let request = Request::new("PATCH", &upload);
    let mut sending = courier.begin(request, None).await;
    sending.send(&random(SIZE)).await;
    let process = trial.stage.balancer.process.id();
    until("bytes are in a file", SOON, async || {
        let mut files = open_files(process).into_iter();
        files.find(|file| file.starts_with(&folder) && file.to_string_lossy().contains("deleted"))
    })
    .await;
    let left = || std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(left(), 0, "the file has no name while it is used");
    trial.stage.balancer.process.kill();
    assert_eq!(left(), 0);
    trial.stage.balancer.restart().await;
    assert_eq!(left(), 0);
}

/// What clients leave behind goes after a while, and takes its room with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_goes_on_with_is_forgotten() {
    let mut folder = PathBuf::new();
    let trial = trial(|config| {
        folder = config.folder().join("kept");
        config.set("spool", "folder", folder.to_str().unwrap());
        config.set("spool", "memory", "64KiB");
        // Long enough to look at what is kept.
        config.set("spool", "idle_timeout", "8s");
    })
    .await;
    let courier = trial.courier(Offer::Http2).await;
    for _ in 0..3 {
        let upload = location(&courier.start(&fresh()).await);
        let patch = Request::new("PATCH", &upload).body(random(SIZE));
        courier.send(patch).await.expect(202);
    }
    let process = trial.stage.balancer.process.id();
    let kept = || {
        let files = open_files(process).into_iter();
        files.filter(|file| file.starts_with(&folder)).count()
    };
    assert_eq!(kept(), 3);
    until("the files are closed", SOON * 4, async || {
        (kept() == 0).then_some(())
    })
    .await;
}

/// Room for one push and a part of another.
const LIMIT: u32 = 4 << 20;
/// The most that is kept at a time; what came last is counted with the next.
const PIECE: u32 = 64 << 10;

/// The client is only slower, and the push is protected all the way.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_waits_for_room_where_that_is_wanted() {
    let mut trial = trial(|config| {
        config.set("spool", "total_limit", format!("{LIMIT}B"));
        config.set("spool", "when_full", "wait");
    })
    .await;
    let courier = trial.courier(Offer::Http1).await;
    let (_, put) = resting(&courier).await;
    let (waiting, other) = (fresh(), random(SIZE));
    let kept = trial.stage.balancer.metric("pilotage_spool_bytes").await;
    let push = courier.push(&waiting, (&other, Form::Patched), async |_| ());
    let commit = async {
        // It must really wait: hardly a piece has room any more, and nothing moves.
        let mut before = None;
        until("no more is kept", SOON, async || {
            let now = trial.stage.balancer.metric("pilotage_spool_bytes").await?;
            let rests = before.replace(now) == Some(now);
            (rests && Some(now) > kept && now > f64::from(LIMIT - 2 * PIECE)).then_some(())
        })
        .await;
        courier.send(put).await.expect(201);
    };
    let (answers, ()) = tokio::join!(push, commit);
    assert_eq!(answers.last().unwrap().status, 200);
    assert_eq!(unprotected(&trial, "total_limit"), 0);
    let log = trial.stage.balancer.log();
    let waits = log
        .iter()
        .filter(|line| field(line, "message") == "push waited for room in the spool");
    let outcomes: Vec<_> = waits.map(|line| field(line, "outcome")).collect();
    assert_eq!(outcomes, ["room"]);
    trial.recorded(&waiting, 4).await;
    trial.heal().await;
}
