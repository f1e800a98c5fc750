//! What all systems need: a folder, a certificate, a node.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use tempfile::TempDir;

use super::certificate::Certificate;
use super::child::Child;
use super::node;
use super::plan::LOAD_CORE;

/// The surroundings of a measurement; dropping them ends the node and removes the folder.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) certificate: Certificate,
    /// The node, spoken to without TLS.
    pub(crate) node: SocketAddr,
    _process: Child,
    folder: TempDir,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pilotage-bench").tempdir();
        let folder = folder.unwrap();
        let itself = std::env::current_exe().unwrap();
        let log = folder.path().join("node.log");
        let mut process = Child::start(LOAD_CORE, &itself, &[node::PLAIN], &log);
        let address = process.line();
        Self {
            certificate: Certificate::issue(folder.path()),
            node: address.trim().parse().unwrap(),
            _process: process,
            folder,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// A port that was free a moment ago, for programs that cannot say which one they took.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
