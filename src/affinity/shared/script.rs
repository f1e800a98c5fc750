//! A script that Redis runs for us, in one step of its own.

use ring::digest;

/// A Lua script with the name by which Redis keeps it.
///
/// It gets one key, as `KEYS[1]`, so that it runs in a cluster as well, and numbers, as `ARGV`. It answers with a
/// list of integers, and gives the key a time to live whenever it writes it.
#[derive(Debug)]
pub struct Script {
    text: &'static str,
    digest: String,
}

impl Script {
    /// A script of this text. Made once, and kept.
    pub fn new(text: &'static str) -> Self {
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
        let digest = hash.as_ref().iter().fold(String::new(), hex);
        Self { text, digest }
    }

    pub(super) fn text(&self) -> &str {
        self.text
    }

    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_its_sha1() {
        let script = Script::new("return 1");
        assert_eq!(script.digest(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
