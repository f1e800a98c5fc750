//! What reading the file leaves behind beside its values.

use serde::Serialize;

use super::problem::Problems;

/// A key that pilotage knows, as `conf/reference.toml` has to show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownKey {
    /// The dotted path, such as `node.url`.
    pub path: String,
    /// The default as TOML; none when the key is required.
    pub default: Option<String>,
}

/// What reading leaves behind beside the values.
#[derive(Debug)]
pub(super) struct Notes<'t> {
    pub(super) problems: Problems,
    /// Filled by [`Notes::listing`] only.
    pub(super) known: Vec<KnownKey>,
    pub(super) purpose: Purpose,
    /// The keys that stand above all sections, as far as they were asked for.
    pub(super) at_top: Vec<&'static str>,
    text: &'t str,
}

/// Why the file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Values are wanted.
    Values,
    /// The list of keys is wanted: a list of tables shows one.
    Keys,
}

impl<'t> Notes<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            problems: Problems::default(),
            known: Vec::new(),
            purpose: Purpose::Values,
            at_top: Vec::new(),
            text,
        }
    }

    /// Notes for a read of nothing that asks for every key there is.
    pub(super) fn listing() -> Self {
        Self {
            purpose: Purpose::Keys,
            ..Self::new("")
        }
    }

    pub(super) fn line(&self, offset: usize) -> Option<u32> {
        line_of(self.text, offset)
    }
}

/// The line of a place in the text, counted from one.
pub(super) fn line_of(text: &str, offset: usize) -> Option<u32> {
    let before = text.as_bytes().get(..offset)?;
    u32::try_from(before.split(|byte| *byte == b'\n').count()).ok()
}
