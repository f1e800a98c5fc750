//! Who collects traces, and which.

use crate::config::table::{Raw, Table};

#[derive(Debug)]
pub(in crate::config) struct Tracing {
    pub(in crate::config) endpoint: Raw<String>,
    pub(in crate::config) headers_file: Raw<String>,
    pub(in crate::config) ca_file: Raw<String>,
    pub(in crate::config) sample_ratio: Raw<String>,
    pub(in crate::config) interval: Raw<String>,
    pub(in crate::config) timeout: Raw<String>,
    pub(in crate::config) queue: Raw<i64>,
}

impl Tracing {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        let hint = "put them into a file and write headers_file = \"/etc/pilotage/otlp.headers\"";
        table.gone("headers", "headers_file", super::NO_SECRETS, hint);
        Self {
            endpoint: table.text("endpoint", ""),
            headers_file: table.text("headers_file", ""),
            ca_file: table.text("ca_file", ""),
            sample_ratio: table.text("sample_ratio", "10%"),
            interval: table.text("interval", "5s"),
            timeout: table.text("timeout", "10s"),
            queue: table.integer("queue", 4_096),
        }
    }
}
