//! How much one client may ask.
//!
//! A registry that is open to a network is asked too much by mistake (a loop in a build, a thousand jobs that start
//! at once) and on purpose (passwords that are tried one after the other). This room says who has to wait and how
//! long; the edge waits, or tells the client when to come back.
//!
//! [`login`] counts wrong credentials, [`rate`] requests and bytes by time, [`transfers`] what runs at one time,
//! and [`sharing`] lets equal requests for a token share one. [`credentials`] and [`outcome`] read what was tried
//! and what came of it; [`who`] turns clients and accounts into marks.
//!
//! [`shared`] and [`lease`] keep the same counts in Redis, for all
//! instances together.
//!
//! The room never keeps an account name, a password or an address, only marks: keyed hashes that mean nothing to
//! whoever has no key. Every table has a bound. It never asks whether an account exists, so it cannot tell, and
//! nobody is refused because of what others did who do not share his address with him.
//!
//! Its words: a *client* is an address (an IPv6 /64 counts as one); an *account* is a name that somebody claims;
//! a *pair* is an account at a client; a *try* is a request with credentials; a pair or a credential is *proven*
//! when a node took it not long ago.

pub mod accounts;
pub mod credentials;
pub mod lease;
pub mod login;
pub mod outcome;
pub mod rate;
pub mod settings;
pub mod shared;
pub mod sharing;
mod table;
pub mod transfers;
pub mod who;

use accounts::Accounts;
use lease::Leases;
use login::LoginGuard;
use rate::Buckets;
use shared::Scripts;
use sharing::Sharing;
use transfers::Transfers;

/// Everything that is counted, for the life of the process: a reload changes limits, not counts.
#[derive(Debug, Default)]
pub struct Guard {
    pub login: LoginGuard,
    pub accounts: Accounts,
    pub requests: Buckets,
    pub bytes: Buckets,
    pub transfers: Transfers,
    pub leases: Leases,
    pub tokens: Sharing,
    pub scripts: Scripts,
}
