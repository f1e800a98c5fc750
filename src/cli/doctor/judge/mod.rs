//! What follows from what the nodes, and our own side, said. Nothing here asks anybody anything.

pub(super) mod address;
pub(super) mod body;
pub(super) mod certificate;
pub(super) mod clock;
pub(super) mod harbor;
pub(super) mod health;
pub(super) mod redis;
pub(super) mod session;
pub(super) mod spool;
pub(super) mod time_limit;
pub(super) mod token;
pub(super) mod upload;
