//! Nodes that share neither storage nor secret: a push that stays on its node works for each
//! client, while all nodes live.

use crate::harness::clients::containerd::Containerd;
use crate::harness::clients::docker::Docker;
use crate::harness::clients::skopeo::Skopeo;
use crate::harness::image::Image;
use crate::registry::stage::{Stage, expect_stored};

const BUILDER: &str = "builder:Builder12345";

async fn expect_on_one_node(stage: &Stage, repository: &str, image: &Image) {
    let writer = stage.writer("manifest", repository).await;
    expect_stored(&stage.storage_of(&writer), repository, "v1", image);
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_pushes_to_nodes_that_share_nothing() {
    let stage = Stage::of_strangers().await;
    let destination = stage.balancer.destination();
    let docker = Docker::start(&destination).await;
    let login = docker.login(&destination.authority, "builder", "Builder12345");
    login.await.expect_success();
    for repository in ["lab/one", "lab/two", "lab/three", "lab/four"] {
        let image = Image::small();
        let name = destination.image(&format!("{repository}:v1"));
        docker.load(&image, &name).await.expect_success();
        docker.push(&name).await.expect_success();
        expect_on_one_node(&stage, repository, &image).await;
        docker.remove(&name).await.expect_success();
        docker.pull(&name).await.expect_success();
        assert_eq!(docker.image_id(&name).await, image.id());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_and_ctr_push_to_nodes_that_share_nothing() {
    let stage = Stage::of_strangers().await;
    let destination = stage.balancer.destination();
    let skopeo = Skopeo::new(&destination);
    let login = skopeo.login("builder", "Builder12345").await;
    login.expect_success();
    let ctr = Containerd::start(&destination).await;
    for repository in ["lab/one", "lab/two", "lab/three", "lab/four"] {
        let (image, name) = (Image::small(), format!("{repository}:v1"));
        let name = destination.image(&name);
        skopeo.push(&image, &name).await.expect_success();
        expect_on_one_node(&stage, repository, &image).await;
        let pulled = skopeo.pull(&name).await.expect_success();
        assert_eq!(pulled.stdout, image.id());

        let image = Image::small();
        let repository = format!("{repository}-by-ctr");
        let name = destination.image(&format!("{repository}:v1"));
        ctr.load(&image, &name).await.expect_success();
        ctr.push(&name, BUILDER).await.expect_success();
        expect_on_one_node(&stage, &repository, &image).await;
        ctr.remove(&name).await.expect_success();
        ctr.pull(&name, BUILDER).await.expect_success();
        assert_eq!(ctr.image_id(&name).await, image.id());
    }
}
