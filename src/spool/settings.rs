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
    /// How long an upload that nobody goes on with is kept.
    pub idle_timeout: Duration,
}
