//! What the operator may set about logs and the admin listener.

use std::net::SocketAddr;
use std::path::PathBuf;

/// How log lines and access records are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    pub format: LogFormat,
    /// A `tracing` filter, such as `info` or `info,pilotage=debug`.
    pub level: String,
    /// Lines that may wait for the writer before further ones are dropped and counted.
    pub queue: usize,
    /// Where they are written; none is standard error.
    pub file: Option<PathBuf>,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text,
}

/// Where `/livez`, `/readyz`, `/metrics` and `/nodes` are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSettings {
    pub address: SocketAddr,
}
