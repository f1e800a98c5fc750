//! A push that survives its node.
//!
//! Bytes pass to a node as they arrive and are kept beside; when the node is lost, another gets a new session and
//! everything from the first byte, and the client notices nothing. The room never continues a session that may
//! hold part of a body, and never guesses whether a commit took effect: it asks.
//!
//! Words: a *transfer* is one upload as this balancer knows it, over all its requests; a *flight* is one request
//! under way on one node; to *replay* is to send what was kept.

pub mod answer;
pub mod driver;
pub mod elsewhere;
pub mod manifest;
pub mod takeover;
pub mod transfer;
