//! The section about logins of browsers.

use crate::config::table::{Raw, Table};

use super::Texts;

#[derive(Debug)]
pub(in crate::config) struct Sessions {
    pub(in crate::config) mode: Raw<String>,
    pub(in crate::config) cookies: Texts,
    pub(in crate::config) lifetime: Raw<String>,
    pub(in crate::config) own_cookie: Raw<String>,
}

impl Sessions {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            mode: table.text("mode", "shared"),
            cookies: table.texts_or("cookies", &["sid", "beegosessionID"]),
            lifetime: table.text("lifetime", "1h"),
            own_cookie: table.text("own_cookie", ""),
        }
    }
}
