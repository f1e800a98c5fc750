//! What a proxy costs: pilotage beside nginx, `HAProxy` and no proxy at all, in one run.
//!
//! ```console
//! $ cargo bench --bench throughput                  # everything, with small blobs
//! $ cargo bench --bench throughput -- upload        # rows with this word
//! $ PILOTAGE_BENCH_BLOB_MIB=1024 PILOTAGE_BENCH_ROUNDS=5 cargo bench --bench throughput
//! ```
//!
//! Needs nginx, `HAProxy`, redis-server, `taskset` and `setpriv`, and two cores: what is measured has the first for
//! itself, the node and the load share the second. *direct* is the node speaking TLS itself, on the
//! first core: what no proxy can beat. All speak TLS with the same certificate and the same suite to
//! the load, and plain HTTP/1.1 on kept connections to the node; all write an access log. Nothing
//! leaves 127.0.0.1, and every loop has a bound in count and time.
//!
//! Time of the processor is what a proxy and its children used, so it says what one core can carry
//! even where the load cannot keep it busy.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark fails by panicking and answers on the terminal"
)]

#[path = "throughput/bed.rs"]
mod bed;
#[path = "throughput/certificate.rs"]
mod certificate;
#[path = "throughput/child.rs"]
mod child;
#[path = "throughput/client.rs"]
mod client;
#[path = "throughput/h1.rs"]
mod h1;
#[path = "throughput/h2.rs"]
mod h2;
#[path = "throughput/load.rs"]
mod load;
#[path = "throughput/measure.rs"]
mod measure;
#[path = "throughput/mortal.rs"]
mod mortal;
#[path = "throughput/node.rs"]
mod node;
#[path = "throughput/plan.rs"]
mod plan;
#[path = "throughput/redis.rs"]
mod redis;
#[path = "throughput/rescue.rs"]
mod rescue;
#[path = "throughput/resident.rs"]
mod resident;
#[path = "throughput/system.rs"]
mod system;
#[path = "throughput/table.rs"]
mod table;

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use plan::{LOAD_CORE, Plan};

fn main() {
    let mut words = std::env::args().skip(1).peekable();
    match words.peek().map(String::as_str) {
        Some(node::PLAIN | node::TLS) => node::run(&words.collect::<Vec<_>>()),
        Some(PINNED) => {
            child::raise_limits();
            let plan = Plan::new(words.skip(1));
            drop(rustls::crypto::ring::default_provider().install_default());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(measure::run(&plan));
        }
        _ => {
            let itself = std::env::current_exe().unwrap();
            let failed = Command::new("taskset")
                .args(["-c", LOAD_CORE])
                .arg(itself)
                .arg(PINNED)
                .args(words)
                .exec();
            panic!("taskset cannot be started: {failed}");
        }
    }
}

/// Says that the process has its core already.
const PINNED: &str = "pinned";
