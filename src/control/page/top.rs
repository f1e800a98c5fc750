//! What one sees first: how things are, what is wrong, and how much is going on.

use maud::{Markup, html};

use super::alarm::{Alarm, Weight};
use super::board::{About, Announced, Board, Scope, Traffic};
use super::curve::curve;
use super::figure::{bytes, counted, percent, rate, scaled, span};
use super::pulse::Rate;

/// How things are, in a few words.
pub(super) fn summary(board: &Board) -> String {
    let count = |weight| {
        let alarms = board.alarms.iter().filter(|alarm| alarm.weight == weight);
        u64::try_from(alarms.count()).unwrap_or(u64::MAX)
    };
    match (count(Weight::Alarm), count(Weight::Warning)) {
        (0, 0) => "All is well".to_owned(),
        (0, warnings) => counted(warnings, "warning", "warnings"),
        (alarms, _) => counted(alarms, "alarm", "alarms"),
    }
}

/// The word for how things are, with what an operator can do about the whole.
pub(super) fn state(board: &Board) -> Markup {
    let worst = board.alarms.first().map(|alarm| alarm.weight);
    let resting = board
        .notices
        .iter()
        .find(|one| one.scope == Scope::Instance);
    let shared = board.notices.iter().find(|one| one.scope == Scope::All);
    html! {
        span.pill.(mood(worst)) { (mark(mood(worst))) (summary(board)) }
        @match resting.or(shared) {
            None => {
                button.act type="button" data-act="maintenance" data-redis=(board.about.redis)
                    data-title="Begin maintenance?" data-yes="Begin maintenance"
                    data-text="Pushes that begin are refused with your message. Pushes that run go on to their \
                               end, and pulls go on as ever." {
                    "Maintenance…"
                }
            }
            Some(announced) => {
                button.act type="button" data-act="end-maintenance" data-scope=(scope_word(announced.scope))
                    data-title="End maintenance?" data-yes="End maintenance"
                    data-text=(ending(announced.scope)) {
                    "End maintenance…"
                }
            }
        }
    }
}

/// Notices of maintenance, and alarms.
pub(super) fn alarms(board: &Board) -> Markup {
    html! {
        @for announced in &board.notices { (notice(announced)) }
        @if board.alarms.is_empty() {
            p.calm { "Nothing needs you." }
        } @else {
            ul.alarms {
                @for alarm in &board.alarms { (one_alarm(alarm)) }
            }
        }
    }
}

/// The tiles with the numbers of everything together.
pub(super) fn traffic(traffic: &Traffic) -> Markup {
    let rates = &traffic.rates;
    let spool = percent(traffic.spooled, traffic.spool_limit);
    html! {
        (byte_tile("Pulls", "pull", &rates.bytes_out))
        (byte_tile("Pushes", "push", &rates.bytes_in))
        (tile("Requests", &rates.requests, "answered", &html! {
            (traffic.running) " under way, " (traffic.connections) " connected"
        }))
        (tile("Failures", &rates.failed, "failed", &html! { "5xx, or broken off" }))
        div.tile.rescued {
            h3 { "Rescued" }
            p.number { b { (traffic.takeovers) } " " span { (one_or_many(traffic.takeovers)) } }
            p.detail { (traffic.unprotected) " pushes unprotected" }
        }
        div.tile.spool {
            h3 { "Spool" }
            p.number { b { (scaled(traffic.spooled).0) } " " span { (scaled(traffic.spooled).1) } }
            meter min="0" max="100" low="70" high="90" optimum="0" value=(spool) aria-label="Share of the spool that is used" {
                (spool) " %"
            }
            p.detail { (spool) " % of " (bytes(traffic.spool_limit)) }
        }
    }
}

/// What runs, and since when.
pub(super) fn process(about: &About) -> Markup {
    html! {
        "pilotage " b { (about.version) } ", up for " b { (span(about.uptime_seconds)) } ", Redis "
        b { (about.redis) } "."
    }
}

/// A shape beside a word, so that neither stands alone.
pub(super) fn mark(state: &str) -> Markup {
    html! { i.mark.(state) aria-hidden="true" {} }
}

fn notice(announced: &Announced) -> Markup {
    let notice = &announced.notice;
    html! {
        p.notice {
            (mark("draining"))
            span {
                b { "Maintenance" (whose(announced.scope)) ": no pushes begin. " }
                "“" (notice.message) "” "
                span.by { "by " (notice.by) }
            }
        }
    }
}

fn one_alarm(alarm: &Alarm) -> Markup {
    let (mood, word) = match alarm.weight {
        Weight::Alarm => ("bad", "Alarm"),
        Weight::Warning => ("warn", "Warning"),
    };
    html! {
        li.(mood) {
            (mark(mood))
            span.word { (word) }
            span { b { (alarm.what) } " " span.remedy { (alarm.remedy) } }
        }
    }
}

fn byte_tile(name: &str, class: &str, rate: &Rate) -> Markup {
    let number = rate.now.map(|now| scaled(whole(now)));
    let peak = rate.before.iter().copied().fold(0.0, f64::max);
    html! {
        div.tile.(class) {
            h3 { (name) }
            @match number {
                Some((number, unit)) => p.number { b { (number) } " " span { (unit) "/s" } },
                None => p.number { b { "–" } },
            }
            (curve(&rate.before))
            @if rate.now.is_some() {
                p.detail { "peak " (bytes(whole(peak))) "/s in 2 min" }
            }
        }
    }
}

fn tile(name: &str, per_second: &Rate, class: &str, detail: &Markup) -> Markup {
    html! {
        div.tile.(class) {
            h3 { (name) }
            @match per_second.now {
                Some(now) => p.number { b { (rate(now)) } " " span { "/s" } },
                None => p.number { b { "–" } },
            }
            (curve(&per_second.before))
            p.detail { (detail) }
        }
    }
}

fn mood(worst: Option<Weight>) -> &'static str {
    match worst {
        None => "good",
        Some(Weight::Warning) => "warn",
        Some(Weight::Alarm) => "bad",
    }
}

fn one_or_many(takeovers: u64) -> &'static str {
    if takeovers == 1 {
        "transfer"
    } else {
        "transfers"
    }
}

fn whose(scope: Scope) -> &'static str {
    match scope {
        Scope::Instance => "",
        Scope::All => " of all instances",
    }
}

fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Instance => "instance",
        Scope::All => "all",
    }
}

fn ending(scope: Scope) -> &'static str {
    match scope {
        Scope::Instance => "Pushes are taken again, by this instance.",
        Scope::All => "Pushes are taken again, by all instances.",
    }
}

/// A rate in whole bytes.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from a float, as saturates: what is not a number is 0"
)]
pub(super) fn whole(rate: f64) -> u64 {
    rate as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_is_no_number_is_nothing() {
        for (rate, bytes) in [(f64::NAN, 0), (-1.0, 0), (1e300, u64::MAX), (12.9, 12)] {
            assert_eq!(whole(rate), bytes);
        }
    }
}
