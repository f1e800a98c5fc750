//! Nodes die, hang and lie in the middle of pushes and pulls, and no client notices.
//!
//! A *trial* is three real nodes behind a balancer that is quick to lose patience; a *courier* pushes
//! and pulls through it by hand, in the form of one of the real clients, and stops at each *moment*
//! so that a test can strike; a *fault* is what befalls the node that has the transfer.

mod again;
mod answers;
mod begun;
mod by_clients;
mod chaos;
mod committed;
pub mod courier;
mod cut;
mod deleted;
mod disguised;
mod early;
mod killed;
mod manifests;
mod pulled;
mod pulled_lost;
mod pulled_scripted;
mod rolled;
mod spooled;
mod stopped;
mod survive;
mod told;
pub mod tool;
#[cfg(feature = "otlp")]
mod traced;
mod trial;
mod twice;
mod vanished;
