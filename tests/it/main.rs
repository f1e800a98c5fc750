//! End to end: our built binary before real nodes, with real clients.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "test code: a surprise is a failed test, and says where"
)]

mod bed;
mod clients;
mod core_recordings;
mod direct;
mod entrance;
mod harness;
mod nodes;
mod registry;

/// Not a test: the process of a node's core, which the harness starts from this same program.
#[test]
#[ignore = "the core of a node lives in here; the harness starts it"]
fn core_process() {
    if let Some(config) = std::env::var_os(harness::core::CONFIG_VARIABLE) {
        harness::core::serve_file(std::path::Path::new(&config));
    }
}
