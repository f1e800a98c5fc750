//! A node that the operator takes out.

use super::scene::{Scene, agreeable, number};
use super::work::{admin, ask, commit, next, node, patch, publish, some_blob, start_upload};
use crate::harness::balancer::{Balancer, field};
use crate::harness::certs::Offer;
use crate::harness::wait::{SOON, until};

async fn reload(balancer: &mut Balancer, name: &str, drain: bool) {
    let reloads = |balancer: &Balancer| {
        let all = balancer.log().into_iter();
        all.filter(|line| field(line, "message") == "settings reloaded")
            .count()
    };
    let before = reloads(balancer);
    balancer.reload(|config| {
        config.set_node(name, "drain", drain);
    });
    until("the file is read again", SOON, async || {
        (reloads(balancer) > before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_node_ends_its_uploads_and_begins_nothing() {
    let scene = Scene::new(3, agreeable).await;
    let mut balancer = scene.balancer(|_| ()).await;
    let (started, record) = ask(&balancer, start_upload("lab/app")).await;
    let (upload, drained) = (next(&started.expect(202)), node(&record));
    reload(&mut balancer, &drained, true).await;
    let target = balancer.target(Offer::Http1);
    let before = scene.counts()[number(&drained)];
    for number in 0..40 {
        let repository = format!("lab/app-{number}");
        let blob = format!("/v2/lab/app/blobs/{}", some_blob(number));
        target.send(admin("GET", &blob)).await.expect(200);
        target.send(start_upload(&repository)).await.expect(202);
        target
            .send(publish(&repository, "v1", b"{}"))
            .await
            .expect(201);
    }
    assert_eq!(scene.counts()[number(&drained)], before);

    let (patched, record) = ask(&balancer, patch(&upload, b"some bytes")).await;
    assert_eq!(node(&record), drained);
    let status = admin("GET", &next(&patched));
    let (_, record) = ask(&balancer, status).await;
    assert_eq!(node(&record), drained);
    let done = commit(&next(&patched.expect(202)), &some_blob(1));
    let (done, record) = ask(&balancer, done).await;
    done.expect(201);
    assert_eq!(node(&record), drained);

    let nodes = balancer.nodes().await;
    assert_eq!(nodes[number(&drained)]["duty"], "draining");
    reload(&mut balancer, &drained, false).await;
    let (_, record) = ask(&balancer, start_upload("lab/app")).await;
    assert_eq!(node(&record), drained, "its repositories come back to it");
}
