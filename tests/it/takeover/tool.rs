//! The real clients, all spoken to in the same way.

use crate::harness::balancer::Balancer;
use crate::harness::clients::Destination;
use crate::harness::clients::containerd::Containerd;
use crate::harness::clients::docker::Docker;
use crate::harness::clients::podman::Podman;
use crate::harness::clients::skopeo::Skopeo;
use crate::harness::image::Image;
use crate::harness::process::Outcome;

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Containerd,
    Docker,
    Podman,
    Skopeo,
}

/// A client that is logged in.
#[derive(Debug)]
pub enum Tool {
    Containerd(Containerd),
    Docker(Docker),
    Podman(Podman),
    Skopeo(Skopeo),
}

const NAME: &str = "builder";
const PASSWORD: &str = "Builder12345";
const USER: &str = "builder:Builder12345";

impl Tool {
    pub async fn of(kind: Kind, balancer: &Balancer) -> Self {
        Self::at(kind, &balancer.destination()).await
    }

    pub async fn at(kind: Kind, destination: &Destination) -> Self {
        let (tool, login) = match kind {
            Kind::Containerd => return Self::Containerd(Containerd::start(destination).await),
            Kind::Docker => {
                let docker = Docker::start(destination).await;
                let login = docker.login(&destination.authority, NAME, PASSWORD).await;
                (Self::Docker(docker), login)
            }
            Kind::Podman => {
                let podman = Podman::new(destination);
                let login = podman.login(NAME, PASSWORD).await;
                (Self::Podman(podman), login)
            }
            Kind::Skopeo => {
                let skopeo = Skopeo::new(destination);
                let login = skopeo.login(NAME, PASSWORD).await;
                (Self::Skopeo(skopeo), login)
            }
        };
        login.expect_success();
        tool
    }

    /// Makes it ready to push an image; nothing is sent.
    pub async fn prepare(&self, image: &Image, name: &str) {
        match self {
            Self::Containerd(ctr) => ctr.load(image, name).await.expect_success(),
            Self::Docker(docker) => docker.load(image, name).await.expect_success(),
            Self::Podman(podman) => podman.load(image, name).await.expect_success(),
            Self::Skopeo(_) => return,
        };
    }

    pub async fn push(&self, image: &Image, name: &str) -> Outcome {
        match self {
            Self::Containerd(ctr) => ctr.push(name, USER).await,
            Self::Docker(docker) => docker.push(name).await,
            Self::Podman(podman) => podman.push(name).await,
            Self::Skopeo(skopeo) => skopeo.push(image, name).await,
        }
    }

    /// Forgets all it has of an image.
    pub async fn forget(&self, name: &str) {
        match self {
            Self::Containerd(ctr) => ctr.remove(name).await.expect_success(),
            Self::Docker(docker) => docker.remove(name).await.expect_success(),
            Self::Podman(podman) => podman.remove(name).await.expect_success(),
            Self::Skopeo(_) => return,
        };
    }

    /// Pulls an image that it does not have; the image's id.
    pub async fn pull(&self, name: &str) -> String {
        match self {
            Self::Containerd(ctr) => {
                ctr.pull(name, USER).await.expect_success();
                ctr.image_id(name).await
            }
            Self::Docker(docker) => {
                docker.pull(name).await.expect_success();
                docker.image_id(name).await
            }
            Self::Podman(podman) => {
                podman.pull(name).await.expect_success();
                podman.image_id(name).await
            }
            Self::Skopeo(skopeo) => skopeo.pull(name).await.expect_success().stdout,
        }
    }

    /// The method that carries its layers.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Containerd(_) => "PUT",
            Self::Docker(_) | Self::Podman(_) | Self::Skopeo(_) => "PATCH",
        }
    }
}
