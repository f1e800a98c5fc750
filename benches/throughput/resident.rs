//! How much memory a system keeps: at rest, for idle connections, while it carries uploads.

use std::time::Duration;

use tokio::time::sleep;

use super::bed::Bed;
use super::client::{Target, Version};
use super::h1::{self, Framing};
use super::load::Work;
use super::plan::Plan;
use super::system::System;
use super::table::Table;

/// Measures a process of its own, because memory that was once taken seldom comes back.
pub(crate) async fn measure(system: System, bed: &Bed, plan: &Plan, table: &mut Table) {
    if !system.is_for_uploads() {
        idle(system, bed, plan, table).await;
    }
    uploads(system, bed, plan, table).await;
}

/// At rest, and with clients that only hold their connections.
async fn idle(system: System, bed: &Bed, plan: &Plan, table: &mut Table) {
    let running = system.start(bed, plan);
    let target = Target::new(running.address, &bed.certificate);
    let idle = running.child.memory();
    table.note("memory idle, MiB", system, mebibytes(idle));

    let head = h1::head(&target, "GET", "/v2/", &[]);
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut connection = h1::Connection::open(&target).await;
        connection.ask(&head).await;
        connections.push(connection);
    }
    sleep(SETTLE).await;
    let grown = running.child.memory().saturating_sub(idle);
    let each = grown / u64::try_from(CONNECTIONS).unwrap();
    table.note(
        "memory per idle TLS connection, KiB",
        system,
        kibibytes(each),
    );
}

/// With uploads under way; beyond what it has at rest, that is the price of each.
async fn uploads(system: System, bed: &Bed, plan: &Plan, table: &mut Table) {
    for version in [Version::One, Version::Two] {
        let running = system.start(bed, plan);
        let target = Target::new(running.address, &bed.certificate);
        let before = running.child.memory();
        let work = Work::Push(version, Framing::Length, UPLOADS).run(&target, plan.blob, plan.time);
        tokio::pin!(work);
        let mut most = 0;
        loop {
            tokio::select! {
                _ = &mut work => break,
                () = sleep(LOOK) => most = running.child.memory().max(most),
            }
        }
        let each = most.saturating_sub(before) / UPLOADS;
        let name = format!("memory per running upload {}, KiB", version.as_str());
        table.note(&name, system, kibibytes(each));
    }
}

fn mebibytes(bytes: u64) -> f64 {
    kibibytes(bytes) / 1024.0
}

fn kibibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).unwrap())
}

const UPLOADS: u64 = 8;
const CONNECTIONS: usize = 1_000;
const SETTLE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(25);
