//! Files and folders on this machine.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use crate::affinity::settings::Place;
use crate::affinity::token::parse_keys;
use crate::config::Settings;
use crate::control::tokens::{TokenFileError, guarding};
use crate::spool::file::disk_of;

use super::super::super::counted;
use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::judge::spool::{Allowed, FileSystem, Ground, SLOW, spool as judged};

/// Whether secrets in files are for their owner and group alone.
pub(super) fn key_files(settings: &Settings) -> Outcome {
    let mut open = Vec::new();
    let mut seen = 0;
    for path in secrets(settings) {
        // What is not there is told by whoever needs it.
        let Ok(facts) = std::fs::metadata(&path) else {
            continue;
        };
        seen += 1;
        let mode = facts.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            open.push((path, mode));
        }
    }
    let mut findings = Vec::from_iter(sealing(settings));
    findings.extend(tokens(settings));
    if open.is_empty() {
        let seen = format!("{}, for their owner and group alone", counted(seen, "file"));
        return Outcome::of(findings, seen);
    }
    findings.push(unguarded(&open));
    Outcome::Found(findings)
}

fn unguarded(open: &[(PathBuf, u32)]) -> Finding {
    let paths: Vec<_> = open
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    let finding = Finding::new(
        Check::KeyFiles,
        Severity::Warning,
        "others on this machine may read or change secrets",
    );
    open.iter()
        .fold(finding, |finding, (path, mode)| {
            finding.told(
                path.display().to_string(),
                "its mode",
                format!("{mode:04o}"),
            )
        })
        .remedy(format!(
            "chgrp pilotage {0} && chmod 640 {0}, and write the new mode into what renews them",
            paths.join(" ")
        ))
}

/// The keys that seal upload addresses, if they cannot be used.
fn sealing(settings: &Settings) -> Option<Finding> {
    let path = settings.affinity.key_file.as_ref()?;
    let read = std::fs::read_to_string(path).map_err(|error| error.to_string());
    let why = read
        .and_then(|text| parse_keys(&text).map_err(|error| error.to_string()))
        .err()?;
    let what = "the keys that seal upload addresses cannot be used";
    let finding = Finding::new(Check::KeyFiles, Severity::Error, what)
        .told(path.display().to_string(), "[affinity] key_file", why)
        .remedy(
            "openssl rand -base64 32 makes a key: write it into that file, one on a line and the newest first, the same \
             on every instance, readable for the user that pilotage runs as",
        );
    Some(finding)
}

/// The tokens of those who may ask and tell the running pilotage, if they cannot be used.
fn tokens(settings: &Settings) -> Option<Finding> {
    let path = settings.admin.token_file.as_ref()?;
    let why = match guarding(&settings.admin).err()? {
        TokenFileError::Unreadable { reason, .. } => reason,
        TokenFileError::Bad { reason, .. } => reason.to_string(),
    };
    let what =
        "the tokens of the admin listener cannot be used: no start and no reload takes this file";
    let finding = Finding::new(Check::KeyFiles, Severity::Error, what)
        .told(path.display().to_string(), "[admin] token_file", why)
        .remedy(
            "write one NAME:TOKEN on a line into that file, readable for the user that pilotage runs as; openssl rand \
             -hex 32 makes a token",
        );
    Some(finding)
}

fn secrets(settings: &Settings) -> Vec<PathBuf> {
    let keys = settings.certificates.files.iter();
    let mut all: Vec<_> = keys.map(|pair| pair.key_file.clone()).collect();
    let admin = settings.admin.tls.as_ref();
    all.extend(admin.map(|tls| tls.certificate.key_file.clone()));
    all.extend(settings.admin.token_file.clone());
    let sealing = settings.affinity.key_file.clone();
    all.push(sealing.unwrap_or_else(|| settings.state_folder.join("affinity.key")));
    if let Some(shared) = &settings.shared {
        all.extend(shared.password_file.clone());
        all.extend(shared.sentinel_password_file.clone());
        all.extend(
            shared
                .certificate
                .as_ref()
                .map(|pair| pair.key_file.clone()),
        );
        if let Place::InFile(path) = &shared.place {
            all.push(path.clone());
        }
    }
    let tracing = settings.tracing.as_ref();
    all.extend(tracing.and_then(|tracing| tracing.headers_file.clone()));
    all
}

/// Whether the spool can do its work.
pub(super) async fn spool(settings: &Settings) -> Outcome {
    let folder = settings.spool.folder.clone();
    let allowed = Allowed {
        upload_limit: settings.spool.upload_limit,
        disk_share: settings.spool.disk_share,
    };
    let looking = spawn_blocking(move || look(&folder));
    if let Ok(Ok(ground)) = timeout(PATIENCE, looking).await {
        return judged(&ground, allowed);
    }
    let folder = settings.spool.folder.display().to_string();
    let what = "the disk of the spool does not answer";
    Finding::new(Check::Spool, Severity::Error, what)
        .told(folder, "32 MiB, written through", "not done in time")
        .remedy("look at the disk (dmesg, mount), or give [spool] folder on another one")
        .into()
}

fn look(folder: &Path) -> Ground {
    // pilotage makes the folder when it starts; nothing is made here.
    let present = folder.ancestors().find(|path| path.is_dir());
    let present = present.unwrap_or(Path::new("/"));
    let kind = rustix::fs::statfs(present).map_or(0, |facts| i128::from(facts.f_type));
    Ground {
        folder: folder.display().to_string(),
        kind: if MEMORY.contains(&kind) {
            FileSystem::Memory
        } else {
            FileSystem::Disk
        },
        disk: disk_of(present),
        speed: best(present).map_err(|error| format!("{}: {error}", present.display())),
    }
}

/// The best of a few tries: a disk that is busy at the moment is not slow.
fn best(folder: &Path) -> std::io::Result<u64> {
    let mut best = write(folder)?;
    for _ in 0..2 {
        if best < SLOW {
            best = best.max(write(folder)?);
        }
    }
    Ok(best)
}

/// Bytes a second, all the way to the disk. The file has no name and is gone at the end.
fn write(folder: &Path) -> std::io::Result<u64> {
    let mut file = tempfile::tempfile_in(folder)?;
    let piece = vec![0x5a; PIECE];
    let begun = Instant::now();
    for _ in 0..PIECES {
        file.write_all(&piece)?;
    }
    file.sync_data()?;
    let micros = begun.elapsed().as_micros().max(1);
    let bytes = u128::try_from(PIECE * PIECES).unwrap_or(u128::MAX);
    Ok(u64::try_from(bytes * 1_000_000 / micros).unwrap_or(u64::MAX))
}

/// Others may read, or others or the group may write.
const OTHERS: u32 = 0o026;
/// How tmpfs and ramfs call themselves.
const MEMORY: [i128; 2] = [0x0102_1994, 0x8584_58f6];
const PIECE: usize = 1 << 20;
const PIECES: usize = 32;
/// A disk that takes longer for 32 MiB is no help.
const PATIENCE: Duration = Duration::from_secs(20);
