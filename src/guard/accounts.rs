//! Whose a token is: noted when a node issues it, so that nobody can spend another's share by a forged one.

use std::time::{Duration, Instant};

use super::table::Table;
use super::who::Mark;

/// Accounts by the marks of their tokens.
#[derive(Debug)]
pub struct Accounts(Table<Option<Entry>>);

/// Whose a token is, and until when that is so.
#[derive(Debug, Clone, Copy)]
struct Entry {
    owner: Owner,
    until: Instant,
}

/// Whose a token is, as far as anybody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Account(Mark),
    /// Not long ago no instance knew.
    Nobody,
    /// Others have not been asked.
    Unknown,
}

impl Default for Accounts {
    fn default() -> Self {
        Self(Table::new(ENTRIES))
    }
}

impl Accounts {
    /// A node issued this token to this account; it is good until then.
    pub fn note(&self, token: Mark, account: Mark, until: Instant) {
        let owner = Owner::Account(account);
        self.0
            .change(token, |entry| *entry = Some(Entry { owner, until }));
    }

    /// What other instances answered when they were asked.
    pub fn learn(&self, token: Mark, account: Option<Mark>, now: Instant) {
        let owner = account.map_or(Owner::Nobody, Owner::Account);
        let until = now + MEMORY;
        self.0
            .change(token, |entry| *entry = Some(Entry { owner, until }));
    }

    /// Whose token it is.
    pub fn find(&self, token: Mark, now: Instant) -> Owner {
        let found = self.0.look(token, |entry| *entry).flatten();
        found
            .filter(|entry| now < entry.until)
            .map_or(Owner::Unknown, |entry| entry.owner)
    }
}

/// How long the word of others counts.
const MEMORY: Duration = Duration::from_mins(1);
/// Clients ask for one for each repository.
const ENTRIES: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::super::who::tests::{anonymizer, tried};
    use super::*;

    #[test]
    fn a_token_belongs_to_its_account_as_long_as_it_is_good() {
        let now = tokio::time::Instant::now().into_std();
        let (accounts, token) = (Accounts::default(), anonymizer().secret(&[b"token"]));
        let account = tried("a", "b", "192.0.2.1").account;
        assert_eq!(accounts.find(token, now), Owner::Unknown);
        accounts.note(token, account, now + Duration::from_secs(10));
        assert_eq!(accounts.find(token, now), Owner::Account(account));
        let later = now + Duration::from_secs(10);
        assert_eq!(accounts.find(token, later), Owner::Unknown);
        accounts.learn(token, None, later);
        assert_eq!(accounts.find(token, later), Owner::Nobody);
        assert_eq!(accounts.find(token, later + MEMORY), Owner::Unknown);
        accounts.learn(token, Some(account), later);
        assert_eq!(accounts.find(token, later), Owner::Account(account));
    }
}
