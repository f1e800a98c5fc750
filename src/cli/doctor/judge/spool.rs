//! Whether a folder is fit to keep pushes.

use crate::spool::disk::Disk;

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};

/// What was seen of the folder.
#[derive(Debug, Clone)]
pub(in super::super) struct Ground {
    pub(in super::super) folder: String,
    pub(in super::super) kind: FileSystem,
    /// How full its file system is, if that tells.
    pub(in super::super) disk: Option<Disk>,
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
    if let Some(disk) = ground.disk {
        let room = disk.room(allowed.disk_share);
        if disk.is_beyond(allowed.disk_share) {
            find(
                Severity::Warning,
                "the disk of the spool is fuller than [spool] disk_share allows: no push is kept",
                (
                    "its file system",
                    format!("{} percent in use", disk.percent()),
                ),
                "free some space, move [spool] folder to a larger disk, or raise disk_share",
            );
        } else if room < allowed.upload_limit {
            find(
                Severity::Info,
                "the spool has room for less than one push of [spool] upload_limit",
                ("room up to disk_share", size(room)),
                "nothing, if layers are smaller than that; else a larger disk for [spool] folder",
            );
        }
    }
    if let Some(speed) = speed.filter(|speed| *speed < SLOW) {
        find(
            Severity::Warning,
            "the disk of the spool is slow",
            (
                "32 MiB, written through",
                format!("{} a second", size(speed)),
            ),
            "use a local disk or an SSD for [spool] folder: pushes go no faster than it",
        );
    }
    let seen = format!("writes {} a second", size(speed.unwrap_or_default()));
    Outcome::of(findings, seen)
}

/// In the units of the configuration.
fn size(bytes: u64) -> String {
    match bytes >> 30 {
        0..10 => format!("{} MiB", bytes >> 20),
        gibibytes => format!("{gibibytes} GiB"),
    }
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
            disk: Some(left(900)),
            speed: Ok(500_000_000),
        }
    }

    /// A file system of 1,000 GiB with so many left, after 50 that the system keeps for itself.
    fn left(gibibytes: u64) -> Disk {
        Disk::new(1 << 30, (1_050, gibibytes + 50, gibibytes))
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
        assert_eq!(
            worst(|one| one.disk = Some(left(100))),
            Some(Severity::Warning)
        );
        assert_eq!(
            worst(|one| one.speed = Ok(10_000_000)),
            Some(Severity::Warning)
        );
    }

    #[test]
    fn little_room_is_worth_a_word_and_no_file_an_error() {
        assert_eq!(
            worst(|one| one.disk = Some(left(200))),
            Some(Severity::Info)
        );
        assert_eq!(
            worst(|one| one.disk = Some(left(150))),
            Some(Severity::Info)
        );
        let refused = Err("permission denied".to_owned());
        assert_eq!(worst(|one| one.speed = refused), Some(Severity::Error));
    }
}
