//! Every recorded answer of a real Harbor, through the rooms that read, judge and rewrite it.
//!
//! What must come out stands in `tests/data/harbor-2.9.5.expected`, a line for each recording: name, kind of the
//! route, status, verdict, edits, misfits, and what it does to the health of its node. Every line was read before it
//! was kept; a change that alters one shows it as a difference, and has to explain it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "recordings/file.rs"]
mod file;
#[path = "recordings/outcome.rs"]
mod outcome;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use pilotage::fleet::health::Standing;
use pilotage::registry::route::{Route, Target};
use pilotage::rewrite::answer::{Flaw, Misfit};
use pilotage::rewrite::location::path_and_query;
use pilotage::upstream::verdict::{NodeFault, SharedFault, Verdict};

use file::Recording;
use outcome::{Answered, Outcome};

#[test]
fn every_recorded_answer_comes_out_as_expected() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/harbor-2.9.5.expected");
    let expected = fs::read_to_string(&table).unwrap_or_default();
    let (title, expected): (Vec<&str>, Vec<&str>) =
        expected.lines().partition(|line| line.starts_with('#'));
    let recordings = file::all();
    let actual: Vec<String> = recordings
        .iter()
        .map(|recording| Outcome::of(recording).line(recording))
        .collect();
    if expected == actual {
        return;
    }
    let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("harbor-2.9.5.expected");
    let text = [title.join("\n"), actual.join("\n"), String::new()].join("\n");
    fs::write(&new, text).unwrap();
    let mut differences = String::new();
    for line in &expected {
        if !actual.iter().any(|other| other == line) {
            writeln!(differences, "- {line}").unwrap();
        }
    }
    for line in &actual {
        if !expected.contains(&line.as_str()) {
            writeln!(differences, "+ {line}").unwrap();
        }
    }
    panic!(
        "what comes out is not what {} says; it now stands in {}\n{differences}",
        table.display(),
        new.display()
    );
}

#[test]
fn a_dead_registry_or_core_is_the_fault_of_its_node() {
    for number in 705..=712 {
        let verdict = Verdict::NodeFault(NodeFault::Registry);
        assert_eq!(answered(number).verdict, verdict, "{number}");
    }
    let probe = answered(703);
    assert_eq!(probe.verdict, Verdict::NodeFault(NodeFault::Registry));
    for number in 724..=726 {
        let verdict = Verdict::NodeFault(NodeFault::Gateway);
        assert_eq!(answered(number).verdict, verdict, "{number}");
    }
    // What a dead part does not touch is served.
    for number in [
        700, 701, 702, 704, 713, 714, 716, 718, 719, 720, 722, 723, 727,
    ] {
        assert_eq!(answered(number).verdict, Verdict::Served, "{number}");
    }
}

#[test]
fn a_lost_database_is_told_from_missing_rights() {
    for number in [752, 754, 757, 758] {
        let answered = answered(number);
        assert_eq!(answered.status, 401, "{number}");
        assert_eq!(
            answered.verdict,
            Verdict::SharedFault(SharedFault::Database),
            "{number}"
        );
    }
    // Without a body nothing tells it from a project that is not there.
    for number in [753, 755] {
        assert_eq!(answered(number).verdict, Verdict::Served, "{number}");
    }
    for number in [756, 759] {
        assert_eq!(
            answered(number).verdict,
            Verdict::SharedFault(SharedFault::Unknown),
            "{number}"
        );
    }
    // An empty challenge with another message: no such project, name or path.
    for number in [401, 402, 403, 407, 411] {
        let answered = answered(number);
        assert_eq!(answered.headers["www-authenticate"], "", "{number}");
        assert_eq!(answered.verdict, Verdict::Served, "{number}");
    }
}

#[test]
fn what_a_client_or_a_shared_part_caused_counts_against_no_node() {
    for number in [738, 739, 138, 301] {
        let answered = answered(number);
        assert_eq!(answered.status, 500, "{number}");
        assert_eq!(
            answered.verdict,
            Verdict::SharedFault(SharedFault::Unknown),
            "{number}"
        );
    }
    // A range beyond the end, a missing slash, quota, immutable tags, read-only mode.
    for number in [
        206, 207, 156, 415, 417, 419, 422, 423, 424, 425, 426, 428, 429, 430, 434,
    ] {
        assert_eq!(answered(number).verdict, Verdict::Served, "{number}");
    }
    let slash = answered(156);
    assert_eq!(slash.headers["location"], "/v2/lab/app/blobs/uploads/");
    assert_eq!(slash.misfits, []);
}

