//! Alert rules and dashboards ask only for metrics that are declared, with labels that these have.

use pilotage::observe::names::{Kind, METRICS, Metric, Values};
use pilotage::registry::route;
use serde_json::Value;

use super::project::{self, FILES, File};
use super::{expect_none, expect_one};

const RULES: &str = "conf/prometheus/pilotage.rules.yml";
const DASHBOARD: &str = "conf/grafana/pilotage.json";

/// Labels that Prometheus adds to whatever it scrapes.
const SCRAPED: [&str; 2] = ["instance", "job"];

/// What is wrong with one query.
fn check_query(query: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut labels: Vec<&str> = SCRAPED.to_vec();
    for (name, matchers) in selectors(query) {
        let Some((metric, part)) = declared(name) else {
            complaints.push(format!("{name} is not declared"));
            continue;
        };
        match (metric.kind, part) {
            (Kind::Histogram(_), "_bucket") => labels.push("le"),
            (Kind::Histogram(_), "_sum" | "_count") => {}
            (Kind::Counter | Kind::Gauge, "") => {}
            _ => complaints.push(format!("{name} is not what a {:?} is read by", metric.kind)),
        }
        labels.extend(metric.keys.iter().map(|key| key.name));
        for (label, values) in matchers {
            complaints.extend(check_matcher(metric, label, values));
        }
    }
    for label in grouped(query) {
        if !labels.contains(&label) {
            complaints.push(format!("nothing here has a label {label}"));
        }
    }
    complaints
        .into_iter()
        .map(|complaint| format!("{complaint}: {query}"))
        .collect()
}

/// A metric by one of its series, and what the series' name adds to its own.
fn declared(name: &str) -> Option<(&'static Metric, &str)> {
    METRICS.iter().find_map(|metric| {
        let part = name.strip_prefix(metric.name)?;
        ["", "_bucket", "_sum", "_count"]
            .contains(&part)
            .then_some((metric, part))
    })
}

fn check_matcher(metric: &Metric, label: &str, values: &str) -> Vec<String> {
    if SCRAPED.contains(&label) {
        return Vec::new();
    }
    let Some(key) = metric.keys.iter().find(|key| key.name == label) else {
        return vec![format!("{} has no label {label}", metric.name)];
    };
    let routes = route::Kind::ALL.map(route::Kind::as_str);
    let known: &[&str] = match key.values {
        Values::Fixed(names) => names,
        Values::Enum if label == "route" => &routes,
        Values::Enum | Values::Configured => return Vec::new(),
    };
    values
        .split('|')
        .filter(|value| !value.contains('$') && !known.contains(value))
        .map(|value| format!("{label} is never {value:?}"))
        .collect()
}

/// Every `pilotage_..` of a query with what stands in braces behind it.
fn selectors(query: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(at) = rest.find("pilotage_") {
        let (name, behind) = split_word(&rest[at..]);
        let inside = behind.strip_prefix('{').and_then(|b| b.split_once('}'));
        let matchers = inside.map_or_else(Vec::new, |(inside, _)| matchers(inside));
        found.push((name, matchers));
        rest = behind;
    }
    found
}

/// `a="x", b=~"y|z"` as pairs.
fn matchers(inside: &str) -> Vec<(&str, &str)> {
    let pieces: Vec<_> = inside.split('"').collect();
    let pairs = pieces.chunks(2).filter(|pair| pair.len() == 2);
    pairs
        .map(|pair| {
            (
                split_word(pair[0].trim_start_matches([',', ' '])).0,
                pair[1],
            )
        })
        .collect()
}

/// The labels in the brackets of `by`, `on`, `without` and `ignoring`.
fn grouped(query: &str) -> Vec<&str> {
    let words = [
        "by",
        "on",
        "without",
        "ignoring",
        "group_left",
        "group_right",
    ];
    let bracketed = words.iter().flat_map(|word| {
        query.match_indices(word).filter_map(|(at, _)| {
            let whole = !query[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let inside = query[at + word.len()..].trim_start().strip_prefix('(')?;
            inside
                .split_once(')')
                .filter(|_| whole)
                .map(|(list, _)| list)
        })
    });
    bracketed
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|label| !label.is_empty())
        .collect()
}

fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    text.split_at(end.unwrap_or(text.len()))
}

