//! The report, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::counted;
use super::finding::{Finding, Outcome, Report, Severity};

/// Whether words may have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Coloured,
}

/// A table of all checks, then each finding in full.
pub(super) fn text(report: &Report, style: Style) -> String {
    let mut out = String::new();
    for (check, outcome) in &report.lines {
        let (word, tint, said) = match outcome {
            Outcome::Passed(seen) => ("ok".to_owned(), GREEN, seen.clone()),
            Outcome::Skipped(why) => ("skipped".to_owned(), GREY, why.clone()),
            Outcome::Found(findings) => {
                let worst = outcome.severity().unwrap_or(Severity::Info);
                (worst.to_string(), colour(worst), first_of(findings))
            }
        };
        let word = painted(&format!("{word:<8}"), tint, style);
        line(
            &mut out,
            &format!("{word} {:<18} {}", check.id(), clean(&said)),
        );
    }
    for finding in report.findings() {
        out.push('\n');
        push_finding(&mut out, finding, style);
    }
    if !report.left.is_empty() {
        out.push_str("\nleft behind:\n");
        for left in &report.left {
            line(&mut out, &format!("  {}", clean(left)));
        }
    }
    out.push('\n');
    line(&mut out, &summary(report));
    out
}

fn first_of(findings: &[Finding]) -> String {
    match findings {
        [] => String::new(),
        [only] => only.what.clone(),
        [first, rest @ ..] => format!("{} (and {} more)", first.what, rest.len()),
    }
}

fn push_finding(out: &mut String, finding: &Finding, style: Style) {
    let word = painted(
        &finding.severity.to_string(),
        colour(finding.severity),
        style,
    );
    line(
        out,
        &format!("{word} {}: {}", finding.check, clean(&finding.what)),
    );
    let width = finding.evidence.iter().map(|one| one.of.chars().count());
    let width = width.max().unwrap_or_default().min(WIDEST);
    for evidence in &finding.evidence {
        let of = format!("{:<width$}", clean(&evidence.of));
        let (asked, said) = (clean(&evidence.asked), clean(&evidence.said));
        line(out, &format!("  {of}  {asked}: {said}"));
    }
    push_wrapped(out, "why", finding.why);
    push_wrapped(out, "remedy", &finding.remedy);
}

/// A paragraph with its label, folded between words.
fn push_wrapped(out: &mut String, label: &str, text: &str) {
    let mut row = format!("  {label:<7}");
    let mut empty = true;
    for word in clean(text).split_whitespace() {
        if !empty && row.chars().count() + 1 + word.chars().count() > COLUMNS {
            line(out, &row);
            row = " ".repeat(9);
        }
        let _never = write!(row, " {word}");
        empty = false;
    }
    line(out, &row);
}

/// How many of what.
fn summary(report: &Report) -> String {
    let count = |severity: Severity| {
        let all = report.findings();
        all.iter().filter(|one| one.severity == severity).count()
    };
    let skipped = report.lines.iter();
    let skipped = skipped.filter(|(_, outcome)| matches!(outcome, Outcome::Skipped(_)));
    format!(
        "{}: {}, {}, {} info, {} skipped",
        counted(report.lines.len(), "check"),
        counted(count(Severity::Error), "error"),
        counted(count(Severity::Warning), "warning"),
        count(Severity::Info),
        skipped.count()
    )
}

/// The same for programs.
pub(super) fn value(report: &Report) -> Value {
    let checks = report.lines.iter().map(|(check, outcome)| match outcome {
        Outcome::Passed(seen) => json!({ "check": check, "outcome": "passed", "seen": seen }),
        Outcome::Skipped(why) => json!({ "check": check, "outcome": "skipped", "reason": why }),
        Outcome::Found(_) => {
            json!({ "check": check, "outcome": "found", "severity": outcome.severity() })
        }
    });
    json!({
        "version": 1,
        "ok": report.exit_code() == 0,
        "worst": report.worst(),
        "checks": checks.collect::<Vec<_>>(),
        "findings": report.findings(),
        "left_behind": report.left,
    })
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

/// What nodes said must not be able to write on the terminal by itself.
fn clean(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(shown).collect()
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => BLUE,
        Severity::Warning => YELLOW,
        Severity::Error => RED,
    }
}

fn painted(text: &str, tint: &str, style: Style) -> String {
    match style {
        Style::Plain => text.to_owned(),
        Style::Coloured => format!("\x1b[{tint}m{text}\x1b[0m"),
    }
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const BLUE: &str = "34";
const GREEN: &str = "32";
const GREY: &str = "90";
const COLUMNS: usize = 110;
const WIDEST: usize = 40;

#[cfg(test)]
mod tests {
    use super::super::catalog::Check;
    use super::*;

    fn report() -> Report {
        let finding = Finding::new(Check::TokenKey, Severity::Error, "different keys")
            .told("node-1", "GET /v2/", "401")
            .remedy("copy the key ".repeat(20));
        Report {
            lines: vec![
                (Check::NodeReach, Outcome::passed("3 nodes answer")),
                (Check::TokenKey, finding.into()),
                (Check::Storage, Outcome::skipped("give --user")),
            ],
            left: vec!["a blob".to_owned()],
        }
    }

    #[test]
    fn people_read_each_check_and_each_finding_in_full() {
        let told = text(&report(), Style::Plain);
        for said in [
            "ok       node-reach",
            "skipped  storage",
            "error token-key: different keys",
            "  node-1  GET /v2/: 401",
            "left behind:\n  a blob",
            "3 checks: 1 error, 0 warnings, 0 info, 1 skipped",
        ] {
            assert!(told.contains(said), "{said}\n{told}");
        }
        assert!(told.lines().all(|line| line.chars().count() <= COLUMNS));
        assert!(!told.contains('\x1b'));
    }

    #[test]
    fn colours_are_for_terminals() {
        assert!(text(&report(), Style::Coloured).contains("\x1b[1;31m"));
    }

    #[test]
    fn a_node_cannot_write_on_the_terminal() {
        let finding = Finding::new(Check::NodeHealth, Severity::Error, "x\u{7}\r\u{1b}[2Jy");
        let lines = vec![(Check::NodeHealth, Outcome::from(finding))];
        let left = Vec::new();
        let text = text(&Report { lines, left }, Style::Plain);
        assert!(!text.contains(['\u{7}', '\r', '\u{1b}']));
    }

    #[test]
    fn programs_read_the_same() {
        let value = value(&report());
        assert_eq!(value["ok"], false);
        assert_eq!(value["worst"], "error");
        assert_eq!(value["findings"][0]["check"], "token-key");
        assert_eq!(value["findings"][0]["evidence"][0]["of"], "node-1");
        assert_eq!(value["checks"][2]["outcome"], "skipped");
    }
}
