//! `pilotage explain`: what became of a request, and why.

use clap::Args;
use serde_json::Value;

use super::ask::escaped;
use super::tell::{elements, number, size, table, text};
use super::{Asking, Question, counted};

#[derive(Debug, Args)]
pub(in crate::cli) struct ExplainOptions {
    #[command(flatten)]
    pub(super) asking: Asking,
    /// What X-Request-Id and the access record say; without it, the last requests that were rescued or failed are
    /// listed
    #[arg(value_name = "REQUEST-ID")]
    request: Option<String>,
}

impl ExplainOptions {
    pub(super) fn question(&self) -> Question<'static> {
        let (path, tell): (_, fn(&Value) -> Vec<String>) = match &self.request {
            Some(id) => (format!("/v1/requests/{}", escaped(id)), tell_one),
            None => ("/v1/requests".to_owned(), tell_all),
        };
        Question {
            method: "GET",
            path,
            body: None,
            tell,
        }
    }
}

fn tell_all(page: &Value) -> Vec<String> {
    let names = [
        "REQUEST",
        "METHOD",
        "REPOSITORY",
        "STATUS",
        "OUTCOME",
        "NODE",
        "TAKEOVERS",
        "FAULT",
    ];
    let mut rows = vec![names.map(str::to_owned).to_vec()];
    rows.extend(elements(page, "/requests").iter().map(|request| {
        [
            "request_id",
            "method",
            "repo",
            "status",
            "outcome",
            "node",
            "takeovers",
            "fault",
        ]
        .iter()
        .map(|name| text(request, &format!("/{name}")))
        .collect()
    }));
    table(&rows)
}

fn tell_one(request: &Value) -> Vec<String> {
    let word = |name: &str| text(request, &format!("/{name}"));
    let mut lines = vec![
        format!(
            "{} {} {} {}",
            word("method"),
            word("route"),
            word("repo"),
            word("reference")
        ),
        format!(
            "for {}: {} {} after {} ms",
            word("client"),
            word("status"),
            word("outcome"),
            word("total_ms")
        ),
        format!(
            "{} in, {} out",
            size(number(request, "/bytes_in")),
            size(number(request, "/bytes_out"))
        ),
    ];
    for (name, what) in [
        ("fault", "what went wrong"),
        ("unprotected", "would not have survived its node"),
        ("synthesized", "answered in our own words"),
    ] {
        let value = word(name);
        lines.extend((!value.is_empty()).then(|| format!("{what}: {value}")));
    }
    let takeovers = usize::try_from(number(request, "/takeovers")).unwrap_or(usize::MAX);
    if takeovers > 0 {
        lines.push(format!(
            "rescued: {}, {} ms lost, {} sent again",
            counted(takeovers, "takeover"),
            word("lost_ms"),
            size(number(request, "/replayed_bytes"))
        ));
    }
    lines.extend(elements(request, "/steps").iter().map(step));
    let left_out = number(request, "/left_out");
    lines.extend((left_out > 0).then(|| format!("{left_out} more steps")));
    lines
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn step(step: &Value) -> String {
    let word = |name: &str| text(step, &format!("/{name}"));
    let told = match word("step").as_str() {
        "chosen" => chosen(step),
        "waited" => format!("waited for a node: {}", word("why")),
        "asked" => format!("asked {}", word("node")),
        "failed" => format!("{} failed: {}", word("node"), word("fault")),
        "taken_over" => format!(
            "{} went on for {} ({})",
            word("to"),
            word("from"),
            word("reason")
        ),
        other => other.to_owned(),
    };
    format!("{:>8} ms  {told}", word("after_ms"))
}

fn chosen(step: &Value) -> String {
    let named = |place: &str| {
        let nodes = elements(step, place).iter();
        let told = nodes.map(|one| format!("{} ({})", text(one, "/node"), text(one, "/why")));
        told.collect::<Vec<_>>().join(", ")
    };
    let over = named("/passed_over");
    let over = if over.is_empty() {
        over
    } else {
        format!("; passed over: {over}")
    };
    format!("chosen: {}{over}", named("/order"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_told_step_by_step() {
        let request = json!({
            "method": "PATCH", "route": "upload", "repo": "lab/app", "reference": null,
            "client": "192.0.2.7", "status": 202, "outcome": "taken_over", "total_ms": 812,
            "bytes_in": 2048, "bytes_out": 0, "fault": null, "takeovers": 1, "lost_ms": 9,
            "replayed_bytes": 1024, "synthesized": "202", "left_out": 2,
            "steps": [
                { "after_ms": 0, "step": "chosen",
                  "order": [{ "node": "a", "why": "lives there" }],
                  "passed_over": [{ "node": "c", "why": "draining" }] },
                { "after_ms": 0, "step": "asked", "node": "a" },
                { "after_ms": 5, "step": "failed", "node": "a", "fault": "node_broken" },
                { "after_ms": 9, "step": "taken_over", "from": "a", "to": "b", "reason": "lost" },
            ],
        });
        let expected = [
            "PATCH upload lab/app",
            "for 192.0.2.7: 202 taken_over after 812 ms",
            "2.0 KiB in, 0 B out",
            "answered in our own words: 202",
            "rescued: 1 takeover, 9 ms lost, 1.0 KiB sent again",
            "       0 ms  chosen: a (lives there); passed over: c (draining)",
            "       0 ms  asked a",
            "       5 ms  a failed: node_broken",
            "       9 ms  b went on for a (lost)",
            "2 more steps",
        ];
        assert_eq!(tell_one(&request), expected);
    }
}
