//! What is measured, and how long.

use std::path::PathBuf;
use std::time::Duration;

use super::system::System;

/// The size of a run, as environment and command line say.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Bytes that one measurement of transfers carries, over all its streams.
    pub(crate) blob: u64,
    pub(crate) rounds: usize,
    /// How long one measurement of small requests goes on.
    pub(crate) time: Duration,
    pub(crate) systems: Vec<System>,
    /// The built binary that is measured.
    pub(crate) binary: PathBuf,
    words: Vec<String>,
}

impl Plan {
    pub(crate) fn new(words: impl Iterator<Item = String>) -> Self {
        let named = std::env::var("PILOTAGE_BENCH_SYSTEMS").unwrap_or_default();
        let systems: Vec<System> = System::ALL
            .into_iter()
            .filter(|system| named.is_empty() || named.contains(system.as_str()))
            .collect();
        let binary = std::env::var_os("PILOTAGE_BENCH_BINARY");
        Self {
            blob: number("PILOTAGE_BENCH_BLOB_MIB", 256).max(1) * MIB,
            rounds: usize::try_from(number("PILOTAGE_BENCH_ROUNDS", 3).clamp(1, 99)).unwrap(),
            time: Duration::from_secs(number("PILOTAGE_BENCH_SECONDS", 2).clamp(1, 60)),
            systems,
            binary: binary.map_or_else(|| env!("CARGO_BIN_EXE_pilotage").into(), PathBuf::from),
            words: words.filter(|word| !word.starts_with('-')).collect(),
        }
    }

    /// Whether this measurement was asked for; all are when none is named.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }
}

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Err(_) => default,
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")),
    }
}

pub(crate) const MIB: u64 = 1024 * 1024;
/// What is measured runs here, alone.
pub(crate) const PROXY_CORE: &str = "0";
/// The node and the load share this one.
pub(crate) const LOAD_CORE: &str = "1";
/// Requests or handshakes of one measurement, however fast they are.
pub(crate) const MOST_REQUESTS: usize = 1_000_000;
/// Every closed connection keeps a port busy for a minute, and there are some twenty thousand.
pub(crate) const MOST_HANDSHAKES: usize = 4_000;
