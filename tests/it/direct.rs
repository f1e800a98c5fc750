//! The test bed by itself: each real client against one node that speaks TLS, with nothing of ours
//! between. What fails here is the fault of the bed, or of the client.

use crate::harness::certs::Authority;
use crate::harness::clients::Destination;
use crate::harness::clients::containerd::Containerd;
use crate::harness::clients::curl::Curl;
use crate::harness::clients::docker::Docker;
use crate::harness::clients::podman::Podman;
use crate::harness::clients::skopeo::Skopeo;
use crate::harness::cluster::{Cluster, PUBLIC_NAME};
use crate::harness::image::Image;
use crate::harness::node::Entrance;

async fn tls_node() -> (Cluster, Destination) {
    let builder = Cluster::builder()
        .nodes(1)
        .all(|plan| plan.entrance = Entrance::Https);
    let mut cluster = builder.start().await;
    let address = cluster.nodes[0].address();
    let folder = cluster.scratch.path().to_owned();
    let destination = Destination::new(&folder, PUBLIC_NAME, address, &cluster.authority);
    cluster
        .set_public_url(&format!("https://{}", destination.authority))
        .await;
    (cluster, destination)
}

/// The same node for somebody who trusts another authority.
fn misled(cluster: &Cluster, destination: &Destination) -> Destination {
    let folder = cluster.scratch.folder("misled");
    Destination::new(&folder, PUBLIC_NAME, destination.address, &Authority::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_works_with_a_node_and_verifies_it() {
    let (cluster, destination) = tls_node().await;
    let docker = Docker::start(&destination).await;
    let (image, name) = (Image::small(), destination.image("lab/docker:v1"));
    docker
        .login(&destination.authority, "builder", "wrong")
        .await
        .expect_failure();
    docker
        .login(&destination.authority, "builder", "Builder12345")
        .await
        .expect_success();
    docker.load(&image, &name).await.expect_success();
    docker.push(&name).await.expect_success();
    docker.remove(&name).await.expect_success();
    docker.pull(&name).await.expect_success();
    assert_eq!(docker.image_id(&name).await, image.id());
    drop(docker);
    let misled = Docker::start(&misled(&cluster, &destination)).await;
    let refused = misled
        .login(&destination.authority, "builder", "Builder12345")
        .await;
    assert!(refused.expect_failure().stderr.contains("certificate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_works_with_a_node_and_verifies_it() {
    let (cluster, destination) = tls_node().await;
    let skopeo = Skopeo::new(&destination);
    let (image, name) = (Image::small(), destination.image("lab/skopeo:v1"));
    skopeo.login("builder", "wrong").await.expect_failure();
    skopeo
        .login("builder", "Builder12345")
        .await
        .expect_success();
    skopeo.push(&image, &name).await.expect_success();
    assert_eq!(skopeo.pull(&name).await.expect_success().stdout, image.id());
    let misled = Skopeo::new(&misled(&cluster, &destination));
    let refused = misled
        .login("builder", "Builder12345")
        .await
        .expect_failure();
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_works_with_a_node_and_verifies_it() {
    let (cluster, destination) = tls_node().await;
    let podman = Podman::new(&destination);
    let (image, name) = (Image::small(), destination.image("lab/podman:v1"));
    podman.login("builder", "wrong").await.expect_failure();
    podman
        .login("builder", "Builder12345")
        .await
        .expect_success();
    podman.load(&image, &name).await.expect_success();
    podman.push(&name).await.expect_success();
    podman.remove(&name).await.expect_success();
    podman.pull(&name).await.expect_success();
    assert_eq!(podman.image_id(&name).await, image.id());
    let misled = Podman::new(&misled(&cluster, &destination));
    let refused = misled
        .login("builder", "Builder12345")
        .await
        .expect_failure();
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctr_works_with_a_node_and_verifies_it() {
    let (cluster, destination) = tls_node().await;
    let ctr = Containerd::start(&destination).await;
    let (image, name) = (Image::small(), destination.image("lab/ctr:v1"));
    ctr.load(&image, &name).await.expect_success();
    ctr.push(&name, "builder:wrong").await.expect_failure();
    ctr.push(&name, "builder:Builder12345")
        .await
        .expect_success();
    ctr.remove(&name).await.expect_success();
    ctr.pull(&name, "builder:Builder12345")
        .await
        .expect_success();
    assert_eq!(ctr.image_id(&name).await, image.id());
    let misled = Containerd::start(&misled(&cluster, &destination)).await;
    let refused = misled
        .pull(&name, "builder:Builder12345")
        .await
        .expect_failure();
    assert!(
        refused.output().contains("certificate"),
        "{}",
        refused.output()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_works_with_a_node_and_verifies_it() {
    let (cluster, destination) = tls_node().await;
    let curl = Curl::new(&destination);
    let pong = curl.get("/api/v2.0/ping", &[]).await.expect_success();
    assert_eq!(pong.stdout, "Pong");
    let misled = Curl::new(&misled(&cluster, &destination));
    let refused = misled.get("/api/v2.0/ping", &[]).await.expect_failure();
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
}
