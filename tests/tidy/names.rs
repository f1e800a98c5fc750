//! Names of metrics and log fields: what is used is declared.

use pilotage::observe::names::{LOG_FIELDS, METRICS, RECORD_FIELDS};

use super::project::{self, File};
use super::source::{arguments, bracketed, code, line, positions};
use super::{expect_none, expect_one};

/// The files in which a name of a metric may be spelled out.
const DECLARING: &str = "src/observe/names/";

fn check_metrics(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    if file.path.starts_with(DECLARING) {
        return complaints;
    }
    for at in positions(&file.text, "pilotage_") {
        let rest = &file.text[at..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let name = &rest[..end];
        if !names_a_room(name) || declared(name) {
            continue;
        }
        let number = line(&file.text, at);
        complaints.push(format!("{}:{number}: {name} is not declared", file.path));
    }
    complaints
}

/// Whether a word has the form of a metric's name. A pattern such as `pilotage_edge_*` has not.
fn names_a_room(name: &str) -> bool {
    let mut words = name.split('_').skip(1);
    let room = words.next().unwrap_or_default();
    let known = METRICS
        .iter()
        .any(|metric| metric.name.split('_').nth(1) == Some(room));
    known && words.next().is_some_and(|what| !what.is_empty())
}

fn declared(name: &str) -> bool {
    let stems = ["", "_bucket", "_sum", "_count"].map(|suffix| name.strip_suffix(suffix));
    stems
        .into_iter()
        .flatten()
        .any(|stem| METRICS.iter().any(|metric| metric.name == stem))
}

fn check_fields(file: &File) -> Vec<String> {
    let code = code(&file.text);
    let mut complaints = Vec::new();
    for (macro_name, skipped) in MACROS {
        for at in positions(&code, macro_name) {
            let all = bracketed(&code[at + macro_name.len() - 1..]);
            for complaint in arguments(all)
                .into_iter()
                .skip(*skipped)
                .filter_map(check_argument)
            {
                complaints.push(format!("{}:{}: {complaint}", file.path, line(&code, at)));
            }
        }
    }
    complaints
}

/// What is wrong with one argument of a logging macro.
fn check_argument(argument: &str) -> Option<String> {
    if ["target:", "parent:", "name:"]
        .iter()
        .any(|setting| argument.starts_with(setting))
    {
        return None;
    }
    if let Some(message) = argument.strip_prefix('"') {
        let filled = message.contains('{');
        return filled.then(|| format!("\"{message} is no constant phrase: facts are fields"));
    }
    let name = argument
        .split('=')
        .next()
        .unwrap_or_default()
        .trim()
        .trim_start_matches(['%', '?']);
    let known = RECORD_FIELDS.contains(&name) || LOG_FIELDS.contains(&name);
    (!known).then(|| format!("the field {name} is not declared"))
}

/// The macros that log, and how many of their first arguments are no fields.
const MACROS: &[(&str, usize)] = &[
    ("trace!(", 0),
    ("debug!(", 0),
    ("info!(", 0),
    ("warn!(", 0),
    ("error!(", 0),
    ("trace_span!(", 1),
    ("debug_span!(", 1),
    ("info_span!(", 1),
    ("warn_span!(", 1),
    ("error_span!(", 1),
];

#[test]
fn every_metric_that_is_named_is_declared() {
    let shown = project::FILES
        .iter()
        .filter(|file| !file.path.starts_with("tests/tidy/"));
    expect_none(&shown.flat_map(check_metrics).collect::<Vec<_>>());
}

#[test]
fn the_metric_check_catches_an_undeclared_name() {
    let look = |text| check_metrics(&File::new("README.md", text));
    expect_one(
        &look("rate(pilotage_edge_requests_sum[5m])"),
        "requests_sum is not declared",
    );
    expect_one(
        &look("\n`pilotage_fleet_nodes_up`"),
        "README.md:2: pilotage_fleet_nodes_up",
    );
    let good = "pilotage_edge_request_seconds_bucket pilotage_edge_* pilotage_it";
    expect_none(&look(good));
}

#[test]
fn metrics_are_counted_by_declaration_only() {
    let spelled = positions(project::text("src/observe/metrics/mod.rs"), "\"pilotage_");
    assert!(spelled.is_empty(), "names stand in {DECLARING}");
}

#[test]
fn every_log_field_is_declared() {
    let ours = project::rust().filter(|file| file.path.starts_with("src/"));
    expect_none(&ours.flat_map(check_fields).collect::<Vec<_>>());
}

#[test]
fn the_field_check_catches_undeclared_fields_and_filled_phrases() {
    let look = |text| check_fields(&File::new("src/edge/x.rs", text));
    expect_one(
        &look("tracing::warn!(%node, colour = 3, \"node is down\");"),
        "field colour",
    );
    expect_one(&look("info!(\n    ?uri,\n    \"seen\",\n)"), "field uri");
    expect_one(
        &look("error!(\"node {node} is down\")"),
        "no constant phrase",
    );
    expect_one(&look("info_span!(\"exchange\", query = q)"), "field query");
    let good = "warn!(target: \"access\", node = f(\"{}, x\", y), %error, \"is down, at last\");";
    expect_none(&look(good));
}
