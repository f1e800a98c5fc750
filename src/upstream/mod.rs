//! One exchange with one node: how it is reached, what its answer says about it, how it is probed.
//!
//! The room knows sockets and certificates of nodes. It never chooses a node and never answers a client.
//!
//! Words: a *target* is a node as something to connect to; a *verdict* is what an answer says about its node; a
//! *failure* is an exchange that came to no answer.

pub mod authorities;
pub mod inspect;
pub mod live;
pub mod peer;
pub mod probe;
pub mod settings;
pub mod verdict;

/// How an exchange came to no answer, or to no end of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// There is no node to ask, or none in time.
    NoNode,
    /// No connection.
    Unreachable,
    /// The node could not prove who it is.
    Unverified,
    /// The connection broke.
    Broken,
    /// Nothing moved for too long.
    Stalled,
}
