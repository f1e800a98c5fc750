//! The test bed: real parts round pilotage.
//!
//! A *node* is nginx with Harbor's locations in front of a stand-in for Harbor's core in front of
//! Debian's `docker-registry`; a *cluster* is a few of them over one Redis, one storage folder and
//! one database folder. In front of each node stands a *link*, which tests cut, stall and count.
//! The *balancer* is our built binary. *Clients* are the real ones, told of a throwaway authority;
//! none has its verification switched off.
//!
//! Everything is asynchronous: tests run on `#[tokio::test(flavor = "multi_thread")]`, because
//! links and recorders live on the runtime of the test. Guards end what they started, with its
//! process group, when they drop. Nothing here sleeps for a fixed time: [`wait::until`] looks again
//! until a deadline.
#![allow(
    dead_code,
    reason = "shared by the tests and by the launcher, and neither uses all of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::format_collect,
    clippy::unnecessary_debug_formatting,
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    clippy::print_stderr,
    unreachable_pub,
    reason = "test code: a surprise is a failed test, and says where"
)]

pub mod balancer;
pub mod certs;
pub mod chrome;
pub mod clients;
pub mod cluster;
pub mod collector;
pub mod core;
pub mod front;
pub mod http;
pub mod image;
pub mod jar;
pub mod link;
pub mod load;
pub mod node;
pub mod ports;
pub mod process;
pub mod provider;
pub mod recorder;
pub mod recording;
pub mod redis;
pub mod remote;
pub mod resp;
pub mod round;
pub mod scratch;
pub mod scripted;
pub mod signing;
pub mod uploads;
pub mod wait;
