//! What may not stand in `[guard]`.

use super::*;
use crate::guard::settings::{Allowance, LoginGuarding, Rate, Tokens};

#[test]
fn limits_that_cannot_work_are_refused() {
    each_is_refused(&[
        (
            "[guard]\nlogin_failures = 1",
            "line 10: guard.login_failures: 1 is out of bounds; write a number from 2 to 1000000",
        ),
        (
            "[guard]\nlogin_longest_pause = \"1s\"",
            "line 10: guard.login_longest_pause: login_longest_pause, 1s, is shorter than login_pause, 5s; \
             write a longer login_longest_pause",
        ),
        (
            "[guard]\nlogin_pause = \"1h\"",
            "line 10: guard.login_pause: login_longest_pause, 15m, is shorter than login_pause, 1h; \
             write a longer login_longest_pause",
        ),
        (
            "[guard]\nbytes_per_client = \"1KiB\"",
            "line 10: guard.bytes_per_client: \"1KiB\" is too little for transfers to go on; \
             write \"64KiB\" or more, or \"0B\" for no limit",
        ),
        (
            "[guard]\nlogin_trust = \"0s\"",
            "line 10: guard.login_trust: is zero; write a longer time, such as \"30s\"",
        ),
        (
            "[guard]\ntransfer_lease = \"1s\"",
            "line 10: guard.transfer_lease: \"1s\" is too short to be confirmed in time; write \"4s\" or more",
        ),
    ]);
}

#[test]
fn logins_are_guarded_and_nothing_else_is_limited_unless_said() {
    let guard = load(MINIMAL).unwrap().guard;
    assert_eq!(guard.guarding, LoginGuarding::On);
    assert_eq!(guard.tokens, Tokens::EachItsOwn);
    assert_eq!(
        (guard.client, guard.account),
        (Allowance::default(), Allowance::default())
    );
}

#[test]
fn a_rate_has_a_burst_of_its_time() {
    let lines = "[guard]\nrequests_per_client = 5\nrequest_burst = \"3s\"\nbytes_per_account = \"1MiB\"\n\
                 transfers_per_account = 7\nlogin_guard = false\ntoken_sharing = true\n";
    let guard = load(&format!("{MINIMAL}{lines}")).unwrap().guard;
    let requests = Rate {
        per_second: 5,
        burst: 15,
    };
    let bytes = Rate {
        per_second: 1 << 20,
        burst: 1 << 20,
    };
    let (client, account) = (guard.client, guard.account);
    assert_eq!(
        (client.requests, client.transfers, client.bytes),
        (Some(requests), None, None)
    );
    assert_eq!(
        (account.requests, account.transfers, account.bytes),
        (None, Some(7), Some(bytes))
    );
    assert_eq!(
        (guard.guarding, guard.tokens),
        (LoginGuarding::Off, Tokens::Shared)
    );
}
