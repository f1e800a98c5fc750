//! How much, how long, how often: limits, timers, probes, retries, affinity and the log.

use crate::affinity::settings::{AffinitySettings, Storage};
use crate::config::file;
use crate::config::kind::Switch;
use crate::config::problem::Problems;
use crate::config::table::Raw;
use crate::config::unit::print_size;
use crate::edge::settings::{Limits, Retry};
use crate::fleet::health;
use crate::observe::settings::{LogFormat, LogSettings};
use crate::upstream::settings::{ProbeKind, ProbeSettings, Timeouts};

use super::value::{choice, number, optional_path, period, period_or_zero, size};

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

/// What clients may take.
pub(super) fn limits(problems: &mut Problems, raw: &file::Limits) -> Option<Limits> {
    let connections = number(problems, &raw.connections, 1..=10_000_000);
    let connections_per_client = number(problems, &raw.connections_per_client, 1..=10_000_000);
    let handshake_timeout = period(problems, &raw.handshake_timeout);
    let header_timeout = period(problems, &raw.header_timeout);
    let idle_timeout = period(problems, &raw.idle_timeout);
    let client_timeout = period(problems, &raw.client_timeout);
    let connection_age = period(problems, &raw.connection_age);
    // Tokens of a large installation need some KiB; the parser itself takes no more than 1 MiB.
    let header_size = size(problems, &raw.header_size, 4 * KIB..=512 * KIB);
    let requests = number(
        problems,
        &raw.requests_per_connection,
        1..=i64::from(u32::MAX),
    );
    let h2_streams = number(problems, &raw.h2_streams, 1..=10_000);
    // The protocol starts with 64 KiB and counts windows in 31 bits.
    let h2_window = size::<u32>(problems, &raw.h2_window, 64 * KIB..=2 * GIB - 1);
    let h2_window_total = window_total(problems, raw, h2_window);
    Some(Limits {
        connections: connections?,
        connections_per_client: connections_per_client?,
        handshake_timeout: handshake_timeout?,
        header_timeout: header_timeout?,
        idle_timeout: idle_timeout?,
        client_timeout: client_timeout?,
        connection_age: connection_age?,
        header_size: header_size?,
        requests_per_connection: requests?,
        h2_streams: h2_streams?,
        h2_window: h2_window?,
        h2_window_total: h2_window_total?,
    })
}

fn window_total(problems: &mut Problems, raw: &file::Limits, window: Option<u32>) -> Option<u64> {
    let total: u64 = size(problems, &raw.h2_window_total, 64 * KIB..=1 << 50)?;
    let window = u64::from(window?);
    if total >= window {
        return Some(total);
    }
    // Only one of the two may be written: the problem stands where the operator can see it.
    let key = if raw.h2_window_total.is_written() {
        &raw.h2_window_total
    } else {
        &raw.h2_window
    };
    let (total, window) = (print_size(total), print_size(window));
    let what = format!("h2_window_total, {total}, is less than one h2_window, {window}");
    problems.refuse(key, what, "write a larger h2_window_total")
}

/// How long a node may take.
pub(super) fn timeouts(problems: &mut Problems, raw: &file::Upstream) -> Option<Timeouts> {
    let connect = period(problems, &raw.connect_timeout);
    let write = period(problems, &raw.write_timeout);
    let read = period(problems, &raw.read_timeout);
    let commit = period(problems, &raw.commit_timeout);
    let idle = period(problems, &raw.idle_timeout);
    Some(Timeouts {
        connect: connect?,
        write: write?,
        read: read?,
        commit: commit?,
        idle: idle?,
    })
}

/// How nodes are asked whether they are well.
pub(super) fn probe(problems: &mut Problems, raw: &file::Health) -> Option<ProbeSettings> {
    let kind = probe_kind(problems, &raw.probe);
    let interval = period(problems, &raw.interval);
    let timeout = period(problems, &raw.timeout);
    Some(ProbeSettings {
        kind: kind?,
        interval: interval?,
        timeout: timeout?,
    })
}

