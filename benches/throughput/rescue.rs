//! How long a client waits when its node dies: until another has the first byte, and until it has all.
//!
//! Only pilotage is measured: no other system here goes on with a transfer that has begun.

use tokio::time::Instant;

use super::bed::Bed;
use super::client::Target;
use super::h1::{self, Connection, Framing};
use super::load::{BLOBS, UPLOADS, rest_of};
use super::mortal::Mortal;
use super::plan::{MIB, Plan};
use super::system::{Running, System, before};
use super::table::Table;

/// Measures pushes that are kept in memory and in a file, and pulls.
pub(crate) async fn measure(bed: &Bed, plan: &Plan, table: &mut Table) {
    for _ in 0..plan.rounds * SAMPLES {
        for sent in [MIB / 8, 128 * MIB] {
            push(bed, plan, sent, table).await;
        }
        pull(bed, plan, table).await;
    }
}

/// Two nodes with pilotage before them.
async fn scene(bed: &Bed, plan: &Plan) -> ([Mortal; 2], Running, Target) {
    let nodes = [
        Mortal::start(PULLED / 2).await,
        Mortal::start(PULLED / 2).await,
    ];
    let addresses = nodes.each_ref().map(|node| node.address);
    let running = before(&addresses, bed, plan);
    let target = Target::new(running.address, &bed.certificate);
    (nodes, running, target)
}

/// The node that has the transfer, and the other.
fn by_work([one, other]: [Mortal; 2]) -> (Mortal, Mortal) {
    if one.is_busy() {
        (one, other)
    } else {
        (other, one)
    }
}

async fn push(bed: &Bed, plan: &Plan, sent: u64, table: &mut Table) {
    let (nodes, running, target) = scene(bed, plan).await;
    let mut connection = Connection::open(&target).await;
    let start = h1::head(&target, "POST", UPLOADS, &["Content-Length: 0"]);
    let location = connection.ask(&start).await.location.unwrap();
    let length = format!("Content-Length: {}", sent + 1);
    let head = h1::head(&target, "PATCH", rest_of(&location), &[&length]);
    connection.send(&head).await;
    connection.send_body(sent, Framing::Length).await;
    let [one, other] = &nodes;
    tokio::select! {
        () = one.has_taken(sent) => {}
        () = other.has_taken(sent) => {}
    }
    let (dies, heir) = by_work(nodes);
    let death = Instant::now();
    drop(dies);
    heir.has_taken(1).await;
    let first = death.elapsed();
    heir.has_taken(sent).await;
    let whole = death.elapsed();
    connection.send_body(1, Framing::Length).await;
    let answer = connection.answer().await;
    assert_eq!(
        (answer.status, answer.range),
        (202, Some(format!("0-{sent}")))
    );
    let kept = format!("push with {:.1} MiB sent", mebibytes(sent));
    let note = |table: &mut Table, what: &str, value| {
        table.note(
            &format!("{NAME} of a {kept}, {what}"),
            System::Pilotage,
            value,
        );
    };
    note(
        table,
        "ms to the next node's first byte",
        first.as_secs_f64() * 1000.0,
    );
    note(table, "ms until it has all", whole.as_secs_f64() * 1000.0);
    drop(running);
}

async fn pull(bed: &Bed, plan: &Plan, table: &mut Table) {
    let (nodes, running, target) = scene(bed, plan).await;
    let mut connection = Connection::open(&target).await;
    let head = h1::head(&target, "GET", &format!("{BLOBS}{PULLED:064x}"), &[]);
    connection.send(&head).await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.length), (200, PULLED));
    connection.discard(PULLED / 2).await;
    let (dies, heir) = by_work(nodes);
    let death = Instant::now();
    drop(dies);
    connection.discard(1).await;
    let first = death.elapsed();
    connection.discard(PULLED / 2 - 1).await;
    drop(heir);
    let name = format!("{NAME} of a pull, ms to the client's next byte");
    table.note(&name, System::Pilotage, first.as_secs_f64() * 1000.0);
    drop(running);
}

fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).unwrap()) / 1024.0
}

/// The word that asks for this on the command line.
pub(crate) const NAME: &str = "takeover";
const PULLED: u64 = 64 * MIB;
/// A death is quickly measured, and its moment is a matter of chance.
const SAMPLES: usize = 3;
