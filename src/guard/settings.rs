//! What the operator may set about how much one client may ask.

use std::time::Duration;

/// What clients and accounts may take, and what wrong credentials lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardSettings {
    pub guarding: LoginGuarding,
    pub login: LoginSettings,
    /// What one client may take.
    pub client: Allowance,
    /// What one account may take, wherever it is used.
    pub account: Allowance,
    /// How long a request waits for its turn before it is refused.
    pub patience: Duration,
    /// How long a transfer counts whose instance is not heard of any more.
    pub lease: Duration,
    pub tokens: Tokens,
}

/// Whether wrong credentials are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginGuarding {
    On,
    Off,
}

/// What one of them may take; none is as much as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    pub requests: Option<Rate>,
    /// Transfers of blobs at one time.
    pub transfers: Option<u32>,
    /// Bytes of bodies, both ways together.
    pub bytes: Option<Rate>,
}

/// So many a second in the long run, and so many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u64,
    pub burst: u64,
}

/// When wrong credentials lead to a pause, and how long that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginSettings {
    /// Wrong tries of one account by one client before the first pause.
    pub failures: u32,
    /// Wrong tries by one client, whatever the account.
    pub client_failures: u32,
    /// Wrong tries of one account, whoever tries.
    pub account_failures: u32,
    /// The first pause; each further failure doubles it.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long after the last failure all of them are forgotten.
    pub memory: Duration,
    /// How long a success makes its account known at its client.
    pub trust: Duration,
}

/// Whether equal requests for a token share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    Shared,
    EachItsOwn,
}
