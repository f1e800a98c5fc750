//! The Redis in which instances meet.

use std::time::Duration;

use crate::affinity::shared::access::Access;
use crate::affinity::shared::examine::{Examination, examine};
use crate::config::Settings;

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::judge::redis;

/// What was seen of it.
#[derive(Debug)]
pub(in super::super) struct Redis {
    place: String,
    prefix: String,
    limit: Duration,
    found: Result<Examination, String>,
}

impl Redis {
    /// Looks at the Redis of the settings; none when they name none.
    pub(in super::super) async fn look(settings: &Settings) -> Option<Result<Self, Finding>> {
        let shared = settings.shared.as_ref()?;
        let access = match Access::open(shared) {
            Ok(access) => access,
            Err(error) => {
                let what = "what [redis] names cannot be used";
                return Some(Err(Finding::new(Check::RedisReach, Severity::Error, what)
                    .told("[redis]", "its files", error.to_string())
                    .remedy(
                        "mend the file that is named; pilotage does not start without it",
                    )));
            }
        };
        Some(Ok(Self {
            place: access.place(),
            prefix: shared.prefix.clone(),
            limit: shared.timeout,
            found: examine(&access).await,
        }))
    }

    /// What it means for one check.
    pub(in super::super) fn judge(&self, check: Check) -> Outcome {
        let place = self.place.as_str();
        match (check, &self.found) {
            (Check::RedisReach, found) => redis::reach(place, found),
            (_, Err(_)) => Outcome::skipped("Redis cannot be reached"),
            (Check::RedisRights, Ok(found)) => redis::rights(place, found, &self.prefix),
            (Check::RedisEviction, Ok(found)) => redis::eviction(place, found),
            (_, Ok(found)) => redis::latency(place, found, self.limit),
        }
    }
}
