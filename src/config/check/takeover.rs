//! What is done so that another node can go on: pulls that are hashed, and pushes that are kept.

use std::path::Path;

use crate::config::file;
use crate::config::problem::Problems;
use crate::download::settings::{TakeoverSettings, Verify};
use crate::spool::settings::{SpoolSettings, WhenFull};

use super::value::{choice, number, optional_path, period, size};

/// What is done for pulls beside carrying them on.
pub(super) fn takeover(problems: &mut Problems, raw: &file::Takeover) -> Option<TakeoverSettings> {
    let words = [("off", Verify::Off), ("resumed", Verify::Resumed)];
    let verify = choice(problems, &raw.verify, &words);
    Some(TakeoverSettings { verify: verify? })
}

/// Where the bytes of pushes are kept, and how many. An empty folder is one in the state folder.
pub(super) fn spool(
    problems: &mut Problems,
    raw: &file::Spool,
    state_folder: Option<&Path>,
) -> Option<SpoolSettings> {
    let folder = optional_path(problems, &raw.folder);
    let memory = size(problems, &raw.memory, 0..=64 << 20);
    let upload_limit = size(problems, &raw.upload_limit, 0..=1 << 50);
    let total_limit = size(problems, &raw.total_limit, 0..=1 << 50);
    let disk_share = number(problems, &raw.disk_share, 0..=100);
    let words = [
        ("unprotected", WhenFull::Unprotected),
        ("wait", WhenFull::Wait),
    ];
    let when_full = choice(problems, &raw.when_full, &words);
    let idle_timeout = period(problems, &raw.idle_timeout);
    Some(SpoolSettings {
        folder: folder?.or_else(|| state_folder.map(|state| state.join("spool")))?,
        memory: memory?,
        upload_limit: upload_limit?,
        total_limit: total_limit?,
        disk_share: disk_share?,
        when_full: when_full?,
        idle_timeout: idle_timeout?,
    })
}
