//! Sizes, words that have no place here, and files that have to be good.

use std::path::Path;
use std::process::Command;

use super::project::{self, FILES, File};
use super::source::line;
use super::{expect_none, expect_one};

/// What fits a head, and a few screens.
const LONGEST_FILE: usize = 400;

/// Taken apart, so that this file does not hold them.
const FORBIDDEN: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/tmp/bash", "_jobs"),
    concat!(".libr", "ary"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
];

fn check_size(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    if lines <= LONGEST_FILE {
        return Vec::new();
    }
    vec![format!(
        "{} has {lines} lines: cut it by subject",
        file.path
    )]
}

fn check_words(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    for word in FORBIDDEN {
        for (at, _) in file.text.match_indices(word) {
            let number = line(&file.text, at);
            complaints.push(format!("{}:{number}: {word} has no place here", file.path));
        }
    }
    let unfinished = concat!("TO", "DO");
    for (at, _) in file.text.match_indices(unfinished) {
        if !file.text[at + unfinished.len()..].starts_with('(') {
            let number = line(&file.text, at);
            complaints.push(format!(
                "{}:{number}: {unfinished} without an owner",
                file.path
            ));
        }
    }
    complaints
}

fn check_configuration(file: &File) -> Vec<String> {
    match pilotage::config::load(&file.text) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            let told = problems
                .iter()
                .map(|problem| format!("{}: {problem:?}", file.path));
            told.collect()
        }
    }
}

/// Paths of the project, and our own subcommands, that a page tells its reader to use.
fn check_page(
    file: &File,
    exists: impl Fn(&str) -> bool,
    runs: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut complaints = Vec::new();
    for word in file
        .text
        .split(|c: char| c.is_whitespace() || "`()[]\"',;".contains(c))
    {
        let path = word
            .trim_start_matches("./")
            .trim_end_matches(['.', ':', '/']);
        let ours = PATHS.iter().any(|folder| path.starts_with(folder));
        if ours && !path.contains(['*', '<', '#']) && !exists(path) {
            complaints.push(format!("{}: {path} is not there", file.path));
        }
    }
    for command in file.text.lines().flat_map(|line| line.split('`')) {
        let words: Vec<_> = command
            .trim()
            .trim_start_matches("$ ")
            .split_whitespace()
            .collect();
        let told = words
            .first()
            .is_some_and(|first| is_program(first) || *first == "sudo");
        if !told || words.len() >= PROSE {
            continue;
        }
        for pair in words
            .windows(2)
            .filter(|pair| is_program(pair[0]) && is_plain(pair[1]))
        {
            if !runs(pair[1]) {
                complaints.push(format!("{}: there is no `pilotage {}`", file.path, pair[1]));
            }
        }
    }
    complaints
}

fn is_program(word: &str) -> bool {
    word == "pilotage" || word.ends_with("/pilotage")
}

