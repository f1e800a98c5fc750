//! What an operator does and sees: start, reload, stop, the admin pages, records and secrets.

mod admin;
mod check;
mod failover;
mod health;
mod keys;
mod numbers;
mod records;
mod reload;
mod reload_said;
mod rotate;
mod secrets;
mod start;
mod stop;

use crate::harness::balancer::Balancer;
use crate::harness::front::Front;
use crate::harness::wait::{SOON, until};

/// Waits until every request has its record, or has none.
pub(crate) async fn idle(front: &Front) {
    until("nothing is under way", SOON, async || {
        let running = front
            .balancer
            .metric("pilotage_edge_running_requests ")
            .await;
        (running == Some(0.0)).then_some(())
    })
    .await;
}

/// Waits until so many reloads have ended in this way, `done` or `refused`.
pub(crate) async fn reloads(balancer: &Balancer, outcome: &str, count: f64) {
    let name = format!("pilotage_config_reloads_total{{outcome=\"{outcome}\"}}");
    until(&format!("{count} reloads {outcome}"), SOON, async || {
        (balancer.metric(&name).await == Some(count)).then_some(())
    })
    .await;
}
