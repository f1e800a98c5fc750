//! What the operator may set about logs.

use std::path::PathBuf;
use std::time::Duration;

use super::trace::Ratio;

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

/// Which traces are kept, and who collects them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracingSettings {
    pub collector: Collector,
    /// Headers for the collector, which may be credentials.
    pub headers_file: Option<PathBuf>,
    /// Which part is kept of the traces that begin here.
    pub ratio: Ratio,
    /// How long spans may wait for others before they are sent together.
    pub interval: Duration,
    /// How long the collector may take for them.
    pub timeout: Duration,
    /// Requests whose spans may wait before those of further ones are dropped and counted.
    pub queue: usize,
}

/// Where traces are sent, over OTLP/http.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    pub encryption: Encryption,
    /// Host name or IP literal (without brackets).
    pub host: String,
    pub port: u16,
    /// Host and port as they stand in the operator's url.
    pub authority: String,
    /// Such as `/v1/traces`.
    pub path: String,
}

/// How the collector is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    None,
    /// TLS; without a file the system's authorities decide.
    Tls {
        ca_file: Option<PathBuf>,
    },
}
