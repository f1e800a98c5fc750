//! Time limits, as far as settings and releases tell them.

use std::time::Duration;

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::said::Said;
use super::super::told::{Told, listed};

/// Those of our own limits that a large layer meets.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct OurLimits {
    pub(in super::super) commit: Duration,
    pub(in super::super) write: Duration,
    pub(in super::super) read: Duration,
}

/// A push that paused, and what became of it.
#[derive(Debug, Clone)]
pub(in super::super) struct Held {
    pub(in super::super) node: String,
    pub(in super::super) pause: Duration,
    /// To the PATCH whose bytes came late.
    pub(in super::super) said: Said,
}

/// Whether a large layer has the time it needs.
pub(in super::super) fn timeouts(ours: OurLimits, told: &[Told], held: &[Held]) -> Outcome {
    let mut findings = Vec::new();
    findings.extend(given_up(held));
    let wanted = [
        ("commit_timeout", ours.commit, COMMIT, "15m"),
        ("write_timeout", ours.write, STALL, "60s"),
        ("read_timeout", ours.read, READ, "15s"),
    ];
    for (key, is, least, usual) in wanted {
        if is < least {
            let what = format!("[upstream] {key} is short for a large layer");
            let said = format!("{} s", is.as_secs_f64());
            let remedy = format!("set {key} = \"{usual}\" in [upstream], or leave the line out");
            findings.push(
                Finding::new(Check::Timeouts, Severity::Warning, what)
                    .told("pilotage", key, said)
                    .remedy(remedy),
            );
        }
    }
    let old: Vec<_> = told.iter().filter(|one| one.release.is_before(1)).collect();
    if !old.is_empty() {
        let nodes = listed(old.iter().map(|one| one.node.as_str()));
        let what = format!("the nginx of {nodes} gives a layer one minute");
        let said = old
            .iter()
            .map(|one| (one.node.as_str(), one.release.to_string()));
        findings.push(
            Finding::new(Check::Timeouts, Severity::Warning, what)
                .all_told(
                    "its release, whose nginx has no limit of its own for /v2/",
                    said,
                )
                .remedy(
                    "add proxy_send_timeout 900; and proxy_read_timeout 900; to location /v2/ in \
                     common/config/nginx/nginx.conf and restart nginx; from 2.1 on Harbor has them",
                ),
        );
    }
    let seen = match held.first() {
        Some(held) => format!("a push may pause for {} s", held.pause.as_secs()),
        None => "ours are long enough; --pause tries those of the nodes".to_owned(),
    };
    Outcome::of(findings, seen)
}

/// Pushes that somebody gave up while they paused.
fn given_up(held: &[Held]) -> Option<Finding> {
    let cut: Vec<_> = held
        .iter()
        .filter(|one| one.said.status() != Some(202))
        .collect();
    let pause = cut.first()?.pause.as_secs();
    let nodes = listed(cut.iter().map(|one| one.node.as_str()));
    let what = format!("a push that pauses for {pause} s is given up on the way to {nodes}");
    let said = cut.iter().map(|one| (one.node.as_str(), one.said.words()));
    let finding = Finding::new(Check::Timeouts, Severity::Warning, what)
        .all_told("PATCH of an upload whose bytes came after the pause", said)
        .remedy(
            "raise client_body_timeout in common/config/nginx/nginx.conf of that node, and the limits of every proxy \
             between: timeouts.request: 0s in an HTTPRoute of the Gateway API, respondingTimeouts.readTimeout: 0 in \
             Traefik, proxy-read-timeout and proxy-send-timeout of an ingress, timeout client and server in HAProxy",
        );
    Some(finding)
}

/// A layer of 40 GB is hashed and copied for minutes.
const COMMIT: Duration = Duration::from_mins(5);
/// Shared storage that fails over is silent for so long.
const STALL: Duration = Duration::from_secs(30);
/// A pull from a storage that has to be woken.
const READ: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::super::release::Release;
    use super::super::super::said::answer;
    use super::super::super::told::told;
    use super::*;

    const GOOD: OurLimits = OurLimits {
        commit: Duration::from_mins(15),
        write: Duration::from_mins(1),
        read: Duration::from_secs(15),
    };

    #[test]
    fn short_limits_of_ours_are_named_by_their_key() {
        assert!(matches!(
            timeouts(GOOD, &[told("a")], &[]),
            Outcome::Passed(_)
        ));
        let short = OurLimits {
            commit: Duration::from_secs(20),
            ..GOOD
        };
        let Outcome::Found(all) = timeouts(short, &[], &[]) else {
            panic!()
        };
        assert!(all.len() == 1 && all[0].what.contains("commit_timeout"));
    }

    #[test]
    fn a_push_that_is_given_up_while_it_pauses_is_a_warning() {
        let held = |status: u16| Held {
            node: "a".to_owned(),
            pause: Duration::from_secs(20),
            said: answer(status, &[], ""),
        };
        assert!(matches!(
            timeouts(GOOD, &[], &[held(202)]),
            Outcome::Passed(_)
        ));
        let cut = timeouts(GOOD, &[], &[held(202), held(504)]);
        assert_eq!(cut.severity(), Some(Severity::Warning));
    }

    #[test]
    fn releases_before_2_1_are_known_for_a_minute() {
        let mut old = told("a");
        old.release = Release::Exactly(0);
        assert_eq!(
            timeouts(GOOD, &[old], &[]).severity(),
            Some(Severity::Warning)
        );
    }
}
