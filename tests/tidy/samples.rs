//! The samples of log lines in the documentation are lines that pilotage writes.

use pilotage::observe::names::{LOG_FIELDS, RECORD_FIELDS};
use serde_json::Value;

use super::project::{self, File};
use super::source::line;
use super::{expect_none, expect_one};

/// What the formatting layer adds to every line.
const FRAME: [&str; 4] = ["timestamp", "level", "target", "message"];

/// The page that shows records.
const INSIGHT: &str = "conf/manual/insight.md";

fn check_samples(file: &File, is_said: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for (at, _) in file.text.match_indices("{\"timestamp\"") {
        let text = file.text[at..].lines().next().unwrap();
        let mut complain = |what: String| {
            complaints.push(format!("{}:{}: {what}", file.path, line(&file.text, at)));
        };
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            complain("is no JSON object".to_owned());
            continue;
        };
        for name in fields.keys().map(String::as_str) {
            let known = [&FRAME[..], RECORD_FIELDS, LOG_FIELDS];
            if !known.iter().any(|names| names.contains(&name)) {
                complain(format!("no line has a field {name}"));
            }
        }
        let message = fields.get("message").and_then(Value::as_str);
        let message = message.unwrap_or_default();
        if !is_said(message) {
            complain(format!("nothing says {message:?}"));
        }
    }
    complaints
}

#[test]
fn samples_of_the_log_are_lines_that_are_written() {
    let is_said = |message: &str| {
        let said = format!("\"{message}\"");
        // The record is written by hand, in escaped quotes.
        let by_hand = format!("\\\"{message}\\\"");
        let ours = project::rust().filter(|file| file.path.starts_with("src/"));
        ours.into_iter()
            .any(|file| file.text.contains(&said) || file.text.contains(&by_hand))
    };
    let logs = File::new("conf/logs.md", project::text("conf/logs.md"));
    assert!(logs.text.matches("{\"timestamp\"").count() > 8);
    for page in [&logs, &File::new(INSIGHT, project::text(INSIGHT))] {
        expect_none(&check_samples(page, is_said));
    }
}

#[test]
fn the_sample_check_catches_unknown_fields_and_phrases() {
    let look = |text| check_samples(&File::new("a.md", text), |message| message == "stopped");
    let sample = "\n{\"timestamp\":\"\",\"message\":\"ended\",\"query\":\"\"}\n";
    expect_one(&look(sample), "a.md:2: no line has a field query");
    expect_one(&look(sample), "nothing says \"ended\"");
    expect_one(&look("{\"timestamp\""), "no JSON");
    expect_none(&look(
        "{\"timestamp\":\"\",\"level\":\"\",\"message\":\"stopped\"}",
    ));
}
