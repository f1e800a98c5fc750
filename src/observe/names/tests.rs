use std::collections::HashSet;

use super::*;

#[test]
fn a_name_says_who_counts_and_in_which_unit() {
    let rooms = [
        "edge",
        "control",
        "fleet",
        "upstream",
        "placement",
        "affinity",
        "guard",
        "spool",
        "download",
        "upload",
        "config",
        "app",
        "observe",
    ];
    for metric in METRICS {
        let rest = metric.name.strip_prefix("pilotage_").unwrap();
        let room = rest.split('_').next().unwrap();
        assert!(rooms.contains(&room), "{}", metric.name);
        assert!(metric.help.ends_with('.'), "{}", metric.name);
        match metric.kind {
            Kind::Counter => assert!(metric.name.ends_with("_total"), "{}", metric.name),
            Kind::Gauge => assert!(!metric.name.ends_with("_total"), "{}", metric.name),
            Kind::Histogram(bounds) => {
                assert!(metric.name.ends_with("_seconds"), "{}", metric.name);
                assert!(bounds.is_sorted());
            }
        }
    }
}

#[test]
fn a_name_is_declared_once() {
    let names: HashSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    let fields: HashSet<_> = RECORD_FIELDS.iter().chain(LOG_FIELDS).collect();
    assert_eq!(fields.len(), RECORD_FIELDS.len() + LOG_FIELDS.len());
}

#[test]
fn no_label_is_named_after_something_a_client_chooses() {
    for key in METRICS.iter().flat_map(|metric| metric.keys) {
        assert!(!["repo", "reference", "digest", "client", "host"].contains(&key.name));
    }
}
