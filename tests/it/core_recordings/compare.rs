//! What must agree between a recorded answer and a live one.

use std::collections::BTreeSet;

use crate::harness::http::answer::Answer;
use crate::harness::recording::Recording;

/// The differences, one line each. `translate` puts the values of this run into a recorded text.
pub(super) fn differences(
    recording: &Recording,
    answer: &Answer,
    translate: impl Fn(&str) -> String,
) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, recorded: String, live: String| {
        if recorded != live {
            let name = &recording.name;
            differences.push(format!("{name}: {what}: recorded {recorded}, now {live}"));
        }
    };
    let status = (
        format!("{:?}", recording.status),
        format!("{:?}", Some(answer.status)),
    );
    differ("status", status.0, status.1);
    for header in SIGNIFICANT {
        let recorded = recording.header(header).map(&translate);
        let recorded = recorded.map(|value| without_chance(header, &value));
        let live = answer
            .header(header)
            .map(|value| without_chance(header, value));
        differ(header, format!("{recorded:?}"), format!("{live:?}"));
    }
    let cookies = recording
        .headers
        .iter()
        .filter(|(name, _)| name == "Set-Cookie");
    let recorded = cookies
        .map(|(_, value)| cookie_form(value))
        .collect::<BTreeSet<_>>();
    let live = answer
        .all("set-cookie")
        .map(cookie_form)
        .collect::<BTreeSet<_>>();
    differ("cookies", format!("{recorded:?}"), format!("{live:?}"));
    let tokens = [
        recording.header(CSRF).is_some(),
        answer.header(CSRF).is_some(),
    ];
    differ("csrf token", tokens[0].to_string(), tokens[1].to_string());
    differ("error code", recording.error_code(), answer.error_code());
    if recording.method != "HEAD" && recording.target.ends_with("/health") {
        differ(
            "components",
            components(&recording.body),
            components(&answer.body),
        );
    }
    differences
}

const CSRF: &str = "X-Harbor-Csrf-Token";

/// The headers of an answer that a balancer looks at.
const SIGNIFICANT: [&str; 17] = [
    "Www-Authenticate",
    "Content-Type",
    "Location",
    "Range",
    "Content-Range",
    "Accept-Ranges",
    "Docker-Content-Digest",
    "Docker-Distribution-Api-Version",
    "Docker-Upload-Uuid",
    "Etag",
    "Link",
    "Oci-Subject",
    "Oci-Filters-Applied",
    "X-Frame-Options",
    "Vary",
    "Allow",
    "Server",
];

/// A header's value without what differs from run to run: boundaries, numbers of projects, dates of
/// files.
fn without_chance(header: &str, value: &str) -> String {
    let kept = match header {
        "Content-Type" => value.split("boundary=").next(),
        "Location" if value.starts_with("/api/") => value.rsplit_once('/').map(|(path, _)| path),
        "Etag" if !value.contains("sha256:") => Some("of a file"),
        _ => Some(value),
    };
    kept.unwrap_or(value).to_owned()
}

pub(super) fn cookie_of(header: &str) -> (&str, &str) {
    header
        .split(';')
        .next()
        .and_then(|pair| pair.split_once('='))
        .unwrap_or_default()
}

/// A cookie's name and its attributes without values that change.
fn cookie_form(header: &str) -> String {
    let (name, value) = cookie_of(header);
    let attributes = header
        .split(';')
        .skip(1)
        .map(str::trim)
        .filter(|one| !one.starts_with("Expires"));
    let empty = if value.is_empty() { "(empty)" } else { "" };
    format!("{name}{empty} {}", attributes.collect::<Vec<_>>().join(" "))
}

fn components(body: &[u8]) -> String {
    let health = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    let all = health["components"].as_array().cloned().unwrap_or_default();
    let pairs = all
        .iter()
        .map(|one| format!("{}={}", one["name"], one["status"]));
    format!("{} {:?}", health["status"], pairs.collect::<Vec<_>>())
}
