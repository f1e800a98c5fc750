//! A public project is pulled by anybody, and a private one by nobody.

use crate::harness::clients::containerd::Containerd;
use crate::harness::clients::docker::Docker;
use crate::harness::clients::podman::Podman;
use crate::harness::clients::skopeo::Skopeo;
use crate::harness::core::Account;
use crate::harness::image::Image;
use crate::registry::hand::Hand;
use crate::registry::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn each_client_pulls_a_public_image_without_a_login_and_no_private_one() {
    let stage = Stage::set().await;
    let repositories = ["open/image", "lab/image"];
    let [hand, _] = Hand::both(&stage.balancer, Account::ADMIN, &repositories).await;
    let image = Image::small();
    for repository in repositories {
        hand.push_image(repository, "v1", &image).await;
    }
    let destination = stage.balancer.destination();
    let open = destination.image("open/image:v1");
    let closed = destination.image("lab/image:v1");

    let skopeo = Skopeo::new(&destination);
    let pulled = skopeo.pull(&open).await.expect_success();
    assert_eq!(pulled.stdout, image.id());
    skopeo.pull(&closed).await.expect_failure();

    let podman = Podman::new(&destination);
    podman.pull(&open).await.expect_success();
    assert_eq!(podman.image_id(&open).await, image.id());
    podman.pull(&closed).await.expect_failure();

    let ctr = Containerd::start(&destination).await;
    ctr.pull(&open, "").await.expect_success();
    assert_eq!(ctr.image_id(&open).await, image.id());
    ctr.pull(&closed, "").await.expect_failure();

    let docker = Docker::start(&destination).await;
    docker.pull(&open).await.expect_success();
    assert_eq!(docker.image_id(&open).await, image.id());
    docker.pull(&closed).await.expect_failure();
}
