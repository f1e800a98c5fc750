//! Reads one table of the file key by key, and notes everything it did not expect.
//!
//! A section asks for each of its keys once, with the default. From what was asked follow the list
//! of all keys and the refusal of every other one, so neither can be forgotten.

use toml::de::{DeArray, DeTable, DeValue};

use super::kind::{Reader, Switch, as_array, as_integer, as_switch, as_table, as_text};
use super::notes::{KnownKey, Notes, Purpose};
use super::problem::Problem;
use super::stray::stray;

/// A value as it stands in the file.
#[derive(Debug, Clone)]
pub(super) struct Raw<T> {
    pub(super) key: String,
    /// The line of the value, or of the section when the key is not written.
    pub(super) line: Option<u32>,
    pub(super) value: T,
    pub(super) origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Written,
    Default,
    /// A problem was noted, and the default stands in so that reading can go on.
    Refused,
}

/// One table, and the keys it was asked for.
#[derive(Debug)]
pub(super) struct Table<'n, 't> {
    path: String,
    line: Option<u32>,
    entries: Option<&'t DeTable<'t>>,
    /// What a key is that is not written: when the whole section was refused, so are its keys.
    absent: Origin,
    asked: Vec<&'static str>,
    /// Old forms of keys, each with its own words.
    retired: Vec<&'static str>,
    /// Keys that are not missed, because their old form was found.
    excused: Vec<&'static str>,
    notes: &'n mut Notes<'t>,
}

/// Reads the whole file, the outermost table.
pub(super) fn read_root<'t, T>(
    entries: Option<&'t DeTable<'t>>,
    notes: &mut Notes<'t>,
    read: impl FnOnce(&mut Table<'_, 't>) -> T,
) -> T {
    let line = None;
    let found = Raw {
        key: String::new(),
        line,
        value: entries,
        origin: Origin::Written,
    };
    read_table(found, notes, read)
}

fn read_table<'t, T>(
    found: Raw<Option<&'t DeTable<'t>>>,
    notes: &mut Notes<'t>,
    read: impl FnOnce(&mut Table<'_, 't>) -> T,
) -> T {
    let absent = match found.origin {
        Origin::Written | Origin::Default => Origin::Default,
        Origin::Refused => Origin::Refused,
    };
    let mut table = Table {
        path: found.key,
        line: found.line,
        entries: found.value,
        absent,
        asked: Vec::new(),
        retired: Vec::new(),
        excused: Vec::new(),
        notes,
    };
    let section = read(&mut table);
    table.refuse_unknown_keys();
    section
}

