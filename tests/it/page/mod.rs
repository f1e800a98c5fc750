//! The page to look at, in a real browser before a real cluster.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a surprise is a failed test, and says where"
)]

mod access;
mod changes;
mod events;
mod pictures;
mod rescue;
mod states;
mod window;
