//! End to end: our built binary before real nodes, with real clients.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_cmp,
    clippy::print_stdout,
    unreachable_pub,
    reason = "test code: a surprise is a failed test, and says where"
)]

mod bed;
mod clients;
mod control;
mod core_recordings;
mod direct;
mod doctor;
mod entrance;
mod guard;
mod handover;
mod harness;
mod nodes;
mod operate;
mod page;
mod registry;
mod sessions;
mod shared;
mod takeover;

/// The harness starts this very program once more, with this test alone and a configuration, as the process of a
/// node's core.
#[test]
fn a_core_starts_with_its_configuration_alone() {
    if let Some(config) = std::env::var_os(harness::core::CONFIG_VARIABLE) {
        return harness::core::serve_file(std::path::Path::new(&config));
    }
    let without = || harness::core::serve_file(std::path::Path::new("/nonexistent/core.json"));
    assert!(std::panic::catch_unwind(without).is_err());
}