impl<'t> Table<'_, 't> {
    pub(super) fn text(&mut self, name: &'static str, default: &'static str) -> Raw<String> {
        self.know(name, Some(format!("\"{default}\"")));
        let example = if default.is_empty() { "..." } else { default };
        self.find(name, &format!("{name} = \"{example}\""), as_text)
            .or(default.to_owned())
    }

    pub(super) fn required_text(&mut self, name: &'static str, example: &str) -> Raw<String> {
        self.know(name, None);
        let example = format!("{name} = \"{example}\"");
        let found = self.find(name, &example, as_text);
        self.require(found, &example)
    }

    pub(super) fn integer(&mut self, name: &'static str, default: i64) -> Raw<i64> {
        self.know(name, Some(default.to_string()));
        self.find(name, &format!("{name} = {default}"), as_integer)
            .or(default)
    }

    pub(super) fn switch(&mut self, name: &'static str, default: Switch) -> Raw<Switch> {
        let printed = match default {
            Switch::On => "true",
            Switch::Off => "false",
        };
        self.know(name, Some(printed.to_owned()));
        self.find(name, &format!("{name} = {printed}"), as_switch)
            .or(default)
    }

    /// A list of texts that is empty by default.
    pub(super) fn texts(&mut self, name: &'static str, example: &str) -> Raw<Vec<Raw<String>>> {
        self.know(name, Some("[]".to_owned()));
        self.find_texts(name, &format!("{name} = [\"{example}\"]"))
            .or(Vec::new())
    }

    /// A list of texts that is not empty by default.
    pub(super) fn texts_or(
        &mut self,
        name: &'static str,
        default: &[&str],
    ) -> Raw<Vec<Raw<String>>> {
        let printed = format!("{default:?}");
        self.know(name, Some(printed.clone()));
        let found = self.find_texts(name, &format!("{name} = {printed}"));
        let one = |text: &&str| Raw {
            key: found.key.clone(),
            line: found.line,
            value: (*text).to_owned(),
            origin: Origin::Default,
        };
        let default = default.iter().map(one).collect();
        found.or(default)
    }

    pub(super) fn required_texts(
        &mut self,
        name: &'static str,
        example: &str,
    ) -> Raw<Vec<Raw<String>>> {
        self.know(name, None);
        let example = format!("{name} = [\"{example}\"]");
        let found = self.find_texts(name, &example);
        self.require(found, &example)
    }

    /// A section written as `[name]`.
    pub(super) fn table<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Table<'_, 't>) -> T,
    ) -> T {
        let example = format!("[{}]", self.path_of(name));
        let found = self.find(name, &example, as_table);
        read_table(found, self.notes, read)
    }

    /// A section that may be written several times, as `[[name]]`.
    pub(super) fn tables<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&mut Table<'_, 't>) -> T,
    ) -> Raw<Vec<T>> {
        let path = self.path_of(name);
        let example = format!("[[{path}]]");
        let found = self.find(name, &example, as_array);
        if self.notes.purpose == Purpose::Keys {
            let one = Raw {
                key: path,
                line: None,
                value: None,
                origin: Origin::Default,
            };
            return found.then(|_| vec![read_table(one, self.notes, read)]);
        }
        let elements = self.elements(found, &example, as_table);
        elements.then(|sections| {
            sections
                .into_iter()
                .map(|found| read_table(found, self.notes, &read))
                .collect()
        })
    }

    /// A marker for a key that is written another way today: it reads nothing, explains itself,
    /// and spares the operator the further problem that the new key, asked for later, is missing.
    pub(super) fn gone(&mut self, old: &'static str, new: &'static str, what: &str, hint: &str) {
        self.retired.push(old);
        let Some((key, _)) = self.entries.and_then(|entries| entries.get_key_value(old)) else {
            return;
        };
        let line = self.notes.line(key.span().start);
        self.refuse(self.path_of(old), line, what, hint);
        self.excused.push(new);
    }

    fn know(&mut self, name: &'static str, default: Option<String>) {
        if self.path.is_empty() {
            self.notes.at_top.push(name);
        }
        if self.notes.purpose == Purpose::Keys {
            let path = self.path_of(name);
            self.notes.known.push(KnownKey { path, default });
        }
    }

    fn find<T>(
        &mut self,
        name: &'static str,
        example: &str,
        read: Reader<'t, T>,
    ) -> Raw<Option<T>> {
        self.asked.push(name);
        let key = self.path_of(name);
        let Some((written, value)) = self.entries.and_then(|table| table.get_key_value(name))
        else {
            let excused = self.excused.contains(&name);
            let origin = if excused {
                Origin::Refused
            } else {
                self.absent
            };
            return Raw {
                key,
                line: self.line,
                value: None,
                origin,
            };
        };
        let line = self.notes.line(written.span().start);
        self.convert(key, line, value.get_ref(), (example, read))
    }

    fn find_texts(&mut self, name: &'static str, example: &str) -> Raw<Option<Vec<Raw<String>>>> {
        let found = self.find(name, example, as_array);
        let written = found.origin == Origin::Written;
        let texts = self.elements(found, example, as_text);
        texts.then(|texts| {
            let texts = texts
                .into_iter()
                .map(|text| text.or(String::new()))
                .collect();
            written.then_some(texts)
        })
    }

    /// The elements of a list that are of the right kind; one of another kind spoils the list.
    fn elements<T>(
        &mut self,
        found: Raw<Option<&'t DeArray<'t>>>,
        example: &str,
        read: Reader<'t, T>,
    ) -> Raw<Vec<Raw<Option<T>>>> {
        let mut origin = found.origin;
        let mut elements = Vec::new();
        for (index, element) in found.value.into_iter().flatten().enumerate() {
            let key = format!("{}[{}]", found.key, index + 1);
            let line = self.notes.line(element.span().start);
            let element = self.convert(key, line, element.get_ref(), (example, read));
            if element.origin == Origin::Written {
                elements.push(element);
            } else {
                origin = Origin::Refused;
            }
        }
        Raw {
            key: found.key,
            line: found.line,
            value: elements,
            origin,
        }
    }

    fn convert<T>(
        &mut self,
        key: String,
        line: Option<u32>,
        value: &'t DeValue<'t>,
        (example, read): (&str, Reader<'t, T>),
    ) -> Raw<Option<T>> {
        match read(value) {
            Ok(value) => Raw {
                key,
                line,
                value: Some(value),
                origin: Origin::Written,
            },
            Err(what) => {
                self.refuse(key.clone(), line, what, &format!("write {example}"));
                Raw {
                    key,
                    line,
                    value: None,
                    origin: Origin::Refused,
                }
            }
        }
    }

    fn require<T: Default>(&mut self, mut found: Raw<Option<T>>, example: &str) -> Raw<T> {
        if found.origin == Origin::Default {
            self.refuse(
                found.key.clone(),
                found.line,
                "is missing",
                &format!("write {example}"),
            );
            found.origin = Origin::Refused;
        }
        found.or(T::default())
    }

    fn refuse_unknown_keys(&mut self) {
        for (key, _) in self.entries.into_iter().flatten() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) || self.retired.contains(&name) {
                continue;
            }
            let line = self.notes.line(key.span().start);
            let at_top: &[&str] = if self.path.is_empty() {
                &[]
            } else {
                &self.notes.at_top
            };
            let (what, hint) = stray(name, &self.asked, at_top);
            self.refuse(self.path_of(name), line, what, &hint);
        }
    }

    fn refuse(&mut self, key: String, line: Option<u32>, what: &str, hint: &str) {
        let (what, hint) = (what.to_owned(), hint.to_owned());
        self.notes.problems.push(Problem {
            key,
            line,
            what,
            hint,
        });
    }

    fn path_of(&self, name: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let plain = !name.is_empty() && name.chars().all(bare);
        let name = if plain {
            name.to_owned()
        } else {
            format!("{name:?}")
        };
        if self.path.is_empty() {
            name
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

impl<T> Raw<T> {
    pub(super) fn is_written(&self) -> bool {
        self.origin == Origin::Written
    }

    fn then<U>(self, change: impl FnOnce(T) -> U) -> Raw<U> {
        let Self {
            key,
            line,
            value,
            origin,
        } = self;
        Raw {
            key,
            line,
            value: change(value),
            origin,
        }
    }
}

impl<T> Raw<Option<T>> {
    fn or(self, default: T) -> Raw<T> {
        self.then(|value| value.unwrap_or(default))
    }
}
