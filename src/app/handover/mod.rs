//! One process comes after another without a gap: it takes the listening sockets over while both run.
//!
//! ```text
//!   the process that serves                         the one that comes after it (`run --upgrade`)
//!        | <------------------ connects to the upgrade socket ----------------- |
//!        | --- offer: sockets with their addresses, keys and orders of no file -> |
//!        |                        certificates, Redis, first probes: it is ready, and serves
//!        | <----------------------------- serving ----------------------------- |
//!   takes nobody in any more                                                    |
//!        | ------------------------------ released ---------------------------> |
//!   lets its transfers end                                takes the upgrade socket over
//! ```
//!
//! Until "serving" has been said, whatever goes wrong leaves the first process as it was.

mod giving;
mod message;
mod ordered;
mod place;
mod taking;

use std::io;
use std::path::PathBuf;

pub(super) use self::giving::{Giving, Lent, Released};
pub(super) use self::message::Purpose;
pub(super) use self::ordered::Ordered;
pub(super) use self::place::check as check_place;
pub(super) use self::taking::{Taken, take};

/// Whether nobody serves yet, or somebody is to be relieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    Fresh,
    Upgrade,
}

/// The sockets do not come over, or cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    #[error("no socket to take over from; write [upgrade] socket, and start pilotage with it once")]
    NotConfigured,
    #[error("{path}: nobody offers sockets here: {source}")]
    Nobody { path: PathBuf, source: io::Error },
    #[error("{path}: served by user {uid}, who is neither root nor who runs this")]
    Stranger { path: PathBuf, uid: u32 },
    #[error("the running process does not hand over: {reason}")]
    Refused { reason: String },
    #[error("the running process speaks version {version} of the handover, this one {VERSION}")]
    Version { version: u32 },
    #[error("the running process ended while it handed over")]
    Ended,
    #[error("handover: {0}")]
    Broken(#[from] io::Error),
    #[error("no node is up as seen from here: the running process goes on")]
    NotReady,
    #[error("{path}: {what}; {hint}")]
    Place {
        path: PathBuf,
        what: String,
        hint: &'static str,
    },
}

/// What both sides must agree about.
const VERSION: u32 = 1;

#[cfg(test)]
mod tests;
