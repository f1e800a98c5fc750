//! One exchange with one node: how it is reached, what its answer says about it, how it is probed.
//!
//! The room knows sockets and certificates of nodes. It never chooses a node and never answers a client.
//!
//! Words: a *target* is a node as something to connect to; a *verdict* is what an answer says about its node.

pub mod peer;
pub mod probe;
pub mod settings;
pub mod verdict;
