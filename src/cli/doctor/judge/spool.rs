//! Whether a folder is fit to keep pushes.

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};

/// What was seen of the folder.
#[derive(Debug, Clone)]
pub(in super::super) struct Ground {
    pub(in super::super) folder: String,
    pub(in super::super) kind: FileSystem,
    /// Bytes of the whole file system, and those that we may still use.
    pub(in super::super) size: u64,
    pub(in super::super) free: u64,
    /// Bytes a second that were written and were on the disk, or why none were.
    pub(in super::super) speed: Result<u64, String>,
}

/// Where the bytes end up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum FileSystem {
    Disk,
    Memory,
}

/// What the operator allows.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Allowed {
    pub(in super::super) upload_limit: u64,
    /// Percent of the file system, by whomever.
    pub(in super::super) disk_share: u64,
}

/// Whether pushes can be kept there.
pub(in super::super) fn spool(ground: &Ground, allowed: Allowed) -> Outcome {
    let folder = ground.folder.as_str();
    let mut findings = Vec::new();
    let mut find = |severity: Severity, what: &str, (asked, said): (&str, String), remedy: &str| {
        let finding = Finding::new(Check::Spool, severity, what);
        findings.push(finding.told(folder, asked, said).remedy(remedy));
    };
    let speed = match &ground.speed {
        Err(why) => {
            find(
                Severity::Error,
                "the spool folder cannot be written",
                ("a nameless file", why.clone()),
                "make it writable for the user that pilotage runs as (chown pilotage), or give [spool] folder",
            );
            None
        }
        Ok(speed) => Some(*speed),
    };
    if ground.kind == FileSystem::Memory {
        find(
            Severity::Warning,
            "the spool folder is in memory",
            ("its file system", "tmpfs or ramfs".to_owned()),
            "set [spool] folder to a folder on a disk: large pushes would take the memory of all others",
        );
    }
    let used = 100 - ground.free.saturating_mul(100) / ground.size.max(1);
    let room = (ground.size / 100)
        .saturating_mul(allowed.disk_share)
        .saturating_sub(ground.size.saturating_sub(ground.free));
    if used >= allowed.disk_share {
        find(
            Severity::Warning,
            "the disk of the spool is as full as [spool] disk_share allows: no push is kept",
            ("its file system", format!("{used} percent in use")),
            "free some space, move [spool] folder to a larger disk, or raise disk_share",
        );
    } else if room < allowed.upload_limit {
        find(
            Severity::Info,
            "the spool has room for less than one push of [spool] upload_limit",
            ("room up to disk_share", megabytes(room)),
            "nothing, if layers are smaller than that; else a larger disk for [spool] folder",
        );
    }
    if let Some(speed) = speed.filter(|speed| *speed < SLOW) {
        find(
            Severity::Warning,
            "the disk of the spool is slow",
            (
                "32 MiB, written through",
                format!("{} a second", megabytes(speed)),
            ),
            "use a local disk or an SSD for [spool] folder: pushes go no faster than it",
        );
    }
    let seen = format!("writes {} a second", megabytes(speed.unwrap_or_default()));
    Outcome::of(findings, seen)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

/// What a network of 100 megabit brings.
pub(in super::super) const SLOW: u64 = 12_500_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn ground() -> Ground {
        Ground {
            folder: "/spool".to_owned(),
            kind: FileSystem::Disk,
            size: 1_000 << 30,
            free: 900 << 30,
            speed: Ok(500_000_000),
        }
    }

    const ALLOWED: Allowed = Allowed {
        upload_limit: 64 << 30,
        disk_share: 85,
    };

    fn worst(change: impl FnOnce(&mut Ground)) -> Option<Severity> {
        let mut changed = ground();
        change(&mut changed);
        spool(&changed, ALLOWED).severity()
    }

    #[test]
    fn a_roomy_fast_disk_is_good() {
        assert_eq!(worst(|_| {}), None);
    }

    #[test]
    fn memory_a_full_disk_and_a_slow_one_are_warnings() {
        assert_eq!(
            worst(|one| one.kind = FileSystem::Memory),
            Some(Severity::Warning)
        );
        assert_eq!(worst(|one| one.free = 100 << 30), Some(Severity::Warning));
        assert_eq!(
            worst(|one| one.speed = Ok(10_000_000)),
            Some(Severity::Warning)
        );
    }

    #[test]
    fn little_room_is_worth_a_word_and_no_file_an_error() {
        assert_eq!(worst(|one| one.free = 200 << 30), Some(Severity::Info));
        let refused = Err("permission denied".to_owned());
        assert_eq!(worst(|one| one.speed = refused), Some(Severity::Error));
    }
}
