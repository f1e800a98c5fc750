//! What the system allows a process.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use crate::config::Settings;

use super::super::super::CONFIG_FILE;
use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};

/// Whether as many files may be open as the limits on connections need.
pub(super) fn descriptors(settings: &Settings, file: &Path) -> Outcome {
    let (whose, allowed) = running(file).unwrap_or_else(|| {
        let own = getrlimit(Resource::Nofile).current;
        (
            "a process of this shell".to_owned(),
            own.unwrap_or(u64::MAX),
        )
    });
    let connections = u64::try_from(settings.limits.connections).unwrap_or(u64::MAX);
    // Each client may have a connection to a node and a file of kept bytes at the same time.
    let needed = connections.saturating_mul(2).saturating_add(RESERVE);
    if allowed >= needed {
        return Outcome::passed(format!("{allowed} for {connections} connections"));
    }
    let what = "too few files may be open for [limits] connections";
    Finding::new(Check::Descriptors, Severity::Warning, what)
        .told(whose, "its limit of open files", allowed.to_string())
        .told("pilotage", "[limits] connections", connections.to_string())
        .remedy(format!(
            "set LimitNOFILE={} in the unit (systemctl edit pilotage), ulimits nofile in a container, or a smaller \
             number in [limits] connections",
            needed.next_power_of_two()
        ))
        .into()
}

/// The limit of the pilotage that runs now under this file, which counts more than that of a shell.
fn running(file: &Path) -> Option<(String, u64)> {
    let ours = std::fs::read_link("/proc/self/exe").ok()?;
    let file = std::fs::canonicalize(file).ok()?;
    let entries = std::fs::read_dir("/proc").ok()?;
    let numbers = entries.flatten().filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some(number)
    });
    for number in numbers.filter(|number| *number != std::process::id()) {
        let folder = format!("/proc/{number}");
        let same = std::fs::read_link(format!("{folder}/exe")).is_ok_and(|exe| exe == ours);
        let line = std::fs::read(format!("{folder}/cmdline")).unwrap_or_default();
        // Its own folder is where a name without a leading slash begins.
        let reads = configuration(&line).is_some_and(|named| {
            let named = Path::new(&format!("{folder}/cwd")).join(named);
            std::fs::canonicalize(named).is_ok_and(|named| named == file)
        });
        if same && reads {
            let limits = std::fs::read_to_string(format!("{folder}/limits")).ok()?;
            let line = limits
                .lines()
                .find_map(|line| line.strip_prefix("Max open files"))?;
            let soft = line.split_whitespace().next()?.parse().unwrap_or(u64::MAX);
            return Some((format!("pilotage, process {number}"), soft));
        }
    }
    None
}

/// The configuration that a command line has pilotage run with; none when it does something else.
fn configuration(line: &[u8]) -> Option<&Path> {
    let words = line.split(|byte| *byte == 0).map(OsStr::from_bytes);
    let mut words = words.skip(1);
    if words.next()? != "run" {
        return None;
    }
    while let Some(word) = words.next() {
        if word == "--config" {
            return words.next().map(Path::new);
        }
        if let Some(named) = word.as_bytes().strip_prefix(b"--config=") {
            return Some(Path::new(OsStr::from_bytes(named)));
        }
    }
    Some(Path::new(CONFIG_FILE))
}

/// Listeners, logs, the admin pages, idle connections to nodes.
const RESERVE: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn named(words: &[&str]) -> Option<String> {
        let line = words.join("\0");
        configuration(line.as_bytes()).map(|path| path.display().to_string())
    }

    #[test]
    fn the_configuration_of_a_process_is_read_off_its_command_line() {
        let usual = Some(CONFIG_FILE.to_owned());
        let some = Some("a b.toml".to_owned());
        assert_eq!(named(&["pilotage", "run"]), usual);
        assert_eq!(named(&["pilotage", "run", "--upgrade"]), usual);
        assert_eq!(named(&["pilotage", "run", "--config", "a b.toml"]), some);
        assert_eq!(
            named(&["pilotage", "run", "--upgrade", "--config=a b.toml"]),
            some
        );
        assert_eq!(named(&["pilotage", "doctor", "--config", "a b.toml"]), None);
        assert_eq!(named(&["pilotage"]), None);
        assert_eq!(named(&[""]), None);
    }
}
