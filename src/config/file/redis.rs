//! Where several instances meet.

use crate::config::table::{Raw, Table};

#[derive(Debug)]
pub(in crate::config) struct Redis {
    pub(in crate::config) url: Raw<String>,
    pub(in crate::config) url_file: Raw<String>,
    pub(in crate::config) username: Raw<String>,
    pub(in crate::config) password_file: Raw<String>,
    pub(in crate::config) sentinel_password_file: Raw<String>,
    pub(in crate::config) ca_file: Raw<String>,
    pub(in crate::config) chain_file: Raw<String>,
    pub(in crate::config) key_file: Raw<String>,
    pub(in crate::config) prefix: Raw<String>,
    pub(in crate::config) timeout: Raw<String>,
}

impl Redis {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        let hint = "put it into a file and write password_file = \"/etc/pilotage/redis.password\"";
        table.gone("password", "password_file", super::NO_SECRETS, hint);
        Self {
            url: table.text("url", ""),
            url_file: table.text("url_file", ""),
            username: table.text("username", ""),
            password_file: table.text("password_file", ""),
            sentinel_password_file: table.text("sentinel_password_file", ""),
            ca_file: table.text("ca_file", ""),
            chain_file: table.text("chain_file", ""),
            key_file: table.text("key_file", ""),
            prefix: table.text("prefix", "pilotage"),
            timeout: table.text("timeout", "50ms"),
        }
    }
}
