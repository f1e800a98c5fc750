//! Each bad value, with the words it is refused with.

use super::*;

#[test]
fn text_that_is_no_toml_is_one_problem_with_its_line() {
    for (text, expected) in [
        (
            "a = 1\nthreads = 10s",
            "line 2: a text stands without quotes; put it in quotes, as \"30s\"",
        ),
        (
            "threads =\n",
            "line 1: a value is missing; write one, or take the line out",
        ),
        (
            "threads = 1\n\nthreads = 2",
            "line 3: threads is written twice; \
             keep one of them; a section that may repeat has two brackets, as [[node]]",
        ),
        (
            "[[node]\n",
            "line 1: this is not TOML: unclosed array table, expected `]`; \
             mend this line; what comes after it is checked then",
        ),
    ] {
        assert_eq!(problems(text), [expected]);
    }
}

#[test]
fn a_value_of_the_wrong_kind_shows_the_right_one() {
    each_is_refused(&[
        (
            "weight = \"100\"",
            "line 9: node[1].weight: is a text; write weight = 100",
        ),
        (
            "weight = 1.5",
            "line 9: node[1].weight: is a number with a fraction; write weight = 100",
        ),
        (
            "weight = 99999999999999999999",
            "line 9: node[1].weight: is too large; write weight = 100",
        ),
        (
            "drain = \"no\"",
            "line 9: node[1].drain: is a text; write drain = false",
        ),
        (
            "names = \"x\"",
            "line 9: node[1].names: is a text; write names = [\"harbor-1.internal\"]",
        ),
        (
            "names = [\"x\", 1]",
            "line 9: node[1].names[2]: is a number; write names = [\"harbor-1.internal\"]",
        ),
        (
            "[upstream]\nread_timeout = 30",
            "line 10: upstream.read_timeout: is a number; write read_timeout = \"15s\"",
        ),
        ("[[health]]", "line 9: health: is a list; write [health]"),
        (
            "[listener]\naddress = \"[::]:1\"",
            "line 9: listener: is a table; write [[listener]]",
        ),
        (
            "[admin]\naddress = 1979-05-27",
            "line 10: admin.address: is a date; write address = \"127.0.0.1:9090\"",
        ),
    ]);
    assert_eq!(problems("node = [1]\npublic = 3\ntls = true").len(), 3);
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest() {
    each_is_refused(&[
        (
            "wieght = 5",
            "line 9: node[1].wieght: is not a known key; write weight",
        ),
        (
            "Weight = 5",
            "line 9: node[1].Weight: is not a known key; write weight",
        ),
        (
            "ca-file = \"/x\"",
            "line 9: node[1].ca-file: is not a known key; write ca_file",
        ),
        ("[limit]", "line 9: limit: is not a known key; write limits"),
        (
            "[health]\ninterval_ms = 5",
            "line 10: health.interval_ms: is not a known key; write interval",
        ),
        (
            "[log]\n\"a b\" = 1",
            "line 10: log.\"a b\": is not a known key; \
             take it out; the keys here are format, level, queue, file",
        ),
    ]);
}

#[test]
fn an_old_key_explains_itself_and_is_not_missed() {
    assert_eq!(
        with_line(2, "name = \"registry.example.com\""),
        ["line 2: public.name: is written names, a list; write names = [\"registry.example.com\"]"]
    );
    assert_eq!(
        with_line(6, "[[nodes]]"),
        ["line 6: nodes: is written node; write [[node]] for each of them"]
    );
    assert_eq!(
        with_line(5, "key = \"-----BEGIN PRIVATE KEY-----\""),
        [
            "line 5: tls.certificate[1].key: is a secret, and this file holds none; \
          put the key into a file and write key_file = \"/etc/pilotage/tls/key.pem\""
        ]
    );
    each_is_refused(&[(
        "[affinity]\nkey = \"c2VjcmV0\"",
        "line 10: affinity.key: is a secret, and this file holds none; \
         put the key into a file and write key_file = \"/etc/pilotage/affinity.key\"",
    )]);
}

#[test]
fn paths_do_not_depend_on_the_folder_we_start_in() {
    let relative = "depends on the folder pilotage is started in; write a path that starts with /";
    assert_eq!(
        problems(&format!("state_folder = \"state\"\n{MINIMAL}")),
        [format!("line 1: state_folder: \"state\" {relative}")]
    );
    assert_eq!(
        with_line(4, "chain_file = \"chain.pem\""),
        [format!(
            "line 4: tls.certificate[1].chain_file: \"chain.pem\" {relative}"
        )]
    );
    let pem = "key_file = \"-----BEGIN PRIVATE KEY-----\"";
    assert_eq!(
        with_line(5, pem),
        ["line 5: tls.certificate[1].key_file: is no path; write a path that starts with /"]
    );
    assert_eq!(
        with_line(5, "key_file = \"\""),
        ["line 5: tls.certificate[1].key_file: is empty; write a path that starts with /"]
    );
}

#[test]
fn numbers_times_and_sizes_have_bounds() {
    each_is_refused(&[
        (
            "[limits]\nidle_timeout = \"0s\"",
            "line 10: limits.idle_timeout: is zero; write a longer time, such as \"30s\"",
        ),
        (
            "[upstream]\nread_timeout = \"30\"",
            "line 10: upstream.read_timeout: \"30\" has no unit; \
             write a whole number and a unit, such as \"30s\"",
        ),
        (
            "[upstream]\nread_timeout = \"400d\"",
            "line 10: upstream.read_timeout: \"400d\" is too long; write \"365d\" or less",
        ),
        (
            "[limits]\nconnections = 0",
            "line 10: limits.connections: 0 is out of bounds; write a number from 1 to 10000000",
        ),
        (
            "[limits]\nheader_size = \"1KiB\"",
            "line 10: limits.header_size: \"1KiB\" is out of bounds; \
             write a size from \"4KiB\" to \"512KiB\"",
        ),
        (
            "[limits]\nheader_size = \"1MiB\"",
            "line 10: limits.header_size: \"1MiB\" is out of bounds; \
             write a size from \"4KiB\" to \"512KiB\"",
        ),
        (
            "[limits]\nh2_window = \"32KiB\"",
            "line 10: limits.h2_window: \"32KiB\" is out of bounds; \
             write a size from \"64KiB\" to \"2147483647B\"",
        ),
        (
            "[limits]\nh2_window = \"2GiB\"",
            "line 10: limits.h2_window: \"2GiB\" is out of bounds; \
             write a size from \"64KiB\" to \"2147483647B\"",
        ),
        (
            "[limits]\nh2_window_total = \"1MiB\"",
            "line 10: limits.h2_window_total: h2_window_total, 1MiB, is less than one h2_window, \
             4MiB; write a larger h2_window_total",
        ),
        (
            "[limits]\nh2_window = \"1025MiB\"",
            "line 10: limits.h2_window: h2_window_total, 1GiB, is less than one h2_window, \
             1025MiB; write a larger h2_window_total",
        ),
        (
            "[health]\nup_after = 0",
            "line 10: health.up_after: 0 is out of bounds; write a number from 1 to 1000",
        ),
        (
            "[retry]\nbudget_percent = 101",
            "line 10: retry.budget_percent: 101 is out of bounds; write a number from 0 to 100",
        ),
        (
            "[retry]\nattempts = -1",
            "line 10: retry.attempts: -1 is out of bounds; write a number from 1 to 100",
        ),
    ]);
}

#[test]
fn words_are_those_that_are_known() {
    let level = "write off, error, warn, info, debug or trace, or such as \"info,pilotage=debug\"";
    for (text, wrong) in [
        ("inof", "inof"),
        ("", ""),
        ("info,", ""),
        ("INFO", "INFO"),
        ("info,x=loud", "x=loud"),
    ] {
        let expected = format!("line 10: log.level: {wrong:?} is not a level; {level}");
        assert_eq!(
            only_problem(&format!("[log]\nlevel = \"{text}\"")),
            expected
        );
    }
    each_is_refused(&[
        (
            "[takeover]\nverify = \"on\"",
            "line 10: takeover.verify: \"on\" is not one of its values; write \"off\" or \"resumed\"",
        ),
        (
            "[spool]\nwhen_full = \"refuse\"",
            "line 10: spool.when_full: \"refuse\" is not one of its values; \
             write \"unprotected\" or \"wait\"",
        ),
        (
            "[log]\nformat = \"xml\"",
            "line 10: log.format: \"xml\" is not one of its values; write \"json\" or \"text\"",
        ),
        (
            "[health]\nprobe = \"healthz\"",
            "line 10: health.probe: \"healthz\" is no kind of probe; \
             write \"harbor\", \"registry\", or a path such as \"/healthz\"",
        ),
        (
            "[health]\nprobe = \"/a b\"",
            "line 10: health.probe: \"/a b\" cannot be sent as a path; \
             write it without spaces, and other bytes as %20",
        ),
    ]);
}
