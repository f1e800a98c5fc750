//! What one client may ask.

use std::time::Duration;

use crate::config::file::Guard;
use crate::config::kind::Switch;
use crate::config::problem::Problems;
use crate::config::table::Raw;
use crate::config::unit::print_duration;
use crate::guard::lease::Leases;
use crate::guard::settings::{
    Allowance, GuardSettings, LoginGuarding, LoginSettings, Rate, Tokens,
};

use super::value::{number, period, period_or_zero, size};

/// What clients and accounts may take, and what wrong credentials lead to.
pub(super) fn guard(problems: &mut Problems, raw: &Guard) -> Option<GuardSettings> {
    let login = login(problems, raw);
    let burst = period(problems, &raw.request_burst);
    let patience = period_or_zero(problems, &raw.patience);
    let lease = lease(problems, &raw.transfer_lease);
    let client = allowance(
        problems,
        (
            &raw.requests_per_client,
            &raw.transfers_per_client,
            &raw.bytes_per_client,
        ),
        burst,
    );
    let account = allowance(
        problems,
        (
            &raw.requests_per_account,
            &raw.transfers_per_account,
            &raw.bytes_per_account,
        ),
        burst,
    );
    Some(GuardSettings {
        guarding: match raw.login_guard.value {
            Switch::On => LoginGuarding::On,
            Switch::Off => LoginGuarding::Off,
        },
        login: login?,
        client: client?,
        account: account?,
        patience: patience?,
        lease: lease?,
        tokens: match raw.token_sharing.value {
            Switch::On => Tokens::Shared,
            Switch::Off => Tokens::EachItsOwn,
        },
    })
}

fn lease(problems: &mut Problems, raw: &Raw<String>) -> Option<Duration> {
    let lease = period(problems, raw)?;
    if lease >= Leases::SHORTEST {
        return Some(lease);
    }
    let what = format!("{:?} is too short to be confirmed in time", raw.value);
    let least = print_duration(Leases::SHORTEST);
    problems.refuse(raw, what, format!("write {least:?} or more"))
}

fn login(problems: &mut Problems, raw: &Guard) -> Option<LoginSettings> {
    let counts = 1..=1_000_000;
    // With one, a single typing error would be a pause.
    let failures = number(problems, &raw.login_failures, 2..=1_000_000);
    let client_failures = number(problems, &raw.login_failures_per_client, counts.clone());
    let account_failures = number(problems, &raw.login_failures_per_account, counts);
    let pause = period(problems, &raw.login_pause);
    let longest_pause = longest(problems, raw, pause);
    let memory = period(problems, &raw.login_memory);
    let trust = period(problems, &raw.login_trust);
    Some(LoginSettings {
        failures: failures?,
        client_failures: client_failures?,
        account_failures: account_failures?,
        pause: pause?,
        longest_pause: longest_pause?,
        memory: memory?,
        trust: trust?,
    })
}

fn longest(problems: &mut Problems, raw: &Guard, first: Option<Duration>) -> Option<Duration> {
    let longest = period(problems, &raw.login_longest_pause)?;
    let first = first?;
    if longest >= first {
        return Some(longest);
    }
    let key = if raw.login_longest_pause.is_written() {
        &raw.login_longest_pause
    } else {
        &raw.login_pause
    };
    let (longest, first) = (print_duration(longest), print_duration(first));
    let what = format!("login_longest_pause, {longest}, is shorter than login_pause, {first}");
    problems.refuse(key, what, "write a longer login_longest_pause")
}

/// Zero stands for no limit.
fn allowance(
    problems: &mut Problems,
    (requests, transfers, bytes): (&Raw<i64>, &Raw<i64>, &Raw<String>),
    burst: Option<Duration>,
) -> Option<Allowance> {
    let requests: Option<u64> = number(problems, requests, 0..=1_000_000);
    let transfers: Option<u32> = number(problems, transfers, 0..=1_000_000);
    let bytes: Option<u64> = bytes_per_second(problems, bytes);
    let (requests, transfers, bytes, burst) = (requests?, transfers?, bytes?, burst?);
    let rate = |per_second: u64, burst: u64| (per_second > 0).then_some(Rate { per_second, burst });
    let at_once = u128::from(requests) * burst.as_millis() / 1_000;
    Some(Allowance {
        requests: rate(requests, u64::try_from(at_once).unwrap_or(u64::MAX).max(1)),
        transfers: (transfers > 0).then_some(transfers),
        // A second's worth: a client that has rested must not disturb the others.
        bytes: rate(bytes, bytes),
    })
}

/// A rate so low that one piece of a body takes seconds would look like a connection that hangs.
fn bytes_per_second(problems: &mut Problems, raw: &Raw<String>) -> Option<u64> {
    let bytes: u64 = size(problems, raw, 0..=1 << 50)?;
    if bytes == 0 || bytes >= LEAST_BYTES {
        return Some(bytes);
    }
    let what = format!("{:?} is too little for transfers to go on", raw.value);
    problems.refuse(raw, what, "write \"64KiB\" or more, or \"0B\" for no limit")
}

const LEAST_BYTES: u64 = 64 << 10;
