//! `[upgrade]`: how another process comes after this one.

use crate::config::table::{Raw, Table};

#[derive(Debug)]
pub(in crate::config) struct Upgrade {
    pub(in crate::config) socket: Raw<String>,
    pub(in crate::config) grace_period: Raw<String>,
}

impl Upgrade {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            socket: table.text("socket", ""),
            grace_period: table.text("grace_period", "12h"),
        }
    }
}
