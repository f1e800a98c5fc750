//! Wrong credentials, counted: who has to pause before the next try.
//!
//! A guess is a credential that was not tried before, so that a job with an outdated password, which repeats one
//! wrong credential for ever, pauses itself and nobody else. Guesses are counted on three levels:
//!
//! * of one account by one client (a *pair*): the level that guessing meets first;
//! * by one client, for those who try many accounts. Pairs that are proven are not held up by it: what one
//!   machine behind a common address does must not stop the builds of all others;
//! * of one account, for those who try from many addresses. It holds up only clients where the account is not
//!   proven, and never for long: the account's owner may come from a new place.
//!
//! Beyond the number that is allowed, each further failure doubles the pause. A success ends nothing: otherwise a
//! robot that logs in every minute would give whoever shares its address new tries every minute.
//!
//! The guard is told nothing of whether an account exists, so nobody can learn it here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::outcome::Outcome;
use super::settings::LoginSettings;
use super::table::Table;
use super::who::{Mark, Try};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// One credential, again and again.
    Credential,
    /// One account by one client.
    Pair,
    /// One client, whatever the account.
    Client,
    /// One account, whoever tries.
    Account,
}

/// Whether a try may go to a node.
#[derive(Debug)]
pub enum Verdict {
    /// It may. What is returned counts the try as undecided and is dropped when that has ended.
    Pass(Undecided),
    /// It may not, for this time.
    Pause(Level, Duration),
}

/// What all instances together know about a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What is left of the pause of each level, in their order.
    pub pauses: [Duration; 4],
    /// Failures of the pair.
    pub failures: u32,
    /// Whether the pair is proven.
    pub proven: bool,
    /// How long the credential is still proven.
    pub credential_proven: Duration,
}

/// A pause that has just begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Began {
    pub level: Level,
    pub length: Duration,
    pub failures: u32,
}

/// The counts of one balancer.
#[derive(Debug)]
pub struct LoginGuard {
    counts: Table<Count>,
    /// Until when a pair or a credential is proven. Apart from the counts, so that no flood of guesses can drive
    /// it out.
    proven: Table<Option<Instant>>,
    undecided: Arc<Mutex<HashMap<Mark, Vec<Mark>>>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    failures: u32,
    last: Option<Instant>,
    until: Option<Instant>,
}

/// A try whose outcome is not known yet.
#[derive(Debug)]
pub struct Undecided {
    pair: Mark,
    credential: Mark,
    all: Arc<Mutex<HashMap<Mark, Vec<Mark>>>>,
}

impl Default for LoginGuard {
    fn default() -> Self {
        Self {
            counts: Table::new(ENTRIES),
            proven: Table::new(ENTRIES),
            undecided: Arc::default(),
        }
    }
}

impl LoginGuard {
    /// Whether this try may go to a node now, by what this instance knows and what all of them do.
    pub fn ask(
        &self,
        tried: &Try,
        known: Option<&Known>,
        settings: &LoginSettings,
        now: Instant,
    ) -> Verdict {
        let elsewhere = known.map_or([Duration::ZERO; 4], |known| known.pauses);
        let pauses = levels(tried).into_iter().zip(elsewhere);
        let pauses = pauses.filter_map(|((level, mark), elsewhere)| {
            let until = self.count(mark, settings, now).until;
            let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
            let left = left.max(elsewhere);
            (!left.is_zero()).then_some((level, left))
        });
        let proven = known.is_some_and(|known| known.proven) || self.is_proven(tried.pair, now);
        let longest = pauses
            .filter(|(level, _)| binds(*level) == Binds::All || !proven)
            .max_by_key(|(_, left)| *left);
        if let Some((level, left)) = longest {
            return Verdict::Pause(level, left);
        }
        let failures = self.count(tried.pair, settings, now).failures;
        let failures = failures.max(known.map_or(0, |known| known.failures));
        self.enter(tried, settings.failures.saturating_sub(failures).max(1))
    }

    /// Whether these credentials were right at this client not long ago.
    pub fn is_proven(&self, mark: Mark, now: Instant) -> bool {
        let until = self.proven.look(mark, |until| *until);
        until.flatten().is_some_and(|until| now < until)
    }

    /// Notes what came of a try; tells which pauses begin.
    pub fn settle(
        &self,
        tried: &Try,
        outcome: Outcome,
        settings: &LoginSettings,
        now: Instant,
    ) -> Vec<Began> {
        match outcome {
            Outcome::Unclear => Vec::new(),
            Outcome::Right => {
                for mark in [tried.pair, tried.credential] {
                    self.proven
                        .change(mark, |until| *until = Some(now + settings.trust));
                }
                Vec::new()
            }
            // It was right not long ago: no guess, and perhaps the node is wrong.
            Outcome::Wrong if self.is_proven(tried.credential, now) => Vec::new(),
            Outcome::Wrong => self.fail(tried, settings, now),
        }
    }

