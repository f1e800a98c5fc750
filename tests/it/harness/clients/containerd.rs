//! ctr, with a containerd of its own.

use std::path::PathBuf;

use super::{Destination, run_client};
use crate::harness::image::Image;
use crate::harness::process::{Outcome, Process, Spec};
use crate::harness::wait::{SOON, until};

/// A private containerd and `ctr`, which has no login: each command brings the credentials.
#[derive(Debug)]
pub struct Containerd {
    daemon: Process,
    folder: PathBuf,
    socket: String,
    destination: Destination,
}

impl Containerd {
    /// Starts containerd and waits until it is ready.
    pub async fn start(destination: &Destination) -> Self {
        let folder = destination.own_folder("containerd");
        let socket = std::env::temp_dir().join(format!("ctr-{:08x}.sock", fastrand::u32(..)));
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\", \
             \"io.containerd.snapshotter.v1.btrfs\", \"io.containerd.snapshotter.v1.devmapper\", \
             \"io.containerd.snapshotter.v1.zfs\", \"io.containerd.snapshotter.v1.aufs\", \
             \"io.containerd.internal.v1.opt\"]\n[grpc]\naddress = {socket:?}\n",
            folder.join("root"),
            folder.join("state"),
        );
        let file = folder.join("config.toml");
        std::fs::write(&file, config).unwrap();
        let spec = Spec::new("containerd", "containerd", &folder);
        let daemon = Process::start(spec.argument("--config").argument(file));
        let socket = socket.display().to_string();
        let client = Self {
            daemon,
            folder,
            socket,
            destination: destination.clone(),
        };
        until("containerd answers", SOON * 3, async || {
            let spec = client.spec().arguments(["version"]);
            run_client(&spec, "").await.success.then_some(())
        })
        .await;
        client
    }

    /// Makes an image known under a name.
    pub async fn load(&self, image: &Image, reference: &str) -> Outcome {
        let archive = image.write_archive(&self.folder, reference);
        let spec = self
            .spec()
            .arguments(["images", "import", "--no-unpack"])
            .argument(&archive);
        let outcome = run_client(&spec, "").await;
        std::fs::remove_file(archive).unwrap();
        outcome
    }

    /// Pushes as this user, `name:password`.
    pub async fn push(&self, reference: &str, user: &str) -> Outcome {
        let spec = self.remote("push", user).argument(reference);
        run_client(&spec, "").await
    }

    /// Pulls and unpacks as this user; anonymously when it is empty.
    pub async fn pull(&self, reference: &str, user: &str) -> Outcome {
        let spec = self
            .remote("pull", user)
            .arguments(["--snapshotter", "native", reference]);
        run_client(&spec, "").await
    }

    /// Forgets an image and, at once, all content that no image has any more. Without it a later
    /// push would mount what an earlier one uploaded.
    pub async fn remove(&self, reference: &str) -> Outcome {
        let spec = self.spec().arguments(["images", "rm", "--sync", reference]);
        run_client(&spec, "").await
    }

    /// The digest of the config of an image it has.
    pub async fn image_id(&self, reference: &str) -> String {
        let name = format!("name=={reference}");
        let listed = run_client(&self.spec().arguments(["images", "ls", &name]), "").await;
        let line = listed
            .expect_success()
            .stdout
            .lines()
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        let digest = line
            .split_whitespace()
            .find(|word| word.starts_with("sha256:"));
        let digest = digest
            .unwrap_or_else(|| panic!("no image {reference}: {line}"))
            .to_owned();
        let content = run_client(&self.spec().arguments(["content", "get", &digest]), "").await;
        let manifest: serde_json::Value =
            serde_json::from_str(&content.expect_success().stdout).unwrap();
        manifest["config"]["digest"].as_str().unwrap().to_owned()
    }

    /// The daemon's process.
    pub fn daemon(&self) -> &Process {
        &self.daemon
    }

    fn remote(&self, command: &str, user: &str) -> Spec {
        let spec = self
            .spec()
            .arguments(["images", command, "--tlscacert"])
            .argument(&self.destination.ca_file);
        if user.is_empty() {
            spec
        } else {
            spec.arguments(["--user", user])
        }
    }

    fn spec(&self) -> Spec {
        Spec::new("ctr", "ctr", &self.folder)
            .hosts_file(&self.destination.hosts_file)
            .arguments(["--address", &self.socket])
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.daemon.kill();
        drop(std::fs::remove_file(&self.socket));
        drop(std::fs::remove_file(format!("{}.ttrpc", self.socket)));
    }
}