fn probe_kind(problems: &mut Problems, raw: &Raw<String>) -> Option<ProbeKind> {
    match raw.value.as_str() {
        "harbor" => Some(ProbeKind::Harbor),
        "registry" => Some(ProbeKind::Registry),
        path if path.starts_with('/') => {
            if path.chars().all(|c| c.is_ascii_graphic() && c != '#') {
                return Some(ProbeKind::Path(path.to_owned()));
            }
            let what = format!("{path:?} cannot be sent as a path");
            problems.refuse(raw, what, "write it without spaces, and other bytes as %20")
        }
        other => {
            let what = format!("{other:?} is no kind of probe");
            let hint = "write \"harbor\", \"registry\", or a path such as \"/healthz\"";
            problems.refuse(raw, what, hint)
        }
    }
}

/// What probes and passing requests mean for a node.
pub(super) fn health(problems: &mut Problems, raw: &file::Health) -> Option<health::Settings> {
    let up_after = number(problems, &raw.up_after, 1..=1_000);
    let down_after = number(problems, &raw.down_after, 1..=1_000);
    let passive_down_after = number(problems, &raw.passive_down_after, 1..=100_000);
    let passive_window = period(problems, &raw.passive_window);
    let slow_start = period_or_zero(problems, &raw.slow_start);
    Some(health::Settings {
        up_after: up_after?,
        down_after: down_after?,
        passive_down_after: passive_down_after?,
        passive_window: passive_window?,
        slow_start: slow_start?,
    })
}

/// How requests go on when a node fails, and wait when none has room.
pub(super) fn retry(
    problems: &mut Problems,
    raw: &file::Retry,
    placement: &file::Placement,
) -> Option<Retry> {
    let attempts = number(problems, &raw.attempts, 1..=100);
    let budget_percent = number(problems, &raw.budget_percent, 0..=100);
    let budget_minimum = number(problems, &raw.budget_minimum, 0..=1_000_000);
    let patience = period_or_zero(problems, &raw.patience);
    let queue_length = number(problems, &placement.queue_length, 0..=1_000_000);
    let queue_timeout = period(problems, &placement.queue_timeout);
    Some(Retry {
        attempts: attempts?,
        budget_percent: budget_percent?,
        budget_minimum: budget_minimum?,
        patience: patience?,
        queue_length: queue_length?,
        queue_timeout: queue_timeout?,
    })
}

/// What stays on one node, and how long.
pub(super) fn affinity(problems: &mut Problems, raw: &file::Affinity) -> Option<AffinitySettings> {
    let key_file = optional_path(problems, &raw.key_file);
    let upload_lifetime = period(problems, &raw.upload_lifetime);
    let recent_lifetime = period(problems, &raw.recent_lifetime);
    Some(AffinitySettings {
        key_file: key_file?,
        upload_lifetime: upload_lifetime?,
        recent_lifetime: recent_lifetime?,
        storage: match raw.shared_storage.value {
            Switch::On => Storage::Shared,
            Switch::Off => Storage::Apart,
        },
    })
}

/// How log lines are written.
pub(super) fn log(problems: &mut Problems, raw: &file::Log) -> Option<LogSettings> {
    let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
    let format = choice(problems, &raw.format, &formats);
    let level = log_level(problems, &raw.level);
    let queue = number(problems, &raw.queue, 1..=10_000_000);
    let file = optional_path(problems, &raw.file);
    Some(LogSettings {
        format: format?,
        level: level?,
        queue: queue?,
        file: file?,
    })
}

/// A filter of levels. The subscriber itself would take a misspelt level for the name of a
/// module and show everything of it, so words are checked here.
fn log_level(problems: &mut Problems, raw: &Raw<String>) -> Option<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let module = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let is_directive = |text: &str| match text.split_once('=') {
        Some((target, level)) => {
            !target.is_empty() && target.chars().all(module) && LEVELS.contains(&level)
        }
        None => LEVELS.contains(&text),
    };
    match raw.value.split(',').find(|text| !is_directive(text)) {
        None => Some(raw.value.clone()),
        Some(wrong) => {
            let hint = "write off, error, warn, info, debug or trace, \
                        or such as \"info,pilotage=debug\"";
            problems.refuse(raw, format!("{wrong:?} is not a level"), hint)
        }
    }
}
