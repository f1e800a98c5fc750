//! The operator's file, and how it becomes the settings of every room.
//!
//! Reading has two stages. `file` mirrors the text: raw values, each with its line, nothing
//! resolved. `check` turns the mirror into [`Settings`]. Neither stops at the first problem: all of
//! them come back together, each with its key, its line, what is wrong and what to write instead.
//!
//! The room opens one file, the operator's. It never looks whether the files and folders named in
//! there exist, resolves no name, and binds no port.
//!
//! Its words:
//!
//! * a *key* is a place in the file, such as `node[2].url`; lists are counted from one;
//! * a *problem* is one thing to mend;
//! * *raw* is a value as it stands in the file, before anybody has judged it.

mod admin;
mod check;
mod file;
mod kind;
mod notes;
mod problem;
mod settings;
mod stray;
mod table;
mod unit;

use std::path::Path;

use toml::de::DeTable;

use crate::control::settings::AdminSettings;

pub use notes::KnownKey;
pub use problem::Problem;
pub use settings::{Settings, Upgrade};

use self::file::File;
use self::notes::{Notes, line_of};

/// Reads and checks the file at this path.
pub fn read(path: &Path) -> Result<Settings, Vec<Problem>> {
    load(&text_of(path)?)
}

/// Reads where the process of the file at this path listens. What is wrong elsewhere in the file does not matter.
pub fn read_admin(path: &Path) -> Result<AdminSettings, Vec<Problem>> {
    admin::load(&text_of(path)?)
}

fn text_of(path: &Path) -> Result<String, Vec<Problem>> {
    std::fs::read_to_string(path).map_err(|error| {
        vec![Problem {
            key: String::new(),
            line: None,
            what: format!("the file cannot be read: {error}"),
            hint: "name a file that is there, is text, and may be read by this user".to_owned(),
        }]
    })
}

/// Checks the text of a file.
pub fn load(text: &str) -> Result<Settings, Vec<Problem>> {
    let document = DeTable::parse(text).map_err(|error| vec![syntax_problem(text, &error)])?;
    let mut notes = Notes::new(text);
    let file = File::read(Some(document.get_ref()), &mut notes);
    let mut problems = notes.problems;
    let settings = check::check(&mut problems, &file);
    debug_assert!(settings.is_some() || !problems.is_empty());
    settings
        .filter(|_| problems.is_empty())
        .ok_or_else(|| problems.into_sorted())
}

/// Every key there is, with its default.
pub fn known_keys() -> Vec<KnownKey> {
    let mut notes = Notes::listing();
    File::read(None, &mut notes);
    notes.known
}

/// The parser stops where the text is no TOML: what follows cannot be told apart any more.
fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let span = error.span();
    let line = span.as_ref().and_then(|span| line_of(text, span.start));
    let word = span.and_then(|span| text.get(span)).unwrap_or_default();
    let (what, hint) = match error.message() {
        "duplicate key" => (
            format!("{word} is written twice"),
            "keep one of them; a section that may repeat has two brackets, as [[node]]",
        ),
        message if message.starts_with(UNQUOTED) && word.is_empty() => (
            "a value is missing".to_owned(),
            "write one, or take the line out",
        ),
        message if message.starts_with(UNQUOTED) => (
            "a text stands without quotes".to_owned(),
            "put it in quotes, as \"30s\"",
        ),
        message => (
            format!("this is not TOML: {message}"),
            "mend this line; what comes after it is checked then",
        ),
    };
    Problem {
        key: String::new(),
        line,
        what,
        hint: hint.to_owned(),
    }
}

/// How the parser speaks of anything it cannot take for a value.
const UNQUOTED: &str = "string values must be quoted";

#[cfg(test)]
mod tests;
