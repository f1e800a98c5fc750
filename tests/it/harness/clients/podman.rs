//! podman, with storage of its own.

use std::path::PathBuf;

use super::skopeo::POLICY;
use super::{Destination, run_client};
use crate::harness::image::Image;
use crate::harness::process::{Outcome, Spec};

/// podman with its own storage and credentials.
#[derive(Debug)]
pub struct Podman {
    folder: PathBuf,
    /// podman refuses a long path here.
    run_folder: PathBuf,
    destination: Destination,
}

impl Podman {
    pub fn new(destination: &Destination) -> Self {
        let folder = destination.own_folder("podman");
        std::fs::write(folder.join("policy.json"), POLICY).unwrap();
        // Without a login podman still wants the file it is told of.
        std::fs::write(folder.join("auth.json"), "{}").unwrap();
        let run_folder = std::env::temp_dir().join(format!("podman-{:08x}", fastrand::u32(..)));
        Self {
            folder,
            run_folder,
            destination: destination.clone(),
        }
    }

    pub async fn login(&self, name: &str, password: &str) -> Outcome {
        let spec = self
            .remote("login")
            .arguments(["--username", name, "--password-stdin"])
            .argument(&self.destination.authority);
        run_client(&spec, password).await
    }

    /// Makes an image known under a name.
    pub async fn load(&self, image: &Image, reference: &str) -> Outcome {
        let archive = image.write_archive(&self.folder, reference);
        let spec = self
            .with_policy("load")
            .argument("--input")
            .argument(&archive);
        let outcome = run_client(&spec, "").await;
        std::fs::remove_file(archive).unwrap();
        outcome
    }

    pub async fn push(&self, reference: &str) -> Outcome {
        let policy = self.folder.join("policy.json");
        let spec = self
            .remote("push")
            .argument("--signature-policy")
            .argument(policy);
        run_client(&spec.argument(reference), "").await
    }

    pub async fn pull(&self, reference: &str) -> Outcome {
        let policy = self.folder.join("policy.json");
        let spec = self
            .remote("pull")
            .argument("--signature-policy")
            .argument(policy);
        run_client(&spec.argument(reference), "").await
    }

    /// Forgets an image and its layers.
    pub async fn remove(&self, reference: &str) -> Outcome {
        let spec = self.spec().arguments(["image", "rm", "--force", reference]);
        run_client(&spec, "").await
    }

    /// The digest of the config of an image it has.
    pub async fn image_id(&self, reference: &str) -> String {
        let spec = self
            .spec()
            .arguments(["image", "inspect", "--format", "{{.Id}}", reference]);
        let outcome = run_client(&spec, "").await.expect_success();
        format!("sha256:{}", outcome.stdout.trim())
    }

    fn remote(&self, command: &str) -> Spec {
        self.spec()
            .argument(command)
            .argument("--cert-dir")
            .argument(&self.destination.ca_folder)
            .argument("--authfile")
            .argument(self.folder.join("auth.json"))
    }

    fn with_policy(&self, command: &str) -> Spec {
        let policy = self.folder.join("policy.json");
        self.spec()
            .argument(command)
            .argument("--signature-policy")
            .argument(policy)
    }

    fn spec(&self) -> Spec {
        Spec::new("podman", "podman", &self.folder)
            .hosts_file(&self.destination.hosts_file)
            .hide("/var/lib")
            .environment("TMPDIR", &self.folder)
            .arguments(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"])
            .argument("--network-config-dir")
            .argument(self.folder.join("network"))
            .arguments(["--events-backend", "none", "--root"])
            .argument(self.folder.join("root"))
            .argument("--runroot")
            .argument(&self.run_folder)
            .argument("--tmpdir")
            .argument(self.folder.join("tmp"))
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.run_folder));
    }
}
