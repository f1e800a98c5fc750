//! ctr with its containerd.

use super::spread::{expect_layers_from_others, expect_no_failure, leave_writer};
use crate::harness::clients::containerd::Containerd;
use crate::harness::image::Image;
use crate::registry::stage::{Stage, expect_stored};

const BUILDER: &str = "builder:Builder12345";

#[tokio::test(flavor = "multi_thread")]
async fn ctr_pushes_and_pulls() {
    let mut stage = Stage::set().await;
    let destination = stage.balancer.destination();
    let ctr = Containerd::start(&destination).await;
    let (image, name) = (Image::small(), destination.image("lab/ctr:v1"));
    ctr.load(&image, &name).await.expect_success();
    let refused = ctr.push(&name, "builder:wrong").await.expect_failure();
    let told = refused.output();
    assert!(told.contains("401 Unauthorized"), "{told}");
    ctr.push(&name, BUILDER).await.expect_success();
    expect_stored(&stage.storage(), "lab/ctr", "v1", &image);
    expect_no_failure(&stage);
    let writer = leave_writer(&mut stage, "lab/ctr").await;
    ctr.remove(&name).await.expect_success();
    ctr.pull(&name, BUILDER).await.expect_success();
    assert_eq!(ctr.image_id(&name).await, image.id());
    expect_layers_from_others(&stage, "lab/ctr", &writer);
    let refused = ctr.pull(&destination.image("lab/ctr:v2"), BUILDER).await;
    let told = refused.expect_failure().output();
    assert!(told.contains("not found"), "{told}");
}
