//! skopeo.

use std::path::PathBuf;

use super::{Destination, run_client};
use crate::harness::image::Image;
use crate::harness::process::{Outcome, Spec};

/// skopeo with its own credentials.
#[derive(Debug)]
pub struct Skopeo {
    folder: PathBuf,
    destination: Destination,
}

impl Skopeo {
    pub fn new(destination: &Destination) -> Self {
        let folder = destination.own_folder("skopeo");
        std::fs::write(folder.join("policy.json"), POLICY).unwrap();
        Self {
            folder,
            destination: destination.clone(),
        }
    }

    pub async fn login(&self, name: &str, password: &str) -> Outcome {
        let spec = self
            .spec("login")
            .argument("--cert-dir")
            .argument(&self.destination.ca_folder)
            .arguments(["--username", name, "--password-stdin"])
            .argument(&self.destination.authority);
        run_client(&spec, password).await
    }

    pub async fn push(&self, image: &Image, reference: &str) -> Outcome {
        let archive = image.write_archive(&self.folder, reference);
        let spec = self
            .spec("copy")
            .argument("--dest-cert-dir")
            .argument(&self.destination.ca_folder)
            .argument(format!("docker-archive:{}", archive.display()))
            .argument(format!("docker://{reference}"));
        let outcome = run_client(&spec, "").await;
        std::fs::remove_file(archive).unwrap();
        outcome
    }

    /// Copies an image into a folder; on success the digest of its config is the standard output.
    pub async fn pull(&self, reference: &str) -> Outcome {
        let into = self
            .folder
            .join(format!("pulled-{:08x}", fastrand::u32(..)));
        let spec = self
            .spec("copy")
            .argument("--src-cert-dir")
            .argument(&self.destination.ca_folder)
            .argument(format!("docker://{reference}"))
            .argument(format!("dir:{}", into.display()));
        let mut outcome = run_client(&spec, "").await;
        if outcome.success {
            let manifest = std::fs::read(into.join("manifest.json")).unwrap();
            let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
            manifest["config"]["digest"]
                .as_str()
                .unwrap()
                .clone_into(&mut outcome.stdout);
        }
        outcome
    }

    fn spec(&self, command: &str) -> Spec {
        Spec::new("skopeo", "skopeo", &self.folder)
            .hosts_file(&self.destination.hosts_file)
            .hide("/var/lib")
            .argument("--policy")
            .argument(self.folder.join("policy.json"))
            .argument(command)
            .argument("--authfile")
            .argument(self.folder.join("auth.json"))
    }
}

/// Which signatures images need: none. This has nothing to do with TLS.
pub(super) const POLICY: &str = r#"{ "default": [{ "type": "insecureAcceptAnything" }] }"#;
