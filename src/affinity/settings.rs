//! What the operator may set about what stays on one node.

use std::path::PathBuf;
use std::time::Duration;

use super::shared::address::Address;

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
    pub storage: Storage,
}

/// Whether a node can go on with an upload that another one began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// All nodes see the same files and have the same `http.secret`.
    Shared,
    /// Nobody says so.
    Apart,
}

/// Where several instances meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSettings {
    pub place: Place,
    /// Beside or instead of the user that the address names.
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub sentinel_password_file: Option<PathBuf>,
    /// Who must have issued the certificates of Redis; none trusts the system's.
    pub ca_file: Option<PathBuf>,
    /// What we show Redis.
    pub certificate: Option<CertificateFiles>,
    /// What every key begins with.
    pub prefix: String,
    /// How long one question may take.
    pub timeout: Duration,
}

/// Where the address of Redis stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Written(Address),
    /// In a file, as it may hold a password.
    InFile(PathBuf),
}

/// A certificate and its key, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub chain_file: PathBuf,
    pub key_file: PathBuf,
}

/// How the logins of browsers are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    pub mode: SessionMode,
    /// Names of the session cookie, in the order in which they count.
    pub cookies: Vec<String>,
    /// How long a session that is not used is remembered.
    pub lifetime: Duration,
    /// The name of a cookie of our own that tells other instances the node of a session.
    pub own_cookie: Option<String>,
}

/// Who knows a browser's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionMode {
    /// All nodes, by a store that they share.
    Shared,
    /// The node that made it.
    Pinned,
}
