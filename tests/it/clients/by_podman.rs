//! podman.

use super::spread::{expect_layers_from_others, expect_no_failure, leave_writer};
use crate::harness::clients::podman::Podman;
use crate::harness::image::Image;
use crate::registry::stage::{Stage, expect_stored};

#[tokio::test(flavor = "multi_thread")]
async fn podman_logs_in_pushes_and_pulls() {
    let mut stage = Stage::set().await;
    let destination = stage.balancer.destination();
    let podman = Podman::new(&destination);
    let (image, name) = (Image::small(), destination.image("lab/podman:v1"));
    let refused = podman.login("builder", "wrong").await.expect_failure();
    let message = "invalid username/password";
    assert!(refused.stderr.contains(message), "{}", refused.stderr);
    podman.load(&image, &name).await.expect_success();
    podman.push(&name).await.expect_failure();
    let login = podman.login("builder", "Builder12345").await;
    assert!(login.expect_success().stdout.contains("Login Succeeded"));
    podman.push(&name).await.expect_success();
    expect_stored(&stage.storage(), "lab/podman", "v1", &image);
    expect_no_failure(&stage);
    let writer = leave_writer(&mut stage, "lab/podman").await;
    podman.remove(&name).await.expect_success();
    podman.pull(&name).await.expect_success();
    assert_eq!(podman.image_id(&name).await, image.id());
    expect_layers_from_others(&stage, "lab/podman", &writer);
}
