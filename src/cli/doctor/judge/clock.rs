//! Clocks: what they show, and whether they agree.

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::told::listed;

/// One look at one clock.
#[derive(Debug, Clone)]
pub(in super::super) struct Reading {
    pub(in super::super) node: String,
    /// Where the time stood.
    pub(in super::super) asked: &'static str,
    /// How far it is ahead of ours, in milliseconds. Times are told in whole seconds.
    pub(in super::super) ahead_ms: i64,
}

impl Reading {
    /// A time in whole seconds, seen when our clock showed `at_ms`.
    pub(in super::super) fn new(node: &str, asked: &'static str, seconds: i64, at_ms: i64) -> Self {
        Self {
            node: node.to_owned(),
            asked,
            ahead_ms: seconds
                .saturating_mul(1000)
                .saturating_add(HALF_A_SECOND)
                .saturating_sub(at_ms),
        }
    }
}

/// Whether the clocks of two nodes are so far apart that one refuses the other's tokens.
pub(in super::super) fn are_apart(readings: &[Reading], one: &str, other: &str) -> bool {
    let of = |node: &str| {
        let all = readings.iter().filter(|reading| reading.node == node);
        all.map(|reading| reading.ahead_ms)
            .max_by_key(|ahead| ahead.saturating_abs())
    };
    match (of(one), of(other)) {
        (Some(one), Some(other)) => one.saturating_sub(other).saturating_abs() > REFUSED,
        _ => false,
    }
}

/// Whether all clocks agree, ours included.
pub(in super::super) fn clocks(readings: &[Reading]) -> Outcome {
    let mut sorted: Vec<_> = readings.iter().map(|reading| reading.ahead_ms).collect();
    if sorted.is_empty() {
        return Outcome::skipped("no node told the time");
    }
    sorted.push(0);
    sorted.sort_unstable();
    let spread = match (sorted.first(), sorted.last()) {
        (Some(first), Some(last)) => last.saturating_sub(*first),
        _ => 0,
    };
    if spread <= TOLERATED {
        return Outcome::passed("all agree within 3 s");
    }
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let off = |ahead: i64| ahead.saturating_sub(middle).saturating_abs() > TOLERATED / 2;
    let nodes = readings.iter().filter(|reading| off(reading.ahead_ms));
    let mut wrong: Vec<_> = nodes.map(|reading| reading.node.as_str()).collect();
    if off(0) {
        wrong.push(OURS);
    }
    let severity = if spread > REFUSED {
        Severity::Error
    } else {
        Severity::Warning
    };
    let what = format!("the clock of {} differs from the others", listed(wrong));
    readings
        .iter()
        .fold(
            Finding::new(Check::Clocks, severity, what),
            |finding, one| finding.told(&one.node, one.asked, words(one.ahead_ms)),
        )
        .remedy(
            "run chrony or systemd-timesyncd against the same source on every node and on this machine \
             (timedatectl shows whether it does), then restart core on the node that was wrong",
        )
        .into()
}

fn words(ahead_ms: i64) -> String {
    let (seconds, tenths) = (
        ahead_ms.saturating_abs() / 1000,
        ahead_ms.saturating_abs() % 1000 / 100,
    );
    if ahead_ms < 0 {
        format!("{seconds}.{tenths} s behind this machine")
    } else {
        format!("{seconds}.{tenths} s ahead of this machine")
    }
}

/// Seconds since 1970 of a date as HTTP writes it.
pub(in super::super) fn http_date(text: &str) -> Option<i64> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = i64::try_from(MONTHS.iter().position(|one| *one == name)?).ok()? + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<i64>);
    let (hour, minute, second) = (
        clock.next()?.ok()?,
        clock.next()?.ok()?,
        clock.next()?.ok()?,
    );
    let sane = (1970..3000).contains(&year) && (1..=31).contains(&day);
    // Years begin in March here, so that the odd day is the last one.
    let shifted = (month + 9) % 12;
    let year = year - i64::from(shifted >= 10);
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (shifted * 306 + 5) / 10 + day
        - 1
        - EPOCH_DAYS;
    sane.then(|| days * 86_400 + hour * 3600 + minute * 60 + second)
}

const OURS: &str = "this machine";
/// The middle of the second that a clock names.
const HALF_A_SECOND: i64 = 500;
/// Two clocks, each told in whole seconds, and the way to them.
const TOLERATED: i64 = 3_000;
/// Half of the minute by which registries and Harbor forgive each other.
const REFUSED: i64 = 30_000;
const EPOCH_DAYS: i64 = 719_468;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(node: &str, ahead_ms: i64) -> Reading {
        Reading {
            node: node.to_owned(),
            asked: "Date of /v2/",
            ahead_ms,
        }
    }

    fn what(outcome: &Outcome) -> &str {
        match outcome {
            Outcome::Found(all) => &all[0].what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn dates_of_http_are_read() {
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(
            http_date("Mon, 23 Nov 2026 05:19:36 GMT"),
            Some(1_795_411_176)
        );
        assert_eq!(
            http_date("Thu, 29 Feb 2024 12:00:00 GMT"),
            Some(1_709_208_000)
        );
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn a_second_or_two_is_no_finding() {
        let near = [reading("a", 900), reading("b", -800)];
        assert!(matches!(clocks(&near), Outcome::Passed(_)));
    }

    #[test]
    fn the_clock_that_is_alone_is_named() {
        let outcome = clocks(&[reading("a", 0), reading("b", 8_000), reading("c", 300)]);
        assert_eq!(outcome.severity(), Some(Severity::Warning));
        assert!(what(&outcome).contains("of b differs"), "{outcome:?}");
        let ours = clocks(&[
            reading("a", 90_000),
            reading("b", 90_300),
            reading("c", 89_900),
        ]);
        assert_eq!(ours.severity(), Some(Severity::Error));
        assert!(what(&ours).contains("this machine"), "{ours:?}");
    }

    #[test]
    fn nodes_are_apart_when_tokens_would_be_refused() {
        let readings = [reading("a", 0), reading("a", -90_000), reading("b", 200)];
        assert!(are_apart(&readings, "a", "b") && !are_apart(&readings, "b", "b"));
    }
}
