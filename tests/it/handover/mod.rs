//! Change without a gap: a new binary takes the ports over, an instance leaves and another comes, settings and
//! certificates change, and no client notices.

mod bound;
mod changed;
mod command;
mod leaving;
mod pushes;
mod refused;
mod reloads;
mod rolling;
mod under_load;

use std::time::Duration;

use crate::harness::balancer::config::Config;
use crate::harness::front::Front;
use crate::harness::recorder::answer;
use crate::harness::uploads::script;

/// The longest that a process may take to end when nothing holds it any more: connections without a request have
/// three seconds.
const GONE: Duration = Duration::from_secs(20);

/// Bytes of a pull that takes longer than anything else here.
const LONG: usize = 128 << 20;

/// An upgradable balancer before nodes with uploads and a very long blob.
async fn front(nodes: usize, change: impl FnOnce(&mut Config)) -> Front {
    let body = "d".repeat(LONG);
    let upgradable = |config: &mut Config| {
        config.upgradable();
        change(config);
    };
    Front::scripted(nodes, upgradable, move |number, request| {
        let blob = request.target.contains("/blobs/sha256:");
        let blob = blob.then(|| answer(200, &[], &body));
        blob.or_else(|| script(number, request))
    })
    .await
}

fn blob() -> String {
    format!("/v2/lab/app/blobs/sha256:{}", "a".repeat(64))
}
