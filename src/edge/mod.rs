//! Where bytes enter and answers leave.
//!
//! The room accepts clients, understands what they ask, finds a node through the rooms before it and makes sure
//! that what comes back fits the public name. It never decides which node is well or which comes first, and it
//! does not know the configuration file.
//!
//! Words: an *exchange* is one request from its first byte to its record; a *plan* says what happens to it; a
//! *fault* is why we answer ourselves; the *gate* is where requests wait for a node; the *lookout* turns what is
//! learnt about nodes into health and log lines.

mod accept;
mod answer;
pub mod connection;
mod deadline;
pub mod entrance;
pub mod exchange;
pub mod fault;
pub mod gate;
mod guarded;
pub mod host;
pub mod listen;
pub mod lookout;
mod lost;
pub mod maintenance;
mod oddity;
pub mod phases;
pub mod plan;
mod readahead;
mod scan;
pub mod settings;
mod shown;
pub mod snapshot;
pub mod tls;

#[cfg(test)]
mod tests;
