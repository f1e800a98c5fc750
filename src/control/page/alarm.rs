//! What an operator should look at, in the order of its weight.
//!
//! No text here changes with the time alone: a screen reader reads out what is new, and what stands there does not
//! become new by growing older.

use crate::fleet::health::{Component, Traffic};
use crate::fleet::node::{Duty, NodeSummary};
use crate::observe::findings::SigningKey;

use super::figure::{bytes, percent};

/// Something that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    pub weight: Weight,
    pub what: String,
    /// What it means, or what to do.
    pub remedy: String,
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Clients notice it, or will soon.
    Alarm,
    /// It needs a person, not at once.
    Warning,
}

/// What alarms are made of, beside the nodes.
#[derive(Debug, Clone, Default)]
pub struct Signs {
    /// Why a client that asks now would not be served.
    pub unready: Option<&'static str>,
    pub cluster_faults: Vec<Component>,
    pub signing_keys: Vec<SigningKey>,
    /// First name and end of each certificate, in seconds since 1970.
    pub certificates: Vec<(String, i64)>,
    /// What is known of Redis: `off`, `up` or `away`.
    pub redis: &'static str,
    /// Why the last reload was refused, if it was.
    pub reload_refused: Vec<String>,
    pub spooled: u64,
    pub spool_limit: u64,
    pub log_dropped: u64,
}

