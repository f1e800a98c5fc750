//! Keeps to what all instances were told about maintenance.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;

use crate::affinity::shared::{Asked, Shared};
use crate::edge::maintenance::{Maintenance, Notice};
use crate::observe::control::Pushes;

use super::Parts;

/// Looks every few seconds what was said to all instances.
pub(super) fn follow(parts: &Parts) -> impl Future<Output = ()> + Send + use<> {
    let (shared, metrics) = (parts.shared.clone(), Arc::clone(&parts.metrics));
    let maintenance = Arc::clone(&parts.maintenance);
    async move {
        loop {
            look(&shared, &maintenance).await;
            let in_force = maintenance.in_force(unix_seconds());
            metrics.pushes_are(match in_force {
                Some(_) => Pushes::Refused,
                None => Pushes::Taken,
            });
            sleep(PAUSE).await;
        }
    }
}

/// While Redis is away, what was said last goes on until it ends by itself.
async fn look(shared: &Shared, maintenance: &Maintenance) {
    if !shared.is_up() {
        return;
    }
    let notice = match shared.find_maintenance().await {
        Asked::Found(text) => serde_json::from_str::<Notice>(&text).ok(),
        Asked::None => None,
        Asked::Away => return,
    };
    let said = notice
        .as_ref()
        .map(|notice| (notice.by.clone(), notice.since));
    let before = maintenance.set_shared(notice);
    let before = before.map(|notice| (notice.by.clone(), notice.since));
    if said == before {
        return;
    }
    let by = said.as_ref().map(|(by, _)| by);
    let to = if by.is_some() { "on" } else { "off" };
    tracing::warn!(target: "control", by, to, "maintenance of all instances changed");
}

fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Soon enough for an operator who waits for it, seldom enough for Redis.
const PAUSE: Duration = Duration::from_secs(2);
