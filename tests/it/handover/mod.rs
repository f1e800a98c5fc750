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
use crate::harness::uploads::with_blob;
use crate::harness::wait::SOON;

/// The longest that a process may take to end when nothing holds it any more: connections without a request have
/// three seconds. Far below the grace periods.
const GONE: Duration = SOON;

/// Bytes of a pull that takes longer than anything else here.
const LONG: usize = 128 << 20;

/// An upgradable balancer before nodes with uploads and a very long blob.
async fn front(nodes: usize, change: impl FnOnce(&mut Config)) -> Front {
    let upgradable = |config: &mut Config| {
        config.upgradable();
        change(config);
    };
    Front::scripted(nodes, upgradable, with_blob(LONG)).await
}