fn is_plain(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// A line with more words than this is a sentence about pilotage, not a command.
const PROSE: usize = 7;

const PATHS: &[&str] = &[
    "src/",
    "tests/",
    "conf/",
    "benches/",
    ".ci/",
    "packaging/",
    "docs/",
];

#[test]
fn every_file_of_code_is_short() {
    expect_none(&project::rust().flat_map(check_size).collect::<Vec<_>>());
}

#[test]
fn the_size_check_catches_one_line_too_many() {
    expect_none(&check_size(&File::new(
        "src/a.rs",
        &"x\n".repeat(LONGEST_FILE),
    )));
    expect_one(
        &check_size(&File::new("src/a.rs", &"x\n".repeat(LONGEST_FILE + 1))),
        "401 lines",
    );
}

#[test]
fn no_file_holds_words_that_have_no_place_here() {
    expect_none(&FILES.iter().flat_map(check_words).collect::<Vec<_>>());
}

#[test]
fn the_word_check_catches_paths_and_ownerless_promises() {
    let look = |text: &str| check_words(&File::new("src/a.rs", text));
    expect_one(&look(concat!("a\n/wo", "rk/main")), "src/a.rs:2: ");
    expect_one(&look(concat!("// TO", "DO: later")), "without an owner");
    expect_none(&look(concat!("// TO", "DO(ada): later")));
}

#[test]
fn every_file_in_conf_is_a_good_configuration() {
    let conf = |file: &&File| file.path.starts_with("conf/") && file.extension() == "toml";
    let files: Vec<_> = FILES.iter().filter(conf).collect();
    assert!(files.len() >= 3, "{files:?}");
    expect_none(
        &files
            .into_iter()
            .flat_map(check_configuration)
            .collect::<Vec<_>>(),
    );
}

/// What a Kubernetes manifest has behind `pilotage.toml: |`.
fn embedded(file: &File) -> Option<File> {
    let (_, block) = file.text.split_once("  pilotage.toml: |\n")?;
    let inside = |line: &&str| line.is_empty() || line.starts_with("    ");
    let lines = block.lines().take_while(inside).map(str::trim_start);
    let text: Vec<_> = lines.collect();
    Some(File::new(&file.path, &text.join("\n")))
}

#[test]
fn the_configuration_in_a_manifest_is_good() {
    let manifests: Vec<_> = FILES
        .iter()
        .filter(|file| file.path.starts_with("conf/kubernetes/"))
        .filter_map(embedded)
        .collect();
    assert!(!manifests.is_empty());
    for manifest in &manifests {
        assert!(manifest.text.contains("[[node]]"), "{}", manifest.text);
        expect_none(&check_configuration(manifest));
    }
}

/// Every `[table] key` in a page has to stand in the reference.
fn check_keys(page: &File, reference: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for quoted in page.text.split('`').skip(1).step_by(2) {
        let Some((table, key)) = quoted
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("] "))
        else {
            continue;
        };
        let key = key.split([' ', '=']).next().unwrap_or_default();
        let section = reference.split(&format!("\n[{table}]\n")).nth(1);
        let section = section.unwrap_or_default().split("\n[").next();
        let there = |line: &str| line.starts_with(&format!("{key} ="));
        if !section.unwrap_or_default().lines().any(there) {
            complaints.push(format!("{}: there is no key {quoted}", page.path));
        }
    }
    complaints
}

#[test]
fn pages_name_only_keys_that_exist() {
    let reference = project::text("conf/reference.toml");
    let pages = FILES.iter().filter(|file| file.extension() == "md");
    let complaints: Vec<_> = pages.flat_map(|page| check_keys(page, reference)).collect();
    expect_none(&complaints);
    let page = File::new("a.md", "`[log] file` `[log] levl` `[lag] file` `[[node]]`");
    expect_one(&check_keys(&page, reference), "no key [log] levl");
    expect_one(&check_keys(&page, reference), "no key [lag] file");
    assert_eq!(check_keys(&page, reference).len(), 2);
}

#[test]
fn the_configuration_check_catches_an_unknown_key() {
    let complaints = check_configuration(&File::new("conf/a.toml", "thraeds = 2\n"));
    expect_one(&complaints, "thraeds");
}

#[test]
fn pages_name_only_paths_and_commands_that_exist() {
    let exists = |path: &str| {
        let text = FILES
            .iter()
            .any(|file| file.path == path || file.path.starts_with(&format!("{path}/")));
        // Pictures are files too.
        text || Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file()
    };
    let runs = |command: &str| {
        let help = Command::new(env!("CARGO_BIN_EXE_pilotage"))
            .args([command, "--help"])
            .output();
        help.unwrap().status.success()
    };
    let pages: Vec<_> = FILES
        .iter()
        .filter(|file| file.extension() == "md")
        .collect();
    assert!(pages.len() > 3, "{pages:?}");
    expect_none(
        &pages
            .into_iter()
            .flat_map(|page| check_page(page, exists, runs))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_page_check_catches_a_dead_path_and_a_wrong_command() {
    let page = "See `conf/gone.toml` and tests/run.\n```\npilotage chekc --config F\n```\n";
    let look = |text| {
        let file = File::new("README.md", text);
        check_page(
            &file,
            |path| path == "tests/run",
            |command| command == "check",
        )
    };
    expect_one(&look(page), "conf/gone.toml is not there");
    expect_one(&look(page), "no `pilotage chekc`");
    expect_none(&look(
        "`tests/run`, `sudo ./pilotage check --json`, pilotage is a balancer.",
    ));
}
