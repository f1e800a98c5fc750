//! How pulls are checked that another node goes on with.

use crate::config::file;
use crate::config::problem::Problems;
use crate::download::settings::{TakeoverSettings, Verify};

use super::value::choice;

/// What is done for pulls beside carrying them on.
pub(super) fn takeover(problems: &mut Problems, raw: &file::Takeover) -> Option<TakeoverSettings> {
    let words = [("off", Verify::Off), ("resumed", Verify::Resumed)];
    let verify = choice(problems, &raw.verify, &words);
    Some(TakeoverSettings { verify: verify? })
}
