//! Certificates change while clients come and go, and nobody notices.

use std::time::Duration;

use super::tls_client::{Versions, config, meet};
use crate::harness::balancer::{Balancer, field};
use crate::harness::cluster::PUBLIC_NAME;
use crate::harness::front::Front;
use crate::harness::load::{Load, Trickle};
use crate::harness::uploads::{begin, blob, with_blob};
use crate::harness::wait::{SOON, found, until};

const NAMES: [&str; 3] = [PUBLIC_NAME, "localhost", "127.0.0.1"];

/// The certificate that a new client is shown.
pub(crate) async fn shown(balancer: &Balancer) -> Vec<u8> {
    let client = config(balancer.authority(), Versions::Both, &[]);
    let met = meet(balancer.address(), PUBLIC_NAME, &client.into()).await;
    met.unwrap().certificate
}

async fn front(recheck: &'static str) -> Front {
    Front::scripted(
        1,
        move |config| {
            config.set("tls", "recheck", recheck);
        },
        with_blob(32 << 20),
    )
    .await
}

async fn refused_reloads(balancer: &Balancer) -> Option<f64> {
    balancer
        .metric("pilotage_config_reloads_total{outcome=\"refused\"}")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_changes_on_disk_is_served_and_no_request_fails() {
    let front = front("100ms").await;
    let load = Load::start(&front.h1(), &front.h2(), "/v2/_catalog");
    let down = Trickle::download(&front.h1(), &blob());
    let up = Trickle::upload(&front.h1(), &begin(&front.balancer).await);
    for _ in 0..3 {
        load.goes_on(20).await;
        let fresh = front.balancer.replace_certificate(&NAMES);
        until("the new certificate is served", SOON, async || {
            (shown(&front.balancer).await == fresh.der).then_some(())
        })
        .await;
    }
    load.goes_on(20).await;
    down.goes_on().await;
    up.goes_on().await;
    assert_eq!(down.finish().await.bytes, 32 << 20);
    assert_eq!(up.finish().await.status, 202);
    load.finish_without_failure().await;
    front.balancer.says("certificates replaced").await;
    let expiry = front
        .balancer
        .metric("pilotage_edge_certificate_expiry_seconds")
        .await;
    assert!(expiry.unwrap() > 1e9, "{expiry:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_served_from_a_reload_on_and_not_before() {
    let mut front = front("1h").await;
    let old = shown(&front.balancer).await;
    let load = Load::start(&front.h1(), &front.h2(), "/v2/_catalog");
    load.goes_on(20).await;
    let fresh = front.balancer.replace_certificate(&NAMES);
    load.goes_on(20).await;
    assert_eq!(shown(&front.balancer).await, old);
    front.balancer.reload(|_| ());
    until("the new certificate is served", SOON, async || {
        (shown(&front.balancer).await == fresh.der).then_some(())
    })
    .await;
    load.goes_on(20).await;
    load.finish_without_failure().await;
    assert_eq!(refused_reloads(&front.balancer).await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_certificate_keeps_the_old_one_and_is_told_once() {
    let mut front = front("50ms").await;
    let old = shown(&front.balancer).await;
    let chain = front.scratch.path().join("balancer/public.crt");
    let good = std::fs::read(&chain).unwrap();
    // At one stroke, as tools that renew certificates do it: half a file is another fault.
    let put = |content: &[u8]| {
        let fresh = chain.with_extension("fresh");
        std::fs::write(&fresh, content).unwrap();
        std::fs::rename(fresh, &chain).unwrap();
    };
    put(b"no certificate at all");
    let told = |balancer: &Balancer| {
        let all = balancer.log().into_iter();
        let kept = "the one of before is served";
        all.filter(|line| {
            field(line, "message")
                .as_str()
                .unwrap_or_default()
                .contains(kept)
        })
        .collect::<Vec<_>>()
    };
    until("it is told", SOON, async || {
        (!told(&front.balancer).is_empty()).then_some(())
    })
    .await;
    // Many more looks at the same broken file say nothing new.
    let again = found(Duration::from_millis(600), async || {
        (told(&front.balancer).len() > 1).then_some(())
    })
    .await;
    assert!(again.is_none(), "{:#?}", told(&front.balancer));
    let line = &told(&front.balancer)[0];
    assert_eq!(field(line, "level"), "ERROR");
    assert!(line.to_string().contains("public.crt"), "{line}");
    assert_eq!(shown(&front.balancer).await, old);
    front.balancer.reload(|_| ());
    until("the reload is refused", SOON, async || {
        (refused_reloads(&front.balancer).await == Some(1.0)).then_some(())
    })
    .await;
    let refused = front
        .balancer
        .says("reload refused: the settings of before stay in force")
        .await;
    assert!(refused.to_string().contains("public.crt"), "{refused}");
    assert_eq!(shown(&front.balancer).await, old);
    // A certificate without its key is broken as well.
    put(front.balancer.authority().issue(&NAMES).chain.as_bytes());
    until("another fault is told", SOON, async || {
        (told(&front.balancer).len() == 2).then_some(())
    })
    .await;
    put(&good);
    assert_eq!(shown(&front.balancer).await, old);
    let fresh = front.balancer.replace_certificate(&NAMES);
    until("the mended certificate is served", SOON, async || {
        (shown(&front.balancer).await == fresh.der).then_some(())
    })
    .await;
}
