//! The run as a whole: all systems in turn, several rounds, one table.

use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

use super::bed::Bed;
use super::client::{Tally, Target};
use super::load::Work;
use super::plan::{MIB, Plan};
use super::rescue;
use super::resident;
use super::system::{Running, System};
use super::table::Table;

/// Measures what the plan wants and prints the table.
pub(crate) async fn run(plan: &Plan) {
    let bed = Bed::new();
    let mut table = Table::default();
    introduce(plan);
    let works: Vec<Work> = Work::ALL
        .into_iter()
        .filter(|work| plan.wants(&work.name()))
        .collect();
    if plan.wants("memory") {
        for round in 0..plan.rounds {
            let all = in_turn(&plan.systems, round);
            for system in all.filter(|system| !system.is_for_requests()) {
                eprintln!("round {} memory {}", round + 1, system.as_str());
                resident::measure(*system, &bed, plan, &mut table).await;
            }
        }
    }
    if plan.wants(rescue::NAME) && plan.systems.contains(&System::Pilotage) {
        rescue::measure(&bed, plan, &mut table).await;
        eprintln!("takeovers");
    }
    if !works.is_empty() {
        let all: Vec<Running> = plan
            .systems
            .iter()
            .map(|system| system.start(&bed, plan))
            .collect();
        for running in &all {
            let target = Target::new(running.address, &bed.certificate);
            for work in works.iter().filter(|work| work.concerns(running.system)) {
                work.run(&target, WARM_UP_BYTES, WARM_UP).await;
            }
        }
        for round in 0..plan.rounds {
            for work in &works {
                let all = in_turn(&all, round);
                for running in all.filter(|running| work.concerns(running.system)) {
                    one(*work, running, &bed, plan, &mut table).await;
                }
                eprintln!("round {} {}", round + 1, work.name());
            }
        }
    }
    table.print(&plan.systems);
}

/// Nobody always comes first.
fn in_turn<T>(all: &[T], round: usize) -> impl Iterator<Item = &T> {
    let first = round.checked_rem(all.len()).unwrap_or(0);
    all.iter().cycle().skip(first).take(all.len())
}

async fn one(work: Work, running: &Running, bed: &Bed, plan: &Plan, table: &mut Table) {
    let target = Target::new(running.address, &bed.certificate);
    let begin = Instant::now();
    let before = running.child.time();
    let tally = work.run(&target, plan.blob, plan.time).await;
    let used = running.child.time().saturating_sub(before);
    let took = begin.elapsed();
    for (unit, value) in values(work, &tally, used, took) {
        table.note(&format!("{}, {unit}", work.name()), running.system, value);
    }
}

fn values(work: Work, tally: &Tally, used: Duration, took: Duration) -> Vec<(&'static str, f64)> {
    // Less than a tick of the clock is no measurement.
    let (used, took) = (used.as_secs_f64().max(0.01), took.as_secs_f64());
    let busy = ("% of its core busy", 100.0 * used / took);
    let requests = f64::from(u32::try_from(tally.waits.len()).unwrap());
    let megabytes = f64::from(u32::try_from(tally.bytes / 1000).unwrap()) / 1000.0;
    let milliseconds = |percent| tally.wait(percent).as_secs_f64() * 1000.0;
    match work {
        Work::Small(_) | Work::Tiny => vec![
            ("requests per CPU second", requests / used),
            ("p50 ms", milliseconds(50)),
            ("p99 ms", milliseconds(99)),
            busy,
        ],
        Work::Pull(..) | Work::Push(..) => vec![
            ("MB/s", megabytes / took),
            ("CPU seconds per GB", used * 1000.0 / megabytes),
            busy,
        ],
        Work::Handshakes => vec![("per CPU second", requests / used), busy],
    }
}

/// Says what was measured where; without that, numbers mean nothing.
fn introduce(plan: &Plan) {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, name)| name);
    println!(
        "processor: {processor}; kernel: {}",
        first_line("uname", "-r")
    );
    println!("nginx: {}", first_line("nginx", "-v"));
    println!("haproxy: {}", first_line("haproxy", "-v"));
    println!("pilotage: {}", plan.binary.display());
    println!(
        "blobs of {} MiB, {} rounds, small requests for {} s each; medians (least-most)\n",
        plan.blob / MIB,
        plan.rounds,
        plan.time.as_secs()
    );
}

fn first_line(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    said.lines().next().unwrap_or_default().to_owned()
}

const WARM_UP: Duration = Duration::from_millis(200);
const WARM_UP_BYTES: u64 = 8 * MIB;
