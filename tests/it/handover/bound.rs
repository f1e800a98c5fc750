//! How long the process of before may stay.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::load::Trickle;
use crate::harness::uploads::blob;

use super::{GONE, front};

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_longer_than_the_bound_is_cut_at_its_end() {
    let mut front = front(1, |config| {
        // Time to see that the transfer goes on before.
        config.set("upgrade", "grace_period", "6s");
    })
    .await;
    let pull = Trickle::download(&front.h1(), &blob());
    pull.goes_on().await;
    let mut old = front.balancer.upgrade().await;
    pull.goes_on().await;
    assert!(old.ended(GONE).await.success());
    let said = old.stderr();
    assert!(
        said.contains("grace period is over: running requests are cut"),
        "{said}"
    );
    pull.ended().await.unwrap_err();
    front.serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_before_that_is_told_to_stop_has_the_usual_grace_period() {
    let mut front = front(1, |config| {
        config.set("", "grace_period", "2s");
    })
    .await;
    let pull = Trickle::download(&front.h1(), &blob());
    pull.goes_on().await;
    let mut old = front.balancer.upgrade().await;
    pull.goes_on_for(Duration::from_secs(3)).await;
    assert!(old.running(), "the bound of an upgrade is another one");
    old.signal(Signal::TERM);
    assert!(old.ended(GONE).await.success());
    pull.ended().await.unwrap_err();
    front.serves().await;
}
