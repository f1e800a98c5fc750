//! What the system allows a process.

use rustix::process::{Resource, getrlimit};

use crate::config::Settings;

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};

/// Whether as many files may be open as the limits on connections need.
pub(super) fn descriptors(settings: &Settings) -> Outcome {
    let (whose, allowed) = running().unwrap_or_else(|| {
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

/// The limit of the pilotage that runs now, which counts more than that of a shell.
fn running() -> Option<(String, u64)> {
    let ours = std::fs::read_link("/proc/self/exe").ok()?;
    let entries = std::fs::read_dir("/proc").ok()?;
    let numbers = entries.flatten().filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some(number)
    });
    for number in numbers.filter(|number| *number != std::process::id()) {
        let folder = format!("/proc/{number}");
        let same = std::fs::read_link(format!("{folder}/exe")).is_ok_and(|exe| exe == ours);
        let line = std::fs::read(format!("{folder}/cmdline")).unwrap_or_default();
        let runs = line.split(|byte| *byte == 0).nth(1) == Some(b"run");
        if same && runs {
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

/// Listeners, logs, the admin pages, idle connections to nodes.
const RESERVE: u64 = 1024;
