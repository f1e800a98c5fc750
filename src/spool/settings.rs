//! What the operator may set about kept bytes.

use std::path::PathBuf;
use std::time::Duration;

/// Where and how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    pub folder: PathBuf,
    /// Bytes of each upload that stay in memory.
    pub memory: u64,
    /// Bytes of one upload.
    pub upload_limit: u64,
    /// Bytes of all uploads.
    pub total_limit: u64,
    /// The part of the file system that may be in use, by whomever, in percent.
    pub disk_share: u64,
    pub when_full: WhenFull,
    /// How long an upload that nobody goes on with is kept.
    pub idle_timeout: Duration,
}

/// What a push does for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It goes on at once, and is lost with its node.
    Unprotected,
    /// It waits for others to end, as long as a request may wait for a node, and goes on unprotected then.
    Wait,
}
