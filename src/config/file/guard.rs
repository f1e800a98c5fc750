//! The mirror of what one client may ask.

use crate::config::kind::Switch;
use crate::config::table::{Raw, Table};

#[expect(clippy::struct_field_names, reason = "they are the names of the keys")]
#[derive(Debug)]
pub(in crate::config) struct Guard {
    pub(in crate::config) login_guard: Raw<Switch>,
    pub(in crate::config) login_failures: Raw<i64>,
    pub(in crate::config) login_failures_per_client: Raw<i64>,
    pub(in crate::config) login_failures_per_account: Raw<i64>,
    pub(in crate::config) login_pause: Raw<String>,
    pub(in crate::config) login_longest_pause: Raw<String>,
    pub(in crate::config) login_memory: Raw<String>,
    pub(in crate::config) login_trust: Raw<String>,
    pub(in crate::config) requests_per_client: Raw<i64>,
    pub(in crate::config) requests_per_account: Raw<i64>,
    pub(in crate::config) request_burst: Raw<String>,
    pub(in crate::config) transfers_per_client: Raw<i64>,
    pub(in crate::config) transfers_per_account: Raw<i64>,
    pub(in crate::config) transfer_lease: Raw<String>,
    pub(in crate::config) bytes_per_client: Raw<String>,
    pub(in crate::config) bytes_per_account: Raw<String>,
    pub(in crate::config) patience: Raw<String>,
    pub(in crate::config) token_sharing: Raw<Switch>,
}

impl Guard {
    pub(in crate::config) fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            login_guard: table.switch("login_guard", Switch::On),
            login_failures: table.integer("login_failures", 10),
            login_failures_per_client: table.integer("login_failures_per_client", 100),
            login_failures_per_account: table.integer("login_failures_per_account", 100),
            login_pause: table.text("login_pause", "5s"),
            login_longest_pause: table.text("login_longest_pause", "15m"),
            login_memory: table.text("login_memory", "15m"),
            login_trust: table.text("login_trust", "7d"),
            requests_per_client: table.integer("requests_per_client", 0),
            requests_per_account: table.integer("requests_per_account", 0),
            request_burst: table.text("request_burst", "10s"),
            transfers_per_client: table.integer("transfers_per_client", 0),
            transfers_per_account: table.integer("transfers_per_account", 0),
            transfer_lease: table.text("transfer_lease", "2m"),
            bytes_per_client: table.text("bytes_per_client", "0B"),
            bytes_per_account: table.text("bytes_per_account", "0B"),
            patience: table.text("patience", "10s"),
            token_sharing: table.switch("token_sharing", Switch::Off),
        }
    }
}
