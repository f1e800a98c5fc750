//! The real clients, each with storage of its own, told of the throwaway authority.
//!
//! They find the public name by a hosts file that only they see. None has its verification
//! switched off: a destination with another authority's certificate is refused by each.

pub mod containerd;
pub mod curl;
pub mod docker;
pub mod podman;
pub mod skopeo;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::certs::Authority;
use super::process::{Outcome, Spec, run};

/// Longest run of one client command.
const PATIENCE: Duration = Duration::from_mins(3);

/// Where clients go: a name, the address behind it, and whom to trust.
#[derive(Debug, Clone)]
pub struct Destination {
    /// `name:port`, as clients write it before an image's name.
    pub authority: String,
    pub address: SocketAddr,
    /// The PEM file of the certificate authority.
    pub ca_file: PathBuf,
    /// A folder with nothing but that file.
    ca_folder: PathBuf,
    hosts_file: PathBuf,
    folder: PathBuf,
}

impl Destination {
    /// Writes the files clients need to `folder`.
    pub fn new(folder: &Path, name: &str, address: SocketAddr, authority: &Authority) -> Self {
        let folder = folder.join("clients");
        let ca_folder = folder.join("ca");
        std::fs::create_dir_all(&ca_folder).unwrap();
        let ca_file = ca_folder.join("ca.crt");
        std::fs::write(&ca_file, authority.pem()).unwrap();
        let hosts_file = folder.join("hosts");
        std::fs::write(&hosts_file, hosts(name, &address.ip().to_string())).unwrap();
        let authority = format!("{name}:{}", address.port());
        Self {
            authority,
            address,
            ca_file,
            ca_folder,
            hosts_file,
            folder,
        }
    }

    /// The full name of an image there.
    pub fn image(&self, repository_and_tag: &str) -> String {
        format!("{}/{repository_and_tag}", self.authority)
    }

    fn name(&self) -> &str {
        self.authority
            .rsplit_once(':')
            .map_or(&self.authority, |(name, _)| name)
    }

    /// A folder for one client.
    fn own_folder(&self, client: &str) -> PathBuf {
        let folder = self
            .folder
            .join(format!("{client}-{:08x}", fastrand::u32(..)));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }
}

/// The machine's own hosts file with one name more.
pub fn hosts(name: &str, address: &str) -> String {
    let present = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    format!("127.0.0.1 localhost\n{address} {name}\n{present}")
}

/// Runs one command of a client, which sees its own hosts file.
async fn run_client(spec: &Spec, input: &str) -> Outcome {
    run(spec, input.as_bytes(), PATIENCE).await
}
