//! What the operator may set about the admin listener.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::edge::settings::CertificateFiles;

/// Where the pages of this room are served, and who may ask for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSettings {
    pub address: SocketAddr,
    /// Tokens, one a line; with one of them everything may be asked and changed.
    pub token_file: Option<PathBuf>,
    /// Without it the pages are served in clear.
    pub tls: Option<AdminTls>,
    pub numbers: NumbersPage,
    /// Finished requests that are remembered.
    pub requests: usize,
}

/// TLS of the admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminTls {
    pub certificate: CertificateFiles,
    /// Whoever shows a certificate of this authority needs no token.
    pub client_ca_file: Option<PathBuf>,
}

/// Who may read `/metrics` where credentials are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumbersPage {
    Everybody,
    Operators,
}