    fn fail(&self, tried: &Try, settings: &LoginSettings, now: Instant) -> Vec<Began> {
        let is_guess = self.count(tried.credential, settings, now).failures == 0;
        let counted = levels(tried)
            .into_iter()
            .filter(|(level, _)| is_guess || *level == Level::Credential);
        counted
            .filter_map(|(level, mark)| {
                self.counts.change(mark, |count| {
                    let failures = count.at(settings, now).failures.saturating_add(1);
                    let pause = pause(level, failures, settings);
                    *count = Count {
                        failures,
                        last: Some(now),
                        until: pause.map(|pause| now + pause),
                    };
                    pause.map(|length| Began {
                        level,
                        length,
                        failures,
                    })
                })
            })
            .collect()
    }

    /// Takes a place among the guesses of a pair whose outcome is not known yet: many at one time must not be more
    /// than one after the other.
    fn enter(&self, tried: &Try, allowed: u32) -> Verdict {
        let mut undecided = self
            .undecided
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let running = undecided.entry(tried.pair).or_default();
        let mut others: Vec<Mark> = running.clone();
        others.retain(|mark| *mark != tried.credential);
        others.sort_unstable();
        others.dedup();
        let others = u32::try_from(others.len()).unwrap_or(u32::MAX);
        if others >= allowed {
            return Verdict::Pause(Level::Pair, CROWDED);
        }
        running.push(tried.credential);
        Verdict::Pass(Undecided {
            pair: tried.pair,
            credential: tried.credential,
            all: Arc::clone(&self.undecided),
        })
    }

    fn count(&self, mark: Mark, settings: &LoginSettings, now: Instant) -> Count {
        let count = self.counts.look(mark, |count| count.at(settings, now));
        count.unwrap_or_default()
    }
}

impl Count {
    /// What is left of it: failures are forgotten some time after the last one and its pause.
    fn at(self, settings: &LoginSettings, now: Instant) -> Self {
        let rests = self.last.max(self.until);
        let old = rests.is_none_or(|since| now.saturating_duration_since(since) >= settings.memory);
        if old { Self::default() } else { self }
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = all.get_mut(&self.pair) {
            if let Some(at) = running.iter().position(|mark| *mark == self.credential) {
                running.swap_remove(at);
            }
            if running.is_empty() {
                all.remove(&self.pair);
            }
        }
    }
}

/// Whom the pause of a level holds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binds {
    All,
    /// Only pairs that are not proven.
    Strangers,
}

fn binds(level: Level) -> Binds {
    match level {
        Level::Credential | Level::Pair => Binds::All,
        Level::Client | Level::Account => Binds::Strangers,
    }
}

/// Every level with the mark that is counted there.
pub fn levels(tried: &Try) -> [(Level, Mark); 4] {
    [
        (Level::Credential, tried.credential),
        (Level::Pair, tried.pair),
        (Level::Client, tried.client),
        (Level::Account, tried.account),
    ]
}

/// How many failures a level allows, and its longest pause.
pub fn bounds(level: Level, settings: &LoginSettings) -> (u32, Duration) {
    let longest = settings.longest_pause;
    match level {
        Level::Credential => (settings.failures.saturating_mul(REPEATS), longest),
        Level::Pair => (settings.failures, longest),
        Level::Client => (settings.client_failures, longest),
        Level::Account => (settings.account_failures, longest.min(ACCOUNT_PAUSE)),
    }
}

/// The pause after so many failures, if they are too many.
fn pause(level: Level, failures: u32, settings: &LoginSettings) -> Option<Duration> {
    let (allowed, longest) = bounds(level, settings);
    let beyond = failures.checked_sub(allowed)?;
    let factor = 2_u32.checked_pow(beyond).unwrap_or(u32::MAX);
    Some(settings.pause.saturating_mul(factor).min(longest))
}

/// How much more often than guesses one wrong credential may come: containerd sends it several times for each
/// layer of an image.
const REPEATS: u32 = 10;
/// The longest pause that is due to others: whoever uses an account from a new place gets in between.
const ACCOUNT_PAUSE: Duration = Duration::from_secs(30);
/// How soon somebody may come back whose other tries are still undecided.
const CROWDED: Duration = Duration::from_secs(1);
/// A quarter of it are guesses, for each makes four entries.
const ENTRIES: usize = 131_072;

#[cfg(test)]
mod tests;
