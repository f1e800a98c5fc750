//! What the operator may set about exchanges with nodes.

use std::path::PathBuf;
use std::time::Duration;

use crate::fleet::node::NodeId;

/// A node as the operator wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSettings {
    pub id: NodeId,
    pub scheme: NodeScheme,
    /// Host name or IP literal (without brackets).
    pub host: String,
    pub port: u16,
    /// 1 to 1000; 100 is the usual share.
    pub weight: u32,
    /// Drained from the start: nothing new is sent here.
    pub draining: bool,
    /// Other authorities (`host` or `host:port`) this node uses for itself in its answers.
    pub names: Vec<String>,
}

/// How a node is spoken to. There is no unverified TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeScheme {
    Http,
    Https { verify: Verify, name: String },
}

/// What makes a node's certificate trustworthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// The system's certificate authorities.
    System,
    /// The authorities in this PEM file.
    Authority { ca_file: PathBuf },
    /// SHA-256 of the certificate itself (DER), for self-signed ones.
    Fingerprint([u8; 32]),
}

/// Timers of an exchange; each starts again with every byte of progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Connect, TLS included.
    pub connect: Duration,
    /// No byte accepted by the node while a body is sent.
    pub write: Duration,
    /// No byte of an answer to a read (GET, HEAD).
    pub read: Duration,
    /// No byte of an answer to a write: a commit of a large layer takes minutes.
    pub commit: Duration,
    /// How long an unused connection to a node is kept.
    pub idle: Duration,
}

/// How nodes are probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSettings {
    pub kind: ProbeKind,
    pub interval: Duration,
    pub timeout: Duration,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeKind {
    /// Harbor's health document, read per component, and `/v2/`.
    Harbor,
    /// `/v2/`, where 200 and 401 are healthy.
    Registry,
    /// This path, where any 2xx is healthy.
    Path(String),
}
