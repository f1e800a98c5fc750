//! What the operator may set about what stays on one node.

use std::path::PathBuf;
use std::time::Duration;

/// How uploads are tied to their node, and how long a fresh write is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffinitySettings {
    /// Keys that seal upload tokens, newest first; none means one in the state folder, made on
    /// first start.
    pub key_file: Option<PathBuf>,
    /// How long an upload token is honoured.
    pub upload_lifetime: Duration,
    /// How long reads of something just written go to the node that took it.
    pub recent_lifetime: Duration,
}
