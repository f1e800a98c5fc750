//! How Redis is reached: what is taken, and what is refused with which words.

use super::*;
use crate::affinity::settings::Place;

const KEYS: &str = "[affinity]\nkey_file = \"/etc/pilotage/affinity.key\"\n[redis]\n";

fn only(lines: &str) -> String {
    only_problem(&format!("{KEYS}{lines}"))
}

fn shared(lines: &str) -> Option<crate::affinity::settings::SharedSettings> {
    load(&format!("{MINIMAL}{KEYS}{lines}")).unwrap().shared
}

#[test]
fn nothing_is_shared_unless_a_place_is_written() {
    assert_eq!(shared(""), None);
    assert_eq!(load(MINIMAL).unwrap().shared, None);
    let settings = shared("url = \"redis://cache/3\"").unwrap();
    assert_eq!(settings.prefix, "pilotage");
    assert_eq!(settings.timeout, Duration::from_millis(50));
    let settings = shared("url_file = \"/run/redis-url\"\nusername = \"edge\"").unwrap();
    assert_eq!(settings.place, Place::InFile("/run/redis-url".into()));
    assert_eq!(settings.user.as_deref(), Some("edge"));
}

#[test]
fn a_password_is_refused_and_not_shown() {
    let problem = only("url = \"redis://bo:hunter2@cache\"");
    assert!(
        problem.starts_with("line 12: redis.url: holds a password"),
        "{problem}"
    );
    assert!(!problem.contains("hunter2"));
    let problem = only("password = \"hunter2\"");
    assert!(problem.contains("password_file"), "{problem}");
    assert!(!problem.contains("hunter2"));
    let problem = only("url = \"http://bo:hunter2@cache\"");
    assert!(problem.contains("none of the schemes"), "{problem}");
    assert!(!problem.contains("hunter2"));
}

#[test]
fn what_cannot_be_used_together_is_refused() {
    for (lines, expected) in [
        (
            "url = \"redis://a\"\nurl_file = \"/url\"",
            "line 13: redis.url_file: is written beside url; keep one of the two",
        ),
        (
            "url = \"rediss://a\"\nchain_file = \"/c.pem\"",
            "line 13: redis.chain_file: stands alone; write key_file as well",
        ),
        (
            "url = \"redis://a\"\nca_file = \"/ca.pem\"",
            "line 12: redis.url: is not spoken to over TLS, and has certificates; \
             write the url with rediss instead of redis",
        ),
        (
            "url = \"redis://a\"\ntimeout = \"2s\"",
            "line 13: redis.timeout: \"2s\" is too long; \
             write \"1s\" or less: requests wait for it when redis is slow",
        ),
        (
            "url = \"redis://a\"\nprefix = \"a b\"",
            "line 13: redis.prefix: \"a b\" cannot begin every key; \
             write 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.', ':', '{' and '}'",
        ),
    ] {
        assert_eq!(only(lines), expected);
    }
    assert_eq!(
        only_problem("[redis]\nurl = \"redis://a\""),
        "line 10: redis.url: is of no use to instances that do not share their keys; \
         write [affinity] key_file and give every instance the same file"
    );
}
