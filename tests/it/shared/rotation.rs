//! The sealing keys are rotated while a push runs over two instances.

use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::image::digest;
use crate::harness::scripted::location;
use crate::harness::wait::{SOON, until};

use super::scene::{Scene, fresh_key};

/// Both instances take new settings, one after the other; a push goes on between.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_in_three_steps_under_a_running_push() {
    let mut scene = Scene::set(2).await;
    let file = scene.cluster.scratch.path().join("affinity.key");
    let old = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    let new = fresh_key();
    let both = [
        scene.courier(0, Offer::Http1).await,
        scene.courier(1, Offer::Http1).await,
    ];
    let mut content = Vec::new();
    let mut answer = both[0].start("lab/rotated").await.expect(202);
    let mut turn = 0;
    // First all know the new key, then all seal with it, and the old one goes when its uploads have ended.
    let lists = [
        format!("{old}\n{new}\n"),
        format!("{new}\n{old}\n"),
        format!("{new}\n"),
    ];
    for (done, keys) in (1..).zip(lists) {
        std::fs::write(&file, keys).unwrap();
        for instance in 0..2 {
            let balancer = &mut scene.instances[instance];
            balancer.reload(|_| ());
            until("reloaded", SOON, async || {
                let name = "pilotage_config_reloads_total{outcome=\"done\"";
                (balancer.metric(name).await == Some(f64::from(done))).then_some(())
            })
            .await;
            // One of the two has the new list by now, the other perhaps not yet.
            for _ in 0..3 {
                let part = vec![fastrand::u8(..); 10_000];
                turn = 1 - turn;
                let patch = Request::new("PATCH", &location(&answer)).body(part.clone());
                answer = both[turn].send(patch).await.expect(202);
                content.extend(part);
            }
        }
    }
    let put = format!("{}&digest={}", location(&answer), digest(&content));
    both[1].send(Request::new("PUT", &put)).await.expect(201);
}
