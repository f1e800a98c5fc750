//! docker, with a daemon of its own.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::{Destination, hosts, run_client};
use crate::harness::image::Image;
use crate::harness::link::Link;
use crate::harness::process::{Outcome, Process, Spec};
use crate::harness::wait::{SOON, until};

/// A private docker daemon and the command line that talks to it.
#[derive(Debug)]
pub struct Docker {
    daemon: Process,
    folder: PathBuf,
    socket: String,
    /// docker does not verify registries whose name resolves to 127.0.0.0/8, so its daemon finds
    /// the destination on the IPv6 loopback, where this relays to the real address.
    relay: Link,
}

impl Docker {
    /// Starts the daemon and waits until it is ready.
    pub async fn start(destination: &Destination) -> Self {
        let folder = destination.own_folder("docker");
        let port = destination.address.port();
        let loopback = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        let relay = Link::open(loopback, destination.address).await;
        let hosts_file = folder.join("hosts");
        std::fs::write(&hosts_file, hosts(destination.name(), "::1")).unwrap();
        // A path of a socket must be short.
        let socket = std::env::temp_dir().join(format!("docker-{:08x}.sock", fastrand::u32(..)));
        let socket = format!("unix://{}", socket.display());
        let daemon = Process::start(
            Spec::new("dockerd", "dockerd", &folder)
                .hosts_file(&hosts_file)
                .hide("/etc/docker")
                .hide("/run")
                .environment("SSL_CERT_FILE", &destination.ca_file)
                .arguments(["--iptables=false", "--ip6tables=false", "--bridge=none"])
                .arguments(["--storage-driver=vfs", "-H", &socket, "--pidfile"])
                .argument(folder.join("pid"))
                .argument("--data-root")
                .argument(folder.join("data"))
                .argument("--exec-root")
                .argument(folder.join("exec")),
        );
        let docker = Self {
            daemon,
            folder,
            socket,
            relay,
        };
        until("dockerd answers", SOON * 3, async || {
            docker.run(["version"]).await.success.then_some(())
        })
        .await;
        docker
    }

    /// The address for `DOCKER_HOST`.
    pub fn socket(&self) -> &str {
        &self.socket
    }

    /// The daemon's process.
    pub fn daemon(&self) -> &Process {
        &self.daemon
    }

    pub async fn login(&self, to: &str, name: &str, password: &str) -> Outcome {
        let spec = self
            .spec()
            .arguments(["login", "--username", name, "--password-stdin", to]);
        run_client(&spec, password).await
    }

    /// Makes an image known under a name.
    pub async fn load(&self, image: &Image, reference: &str) -> Outcome {
        let archive = image.write_archive(&self.folder, reference);
        let outcome = self
            .run(["load", "--input", archive.to_str().unwrap()])
            .await;
        std::fs::remove_file(archive).unwrap();
        outcome
    }

    pub async fn push(&self, reference: &str) -> Outcome {
        self.run(["push", reference]).await
    }

    pub async fn pull(&self, reference: &str) -> Outcome {
        self.run(["pull", reference]).await
    }

    /// Forgets an image and its layers.
    pub async fn remove(&self, reference: &str) -> Outcome {
        self.run(["image", "rm", "--force", reference]).await
    }

    /// The digest of the config of an image it has.
    pub async fn image_id(&self, reference: &str) -> String {
        let asked = ["image", "inspect", "--format", "{{.Id}}", reference];
        self.run(asked)
            .await
            .expect_success()
            .stdout
            .trim()
            .to_owned()
    }

    /// Any other command.
    pub async fn run<const N: usize>(&self, arguments: [&str; N]) -> Outcome {
        run_client(&self.spec().arguments(arguments), "").await
    }

    fn spec(&self) -> Spec {
        Spec::new("docker", "docker", &self.folder)
            .environment("DOCKER_HOST", &self.socket)
            .environment("DOCKER_CONFIG", self.folder.join("config"))
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // The daemon cleans up its mounts and its own containerd when it is asked to end.
        self.daemon.signal(rustix::process::Signal::TERM);
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while self.daemon.running() && std::time::Instant::now() < patience {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        if let Some(path) = self.socket.strip_prefix("unix://") {
            drop(std::fs::remove_file(path));
        }
    }
}
