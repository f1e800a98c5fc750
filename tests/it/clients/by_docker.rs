//! docker.

use super::spread::{expect_layers_from_others, expect_no_failure, leave_writer};
use crate::harness::clients::docker::Docker;
use crate::harness::image::Image;
use crate::registry::stage::{Stage, expect_stored};

#[tokio::test(flavor = "multi_thread")]
async fn docker_logs_in_pushes_and_pulls() {
    let mut stage = Stage::set().await;
    let destination = stage.balancer.destination();
    let authority = destination.authority.as_str();
    let docker = Docker::start(&destination).await;
    let refused = docker.login(authority, "builder", "wrong").await;
    let refused = refused.expect_failure();
    assert!(
        refused.stderr.contains("unauthorized"),
        "{}",
        refused.stderr
    );
    let login = docker.login(authority, "builder", "Builder12345").await;
    assert!(login.expect_success().stdout.contains("Login Succeeded"));

    let (image, name) = (Image::small(), destination.image("lab/docker:v1"));
    docker.load(&image, &name).await.expect_success();
    docker.push(&name).await.expect_success();
    expect_stored(&stage.storage(), "lab/docker", "v1", &image);
    // The same again finds everything there.
    docker.push(&name).await.expect_success();
    docker.remove(&name).await.expect_success();
    docker.pull(&name).await.expect_success();
    assert_eq!(docker.image_id(&name).await, image.id());

    // A second repository takes the layers from the first one.
    let second = destination.image("lab/docker-too:v1");
    docker.run(["tag", &name, &second]).await.expect_success();
    let mounted = docker.push(&second).await.expect_success();
    assert!(
        mounted.stdout.contains("Mounted from"),
        "{}",
        mounted.stdout
    );
    expect_stored(&stage.storage(), "lab/docker-too", "v1", &image);
    expect_no_failure(&stage);

    let writer = leave_writer(&mut stage, "lab/docker-too").await;
    for name in [&name, &second] {
        docker.remove(name).await.expect_success();
    }
    docker.pull(&second).await.expect_success();
    assert_eq!(docker.image_id(&second).await, image.id());
    expect_layers_from_others(&stage, "lab/docker-too", &writer);
    let missing = destination.image("lab/nothing:v1");
    let failed = docker.pull(&missing).await.expect_failure();
    assert!(failed.stderr.contains("not found"), "{}", failed.stderr);
}