/// All alarms of a moment, in seconds since 1970; the weightiest first.
pub fn alarms(nodes: &[(NodeSummary, Vec<&'static str>)], signs: &Signs, now: u64) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    if let Some(why) = signs.unready {
        let remedy = "Clients that ask now are not served.";
        alarms.push(Alarm::new(
            Weight::Alarm,
            format!("Not ready: {why}"),
            remedy,
        ));
    }
    for component in &signs.cluster_faults {
        let what = format!("All nodes report that {} fails", component.as_str());
        let remedy = "No node is to blame, so that all stay in. Look at what they share.";
        alarms.push(Alarm::new(Weight::Alarm, what, remedy));
    }
    for (node, misfits) in nodes {
        of_node(node, &signs.cluster_faults, &mut alarms);
        alarms.extend(misfits.iter().map(|misfit| of_misfit(node, misfit)));
    }
    of_signing_keys(&signs.signing_keys, &mut alarms);
    alarms.extend(
        signs
            .certificates
            .iter()
            .filter_map(|one| of_certificate(one, now)),
    );
    of_process(signs, &mut alarms);
    alarms.sort_by_key(|alarm| alarm.weight);
    alarms
}

impl Alarm {
    fn new(weight: Weight, what: String, remedy: impl Into<String>) -> Self {
        Self {
            weight,
            what,
            remedy: remedy.into(),
        }
    }
}

fn of_node(node: &NodeSummary, faults: &[Component], alarms: &mut Vec<Alarm>) {
    let name = &node.id;
    let down = node
        .health
        .traffic
        .iter()
        .filter(|lane| lane.standing == "down");
    let down: Vec<_> = down.collect();
    if let (Some(first), Duty::Active | Duty::Draining) = (down.first(), node.duty) {
        let kinds: Vec<_> = down.iter().map(|lane| lane.traffic.as_str()).collect();
        let all = kinds.len() == Traffic::ALL.len();
        let what = if all {
            format!("{name} is down")
        } else {
            format!("{name} is down for {}", kinds.join(", "))
        };
        alarms.push(Alarm::new(Weight::Alarm, what, first.why.clone()));
        if all {
            // Its parts were not asked since.
            return;
        }
    }
    let failing = node.health.components.iter().filter(|part| !part.healthy);
    for part in failing.filter(|part| !faults.contains(&part.component)) {
        let what = format!("{name}: {} is unhealthy", part.name);
        let error = part
            .error
            .clone()
            .unwrap_or_else(|| "The node gives no reason.".to_owned());
        alarms.push(Alarm::new(Weight::Warning, what, error));
    }
}

fn of_misfit(node: &NodeSummary, misfit: &str) -> Alarm {
    let (what, remedy) = match misfit {
        "redirects_to_https" => (
            "answers plain requests with a redirect to https",
            "Give it an https:// url here, or switch https off on the node.",
        ),
        "own_location" => (
            "gives out addresses under a name of its own",
            "Set external_url in its harbor.yml to the public address.",
        ),
        "own_realm" => (
            "announces its token service under a name of its own",
            "Set external_url in its harbor.yml to the public address.",
        ),
        "unknown_sessions" => (
            "does not know browsers that logged in on other nodes",
            "Let all nodes use one Redis, or set [sessions] mode = \"pinned\".",
        ),
        other => (other, "pilotage doctor says more."),
    };
    Alarm::new(Weight::Warning, format!("{} {what}", node.id), remedy)
}

fn of_signing_keys(keys: &[SigningKey], alarms: &mut Vec<Alarm>) {
    if keys.len() < 2 {
        return;
    }
    let groups = keys.iter().map(|key| {
        let names: Vec<_> = key.nodes.iter().map(ToString::to_string).collect();
        names.join(", ")
    });
    let groups: Vec<_> = groups.collect();
    let what = format!(
        "Nodes sign tokens with different keys: {}",
        groups.join(" | ")
    );
    let remedy = "Copy private_key.pem of core and root.crt of registry from one node to all.";
    alarms.push(Alarm::new(Weight::Warning, what, remedy));
}

fn of_certificate((name, expires): &(String, i64), now: u64) -> Option<Alarm> {
    let left = expires.saturating_sub(i64::try_from(now).unwrap_or(i64::MAX));
    let days = left.div_euclid(86_400);
    let (weight, what) = match days {
        ..0 => (
            Weight::Alarm,
            format!("The certificate of {name} has expired"),
        ),
        0 => (
            Weight::Alarm,
            format!("The certificate of {name} expires within a day"),
        ),
        1..2 => (
            Weight::Alarm,
            format!("The certificate of {name} expires tomorrow"),
        ),
        2..14 => (
            Weight::Warning,
            format!("The certificate of {name} expires in {days} days"),
        ),
        14.. => return None,
    };
    let remedy = "Its renewal did not happen, or did not reach this machine.";
    Some(Alarm::new(weight, what, remedy))
}

fn of_process(signs: &Signs, alarms: &mut Vec<Alarm>) {
    let mut warn = |what: String, remedy: &str| {
        alarms.push(Alarm::new(Weight::Warning, what, remedy));
    };
    if !signs.reload_refused.is_empty() {
        let what = format!(
            "The last reload was refused: {}",
            signs.reload_refused.join("; ")
        );
        warn(
            what,
            "The settings of before stay in force. pilotage check looks at the file, \
             pilotage doctor at what it names.",
        );
    }
    if signs.redis == "away" {
        let remedy =
            "Requests go on; until it is back each instance knows only what it saw itself.";
        warn("Redis is away".to_owned(), remedy);
    }
    if percent(signs.spooled, signs.spool_limit) >= NEARLY_FULL {
        let what = format!(
            "The spool is nearly full: its limit is {}",
            bytes(signs.spool_limit)
        );
        warn(
            what,
            "Pushes that find no room in it do not survive their node.",
        );
    }
    if signs.log_dropped > 0 {
        let remedy = "Whatever reads the log does not keep up. The count is in /metrics.";
        warn("Lines of the log were dropped".to_owned(), remedy);
    }
}

/// Percent of the spool at which somebody should know.
const NEARLY_FULL: u64 = 90;

#[cfg(test)]
mod tests {
    use super::super::tests::samples::{down, id, node, unhealthy};
    use super::*;

    fn told(node: NodeSummary, signs: &Signs) -> Vec<(Weight, String)> {
        let told = alarms(&[(node, Vec::new())], signs, 1_000_000);
        told.into_iter()
            .map(|alarm| (alarm.weight, alarm.what))
            .collect()
    }

    #[track_caller]
    fn expect(told: &[(Weight, String)], expected: &[(Weight, &str)]) {
        let told: Vec<_> = told
            .iter()
            .map(|(weight, what)| (*weight, what.as_str()))
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_fleet_that_is_well_is_quiet() {
        expect(&told(node("a"), &Signs::default()), &[]);
    }

    #[test]
    fn a_node_that_is_down_is_one_alarm_with_its_reason() {
        let signs = Signs::default();
        expect(
            &told(down("a", &Traffic::ALL), &signs),
            &[(Weight::Alarm, "a is down")],
        );
        let some = down("a", &[Traffic::Pull, Traffic::Push]);
        expect(
            &told(some.clone(), &signs),
            &[(Weight::Alarm, "a is down for pull, push")],
        );
        let alarm = alarms(&[(some, Vec::new())], &signs, 0).remove(0);
        assert_eq!(alarm.remedy, "connection refused");
        let mut off = down("a", &Traffic::ALL);
        off.duty = Duty::Off;
        expect(&told(off, &signs), &[]);
    }

    #[test]
    fn a_part_that_all_nodes_lost_is_told_once() {
        let ill = unhealthy("a", "database");
        expect(
            &told(ill.clone(), &Signs::default()),
            &[(Weight::Warning, "a: database is unhealthy")],
        );
        let signs = Signs {
            cluster_faults: vec![Component::Database],
            ..Signs::default()
        };
        expect(
            &told(ill, &signs),
            &[(Weight::Alarm, "All nodes report that database fails")],
        );
    }

    #[test]
    fn a_certificate_is_told_of_before_it_ends() {
        let day = 86_400;
        let cases = [
            (
                -1,
                Some((Weight::Alarm, "The certificate of x has expired")),
            ),
            (
                day / 2,
                Some((Weight::Alarm, "The certificate of x expires within a day")),
            ),
            (
                day,
                Some((Weight::Alarm, "The certificate of x expires tomorrow")),
            ),
            (
                13 * day,
                Some((Weight::Warning, "The certificate of x expires in 13 days")),
            ),
            (14 * day, None),
        ];
        for (left, expected) in cases {
            let signs = Signs {
                certificates: vec![("x".to_owned(), 1_000_000 + left)],
                ..Signs::default()
            };
            expect(&told(node("a"), &signs), expected.as_slice());
        }
    }

    #[test]
    fn what_clients_notice_comes_before_what_can_wait() {
        let signs = Signs {
            unready: Some("no node is up"),
            redis: "away",
            reload_refused: vec!["line 3: no".to_owned()],
            spooled: 95,
            spool_limit: 100,
            log_dropped: 1,
            ..Signs::default()
        };
        let expected = [
            (Weight::Alarm, "Not ready: no node is up"),
            (Weight::Warning, "The last reload was refused: line 3: no"),
            (Weight::Warning, "Redis is away"),
            (
                Weight::Warning,
                "The spool is nearly full: its limit is 100 B",
            ),
            (Weight::Warning, "Lines of the log were dropped"),
        ];
        expect(&told(node("a"), &signs), &expected);
    }

    #[test]
    fn nodes_that_do_not_suit_are_told_with_the_way_out() {
        let key = |node: &str| SigningKey {
            key: "0".to_owned(),
            nodes: vec![id(node)],
        };
        let signs = Signs {
            signing_keys: vec![key("a"), key("b")],
            ..Signs::default()
        };
        expect(
            &told(node("a"), &signs),
            &[(
                Weight::Warning,
                "Nodes sign tokens with different keys: a | b",
            )],
        );
        let misfits = alarms(&[(node("a"), vec!["own_realm"])], &Signs::default(), 0);
        assert!(misfits[0].remedy.contains("external_url"), "{misfits:?}");
    }
}
