//! Several instances act as one through Redis, and each goes on without it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    clippy::print_stdout,
    unreachable_pub,
    reason = "test code: a surprise is a failed test, and says where"
)]

mod by_clients;
mod faults;
mod keyspace;
mod links;
mod refusals;
mod roll;
mod rotation;
pub(crate) mod scene;
mod uploads;
