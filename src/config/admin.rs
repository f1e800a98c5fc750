//! `[admin]` alone, out of a file that may be wrong elsewhere.
//!
//! Whoever asks a running process has to know where it listens, and nothing else. What somebody is just writing
//! into another section must not keep him from a process that is well.

use toml::de::DeTable;

use crate::control::settings::AdminSettings;

use super::check;
use super::file::File;
use super::notes::Notes;
use super::problem::Problem;
use super::syntax_problem;

/// Where the process of this text listens, or all that is wrong with that section.
pub(super) fn load(text: &str) -> Result<AdminSettings, Vec<Problem>> {
    let whole = match DeTable::parse(text) {
        Ok(document) => return read(text, document.get_ref()),
        Err(error) => vec![syntax_problem(text, &error)],
    };
    // The text is no TOML: the lines of the section are read by themselves.
    let section = lines_of_section(text).ok_or(whole)?;
    match DeTable::parse(&section) {
        Ok(document) => read(&section, document.get_ref()),
        Err(error) => Err(vec![syntax_problem(&section, &error)]),
    }
}

fn read<'t>(text: &'t str, document: &'t DeTable<'t>) -> Result<AdminSettings, Vec<Problem>> {
    let mut notes = Notes::new(text);
    let file = File::read(Some(document), &mut notes);
    let mut problems = notes.problems;
    problems.keep(concerns);
    // The listeners may be what is wrong. That this one stands in their way, a start or a reload will say.
    let settings = check::admin(&mut problems, &file.admin, &[]);
    debug_assert!(settings.is_some() || !problems.is_empty());
    settings
        .filter(|_| problems.is_empty())
        .ok_or_else(|| problems.into_sorted())
}

/// Whether the problem lies in the section, or is its misspelled name.
fn concerns(problem: &Problem) -> bool {
    let below = problem.key.strip_prefix(SECTION);
    let within = below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    within || problem.hint == format!("write {SECTION}")
}

/// The text with nothing left but the section; every line keeps its number. None when it has the section in a
/// form that cannot be told from what is around it.
fn lines_of_section(text: &str) -> Option<String> {
    let mut within = false;
    let mut kept = String::new();
    for line in text.lines() {
        let bare = line.trim_start();
        if bare.starts_with('[') {
            within = is_header(bare);
        }
        let names_it = || {
            let key = bare.split('=').next().unwrap_or_default();
            key.contains(SECTION) && !bare.starts_with('#')
        };
        if within {
            kept.push_str(line);
        } else if names_it() {
            return None;
        }
        kept.push('\n');
    }
    Some(kept)
}

fn is_header(line: &str) -> bool {
    let name = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    name.is_some_and(|(name, _)| name.trim() == SECTION)
}

const SECTION: &str = "admin";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str =
        "threads = 2\n[admin]\naddress = \"127.0.0.2:9091\"\n[spool]\nmemory = \"1MiB\"\n";

    fn address(text: &str) -> String {
        load(text).unwrap().address.to_string()
    }

    fn problems(text: &str) -> Vec<String> {
        let problems = load(text).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_wrong_elsewhere_does_not_matter() {
        assert_eq!(address(GOOD), "127.0.0.2:9091");
        for (good, wrong) in [
            ("threads = 2", "threads = -2"),
            ("threads = 2", "thread = 2"),
            ("1MiB", "plenty"),
            ("[spool]", "[spol]"),
            ("[spool]", "[spool]\nadmin = 1"),
            ("[spool]", "[[node]]\nurl = \"http://a/b\"\n[spool]"),
        ] {
            let text = GOOD.replace(good, wrong);
            assert_eq!(address(&text), "127.0.0.2:9091", "{text}");
        }
        assert_eq!(address("nonsense = 1"), "127.0.0.1:9090");
    }

    #[test]
    fn half_an_edit_elsewhere_does_not_matter() {
        for (good, half) in [
            ("threads = 2", "threads ="),
            ("threads = 2", "names = [\"a\","),
            ("1MiB\"", "1MiB"),
            ("[spool]", "[spool"),
            ("[spool]", "[spool]\n[spool]"),
        ] {
            let text = GOOD.replace(good, half);
            assert_eq!(address(&text), "127.0.0.2:9091", "{text}");
        }
        // No section, so that the default counts.
        assert_eq!(address("threads =\n# [admin]\n"), "127.0.0.1:9090");
    }

    #[test]
    fn what_is_wrong_with_the_section_is_told_with_its_line() {
        for (good, wrong, line, told) in [
            ("127.0.0.2:9091", "nowhere", 3, "admin.address: "),
            ("127.0.0.2:9091", "10.0.0.1:9091", 3, "asks for no password"),
            ("address", "adress", 3, "admin.adress: "),
            ("[admin]", "[admim]", 2, "write admin"),
            ("[admin]\n", "admin = 3\n[other]\n", 2, "admin: is a number"),
            ("9091\"", "9091", 3, "this is not TOML"),
            ("[spool]", "[admin]", 4, "written twice"),
        ] {
            let text = GOOD.replace(good, wrong);
            let problems = problems(&text);
            let place = format!("line {line}: ");
            let all = problems.iter().all(|one| one.starts_with(&place));
            assert!(all && problems[0].contains(told), "{text}\n{problems:?}");
        }
    }

    #[test]
    fn a_section_that_cannot_be_told_from_what_is_wrong_is_not_guessed() {
        for text in [
            "threads =\nadmin.address = \"127.0.0.2:9091\"",
            "threads =\nadmin = { address = \"127.0.0.2:9091\" }",
            "[admin\naddress = \"127.0.0.2:9091\"",
        ] {
            assert!(load(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_the_section_decides(above in "[a-z0-9=\"',. \n-]{0,30}", below in ".{0,30}") {
            prop_assume!(!above.contains("ad") && !below.contains("admin"));
            let section = "\n[admin]\naddress = \"127.0.0.2:9091\"\n[spool]\n";
            let text = format!("{above}{section}{below}");
            prop_assert!(load(&text).is_ok_and(|admin| admin.address.port() == 9091), "{text}");
        }
    }
}
