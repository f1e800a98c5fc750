//! skopeo.

use super::spread::{expect_no_failure, leave_writer};
use crate::harness::clients::skopeo::Skopeo;
use crate::harness::image::Image;
use crate::registry::stage::{Stage, expect_stored};

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_logs_in_pushes_and_pulls() {
    let mut stage = Stage::set().await;
    let destination = stage.balancer.destination();
    let skopeo = Skopeo::new(&destination);
    let (image, name) = (Image::small(), destination.image("lab/skopeo:v1"));
    let refused = skopeo.login("builder", "wrong").await.expect_failure();
    let message = "invalid username/password";
    assert!(refused.stderr.contains(message), "{}", refused.stderr);
    skopeo.push(&image, &name).await.expect_failure();
    let login = skopeo.login("builder", "Builder12345").await;
    assert!(login.expect_success().stdout.contains("Login Succeeded"));
    skopeo.push(&image, &name).await.expect_success();
    expect_stored(&stage.storage(), "lab/skopeo", "v1", &image);
    let pulled = skopeo.pull(&name).await.expect_success();
    assert_eq!(pulled.stdout, image.id());
    expect_no_failure(&stage);
    let writer = leave_writer(&mut stage, "lab/skopeo").await;
    let again = skopeo.pull(&name).await.expect_success();
    assert_eq!(again.stdout, image.id());
    // The first pull came from the writer, as it should; the second cannot have.
    let layers = |node: &str| {
        let records = stage.balancer.access_log();
        let of_node = |record: &serde_json::Value| {
            let field = |name| crate::harness::balancer::field(record, name);
            field("route") == "blob" && field("method") == "GET" && field("node") == node
        };
        records.iter().filter(|record| of_node(record)).count()
    };
    let others = stage.cluster.nodes.iter().map(|node| node.name.as_str());
    let others = others.filter(|name| **name != writer);
    assert!(others.map(layers).sum::<usize>() >= 4, "config and layers");
}
