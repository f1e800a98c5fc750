//! What an examination of Redis tells.

use std::time::Duration;

use crate::affinity::shared::examine::Examination;

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};

/// Whether it can be reached. `place` says where, without password.
pub(in super::super) fn reach(place: &str, found: &Result<Examination, String>) -> Outcome {
    match found {
        Ok(_) => Outcome::passed(format!("{place} answers")),
        Err(why) => Finding::new(Check::RedisReach, Severity::Error, "Redis cannot be used")
            .told(place, "connect, as [redis] says", why)
            .remedy(
                "look at [redis] url or url_file, username and password_file (and ca_file for rediss), at bind and \
                 protected-mode in redis.conf, and at firewalls; pilotage goes on without it until it is well",
            )
            .into(),
    }
}

/// Whether the account may do what pilotage does.
pub(in super::super) fn rights(place: &str, found: &Examination, prefix: &str) -> Outcome {
    if found.refused.is_empty() {
        return Outcome::passed("may write, read, expire, run scripts and delete");
    }
    let what = "the account in Redis lacks rights";
    found
        .refused
        .iter()
        .fold(
            Finding::new(Check::RedisRights, Severity::Error, what),
            |finding, (command, why)| finding.told(place, *command, why),
        )
        .remedy(format!(
            "give it ACL SETUSER <user> on ~{prefix}:* +@read +@write +@scripting +time (and let [redis] name a master: a \
             replica only reads)"
        ))
        .into()
}

/// Whether entries stay until their time is over.
pub(in super::super) fn eviction(place: &str, found: &Examination) -> Outcome {
    let Some(memory) = &found.memory else {
        return Outcome::skipped("the account may not ask for it (INFO memory)");
    };
    let policy = memory.policy.as_str();
    if memory.limit == 0 || policy == "noeviction" {
        return Outcome::passed(format!("maxmemory {}, {policy}", memory.limit));
    }
    let what = "Redis forgets entries when its memory is full";
    Finding::new(Check::RedisEviction, Severity::Warning, what)
        .told(
            place,
            "INFO memory",
            format!("maxmemory {}, maxmemory_policy {policy}", memory.limit),
        )
        .remedy(
            "set maxmemory-policy noeviction in redis.conf (CONFIG SET maxmemory-policy noeviction at once) and give it \
             the memory it needs; a cache that may forget belongs into another Redis",
        )
        .into()
}

/// Whether it answers in time.
pub(in super::super) fn latency(place: &str, found: &Examination, limit: Duration) -> Outcome {
    let (middle, worst) = (found.middle, found.worst);
    let said = format!(
        "{:.1} ms, {:.1} ms at worst",
        middle.as_secs_f64() * 1e3,
        worst.as_secs_f64() * 1e3
    );
    if worst < limit / 2 {
        return Outcome::passed(said);
    }
    let severity = if middle >= limit {
        Severity::Error
    } else {
        Severity::Warning
    };
    Finding::new(Check::RedisLatency, severity, "Redis answers late")
        .told(place, "PING, 21 times", said)
        .told("pilotage", "[redis] timeout", format!("{} ms", limit.as_millis()))
        .remedy(
            "use a Redis near the nodes, look at its load (redis-cli --latency, SLOWLOG GET), or raise [redis] timeout; \
             that time is added to requests while Redis is slow",
        )
        .into()
}

#[cfg(test)]
mod tests {
    use crate::affinity::shared::examine::Memory;

    use super::*;

    fn good() -> Examination {
        Examination {
            refused: Vec::new(),
            memory: Some(Memory {
                limit: 0,
                policy: "noeviction".to_owned(),
            }),
            middle: Duration::from_millis(1),
            worst: Duration::from_millis(2),
        }
    }

    #[test]
    fn a_policy_matters_only_where_memory_is_limited() {
        let with = |limit: u64, policy: &str| {
            let mut found = good();
            let policy = policy.to_owned();
            found.memory = Some(Memory { limit, policy });
            eviction("r", &found)
        };
        assert!(matches!(with(0, "allkeys-lru"), Outcome::Passed(_)));
        assert!(matches!(with(1 << 30, "noeviction"), Outcome::Passed(_)));
        assert_eq!(
            with(1 << 30, "volatile-lru").severity(),
            Some(Severity::Warning)
        );
    }

    #[test]
    fn lateness_is_measured_against_the_limit() {
        let limit = Duration::from_millis(50);
        assert!(matches!(latency("r", &good(), limit), Outcome::Passed(_)));
        let mut slow = good();
        slow.worst = Duration::from_millis(30);
        assert_eq!(
            latency("r", &slow, limit).severity(),
            Some(Severity::Warning)
        );
        slow.middle = Duration::from_millis(60);
        assert_eq!(latency("r", &slow, limit).severity(), Some(Severity::Error));
    }

    #[test]
    fn each_right_that_is_missing_is_told() {
        let mut found = good();
        found.refused.push(("SET", "noperm".to_owned()));
        let outcome = rights("r", &found, "pilotage");
        assert_eq!(outcome.severity(), Some(Severity::Error));
        assert!(matches!(
            rights("r", &good(), "pilotage"),
            Outcome::Passed(_)
        ));
    }
}
