//! The completions and manual pages that packages carry are what the program itself writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{expect_none, expect_one};

const FOLDERS: [&str; 2] = [COMPLETIONS, PAGES];
const COMPLETIONS: &str = "conf/packaging/completions";
const PAGES: &str = "conf/packaging/man";

/// Each shell, and under which name it looks for the script.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "pilotage.bash"),
    ("zsh", "_pilotage"),
    ("fish", "pilotage.fish"),
];

/// Set to anything, it has the files written anew.
const REFRESH: &str = "PILOTAGE_PAPERS";

/// Texts by their path in the project.
type Papers = BTreeMap<String, String>;

fn check_papers(kept: &Papers, written: &Papers) -> Vec<String> {
    let all = kept
        .keys()
        .chain(written.keys().filter(|path| !kept.contains_key(*path)));
    let stale = all.filter(|path| kept.get(*path) != written.get(*path));
    let complaint = |path: &String| {
        format!("{path} is not what pilotage writes: {REFRESH}=write cargo test --test tidy papers")
    };
    stale.map(complaint).collect()
}

/// What the program writes today.
fn written() -> Papers {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pilotage"));
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let scratch = tempfile::tempdir().unwrap();
    run(&["man", scratch.path().to_str().unwrap()]);
    let mut papers = read(scratch.path(), PAGES);
    for (shell, name) in SHELLS {
        papers.insert(
            format!("{COMPLETIONS}/{name}"),
            run(&["completions", shell]),
        );
    }
    papers
}

/// The files of a folder, as if they lay in that one.
fn read(folder: &Path, shown_as: &str) -> Papers {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let named = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        (
            format!("{shown_as}/{name}"),
            fs::read_to_string(&path).unwrap(),
        )
    };
    entries.map(named).collect()
}

fn refresh(root: &Path, written: &Papers) {
    for folder in FOLDERS {
        let folder = root.join(folder);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
    }
    for (path, text) in written {
        fs::write(root.join(path), text).unwrap();
    }
}

#[test]
fn packages_carry_the_papers_that_the_program_writes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let written = written();
    assert!(written.len() > 20, "a page for each command");
    if std::env::var_os(REFRESH).is_some() {
        refresh(root, &written);
    }
    let kept = FOLDERS
        .iter()
        .flat_map(|folder| read(&root.join(folder), folder));
    expect_none(&check_papers(&kept.collect(), &written));
}

#[test]
fn the_check_of_papers_catches_what_is_old_missing_or_left_over() {
    let papers = |texts: &[(&str, &str)]| -> Papers {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        texts.iter().map(owned).collect()
    };
    let written = papers(&[("man/a.1", "new"), ("man/b.1", "same")]);
    let old = papers(&[("man/a.1", "old"), ("man/b.1", "same")]);
    assert_eq!(check_papers(&old, &written).len(), 1);
    expect_one(&check_papers(&old, &written), "man/a.1 is not");
    let missing = papers(&[("man/a.1", "new")]);
    expect_one(&check_papers(&missing, &written), "man/b.1 is not");
    expect_one(&check_papers(&written, &missing), "man/b.1 is not");
    expect_none(&check_papers(&written, &written));
}
