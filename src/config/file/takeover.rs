//! `[takeover]` and `[spool]`: how transfers survive their node.

use crate::config::table::{Raw, Table};

#[derive(Debug)]
pub(in crate::config) struct Takeover {
    pub(in crate::config) verify: Raw<String>,
}

impl Takeover {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            verify: table.text("verify", "off"),
        }
    }
}

#[derive(Debug)]
pub(in crate::config) struct Spool {
    pub(in crate::config) folder: Raw<String>,
    pub(in crate::config) memory: Raw<String>,
    pub(in crate::config) upload_limit: Raw<String>,
    pub(in crate::config) total_limit: Raw<String>,
    pub(in crate::config) disk_share: Raw<i64>,
    pub(in crate::config) when_full: Raw<String>,
    pub(in crate::config) idle_timeout: Raw<String>,
}

impl Spool {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            folder: table.text("folder", ""),
            memory: table.text("memory", "256KiB"),
            upload_limit: table.text("upload_limit", "64GiB"),
            total_limit: table.text("total_limit", "256GiB"),
            disk_share: table.integer("disk_share", 85),
            when_full: table.text("when_full", "unprotected"),
            idle_timeout: table.text("idle_timeout", "30m"),
        }
    }
}