#[test]
fn a_new_upload_is_at_the_public_place_whatever_the_node_was_told() {
    let started = |number, authority: &str, misfits: &[Misfit]| {
        let answered = answered(number);
        let location = answered.headers["location"].to_str().unwrap();
        let begin = format!("https://{authority}/v2/lab/app/blobs/uploads/");
        assert!(location.starts_with(&begin), "{number}: {location}");
        assert_eq!(answered.misfits, misfits, "{number}");
    };
    started(102, "harbor.example.test", &[]);
    started(
        157,
        "harbor.example.test",
        &[Misfit::Location(Flaw::Scheme)],
    );
    started(158, "harbor.example.test:8443", &[]);
    for number in 159..=161 {
        started(
            number,
            "harbor.example.test",
            &[Misfit::Location(Flaw::Authority)],
        );
    }
}

#[test]
fn the_realm_is_the_public_token_service() {
    let realm = |number, authority: &str, misfits: &[Misfit]| {
        let answered = answered(number);
        let challenge = answered.headers["www-authenticate"].to_str().unwrap();
        let begin = format!("Bearer realm=\"https://{authority}/service/token\",");
        assert!(challenge.starts_with(&begin), "{number}: {challenge}");
        assert_eq!(answered.misfits, misfits, "{number}");
    };
    for number in [800, 804] {
        realm(
            number,
            "harbor.example.test",
            &[Misfit::Realm(Flaw::Authority)],
        );
    }
    realm(801, "harbor.example.test", &[]);
    realm(802, "harbor.example.test", &[]);
    // The realm names another public name than the client used: corrected, but nothing to report.
    realm(803, "other.example.test", &[]);
}

#[test]
fn health_follows_the_parts_and_not_the_status() {
    use Standing::{Down, Suspect, Up};
    for (number, standings) in [
        (502, [Up, Up, Up, Up, Up]),
        (700, [Down, Down, Up, Suspect, Up]),
        (715, [Up, Up, Up, Up, Up]),
        (717, [Up, Up, Up, Up, Up]),
        (721, [Up, Up, Up, Up, Down]),
        (728, [Suspect; 5]),
        (747, [Suspect; 5]),
    ] {
        assert_eq!(answered(number).standings, Some(standings), "{number}");
    }
}

#[test]
fn no_header_that_a_client_reads_names_a_node() {
    for recording in file::all() {
        let Some(answered) = Outcome::of(&recording).answered else {
            continue;
        };
        for (name, value) in &answered.headers {
            let value = value.to_str().unwrap();
            assert!(
                !value.contains("127.0."),
                "{}: {name}: {value}",
                recording.name
            );
        }
    }
}

#[test]
fn every_running_upload_has_an_address_that_can_be_sealed() {
    let mut seen = 0;
    for recording in file::all() {
        let Some(answer) = &recording.answer else {
            continue;
        };
        let asked = Target::parse(&recording.target).unwrap().route;
        let running = matches!(asked, Route::UploadStart(_) | Route::Upload(..))
            && matches!(answer.status.as_u16(), 202 | 204)
            && recording.method != http::Method::DELETE;
        if !running {
            continue;
        }
        let path = path_and_query(&answer.headers["location"]).expect(&recording.name);
        let route = Target::parse(path).unwrap().route;
        assert!(matches!(route, Route::Upload(..)), "{}", recording.name);
        assert_eq!(route.repository(), asked.repository(), "{}", recording.name);
        seen += 1;
    }
    assert_eq!(seen, 39);
}

/// What becomes of the recording with this number.
fn answered(number: u32) -> Answered {
    let begin = format!("{number:03}-");
    let mut all = file::all().into_iter();
    let found = all.find(|recording| recording.name.starts_with(&begin));
    let recording: Recording = found.unwrap_or_else(|| panic!("no recording {number}"));
    Outcome::of(&recording).answered.expect("an answer")
}
