//! The real clients through pilotage over three nodes: log in, push, pull, and what they say when
//! they may not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    unreachable_pub,
    reason = "test code: a surprise is a failed test, and says where"
)]

mod anonymous;
mod by_containerd;
mod by_curl;
mod by_docker;
mod by_podman;
mod by_skopeo;
mod spread;
mod strangers;