/// The queries of a rule file: what stands behind `expr:`, on its line or indented below it.
fn rules(file: &File) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in file.text.lines().map(str::trim) {
        if let Some(query) = line.strip_prefix("expr:") {
            found.push(query.trim().trim_start_matches(">-").to_owned());
            inside = true;
        } else if line.starts_with("for:") || line.starts_with("labels:") {
            inside = false;
        } else if let (true, Some(query)) = (inside, found.last_mut()) {
            query.push(' ');
            query.push_str(line);
        }
    }
    found
}

/// The labels that annotations of a rule file show.
fn shown(file: &File) -> Vec<&str> {
    let after = file.text.split("$labels.").skip(1);
    after.map(|text| split_word(text).0).collect()
}

/// Every text of a JSON document under one of these keys.
fn texts<'v>(value: &'v Value, keys: &[&str], found: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if let (true, Value::String(text)) = (keys.contains(&key.as_str()), value) {
                    found.push(text);
                }
                texts(value, keys, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, keys, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn dashboard() -> Value {
    serde_json::from_str(project::text(DASHBOARD)).unwrap()
}

#[test]
fn alert_rules_ask_for_what_exists() {
    let file = File::new(RULES, project::text(RULES));
    let queries = rules(&file);
    assert_eq!(queries.len(), file.text.matches("- alert:").count());
    expect_none(
        &queries
            .iter()
            .flat_map(|query| check_query(query))
            .collect::<Vec<_>>(),
    );
    let any = |label: &&str| {
        let keys = METRICS.iter().flat_map(|metric| metric.keys);
        SCRAPED.contains(label) || keys.into_iter().any(|key| key.name == *label)
    };
    let unknown: Vec<_> = shown(&file)
        .into_iter()
        .filter(|label| !any(label))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_alert_has_a_test() {
    let tests = FILES
        .iter()
        .filter(|file| file.path.starts_with("tests/prometheus/"));
    let tests: String = tests.map(|file| file.text.as_str()).collect();
    let names = project::text(RULES).split("- alert:").skip(1);
    let untested = names
        .map(|text| text.lines().next().unwrap().trim())
        .filter(|name| !tests.contains(&format!("alertname=\"{name}\"")));
    assert_eq!(untested.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_dashboard_asks_for_what_exists() {
    let dashboard = dashboard();
    let mut queries = Vec::new();
    texts(&dashboard, &["expr", "definition"], &mut queries);
    assert!(queries.len() > 20, "{queries:?}");
    expect_none(
        &queries
            .into_iter()
            .flat_map(check_query)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn panels_of_the_dashboard_have_a_place_and_a_unit_each() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut taken = std::collections::HashSet::new();
    let mut ids = std::collections::HashSet::new();
    for panel in panels {
        let place = &panel["gridPos"];
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| place[side].as_u64().unwrap());
        assert!(x + w <= 24, "{panel}");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(
                taken.insert(cell),
                "{} covers another panel",
                panel["title"]
            );
        }
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "{}",
            panel["title"]
        );
        if panel["type"] != "row" {
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].is_string(),
                "{}",
                panel["title"]
            );
            assert!(panel["description"].is_string(), "{}", panel["title"]);
        }
    }
}

#[test]
fn the_query_check_catches_names_labels_and_values_that_are_not_there() {
    let catches = |query: &str, what: &str| expect_one(&check_query(query), what);
    catches("rate(pilotage_edge_request_total[5m])", "is not declared");
    catches("pilotage_edge_connections{node=\"a\"}", "has no label node");
    catches(
        "pilotage_edge_requests_total{job=\"a\", outcome=~\"cut|lost\"}",
        "outcome is never \"lost\"",
    );
    catches(
        "pilotage_edge_bytes_total{route=\"blobs\"}",
        "has no label route",
    );
    catches(
        "pilotage_edge_request_seconds_sum{route=\"blobs\"}",
        "never \"blobs\"",
    );
    catches(
        "sum by (job, color) (pilotage_spool_bytes)",
        "a label color",
    );
    catches("pilotage_edge_request_seconds", "is not what");
    catches("pilotage_spool_bytes_sum", "is not what");
    let good = "histogram_quantile(0.9, sum by (le, route) \
                (rate(pilotage_edge_request_seconds_bucket{route=~\"blob|$route\"}[5m])))";
    expect_none(&check_query(good));
    let text =
        "- alert: A\n  expr: >-\n    a\n    > 1\n  for: 1m\n- alert: B\n  expr: b\n  labels:\n";
    assert_eq!(rules(&File::new("a.yml", text)), [" a > 1", "b"]);
}
