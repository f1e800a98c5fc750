//! The same counts for all instances, kept in Redis.
//!
//! Two scripts decide there as [`super::login`] and [`super::rate`] decide here, by the clock of Redis. What belongs
//! together is asked at one time, so a decision takes one round trip. Without Redis everything goes on by what this
//! instance knows; it notes all that it learns itself, so that it does not begin with nothing.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};

use crate::affinity::shared::keys::Kind;
use crate::affinity::shared::script::Script;
use crate::affinity::shared::{Asked, Shared};

use super::login::{Began, Known, Level, bounds, levels};
use super::outcome::Outcome;
use super::rate::{Turn, time_of};
use super::settings::{LoginSettings, Rate};
use super::table::Table;
use super::who::{Mark, Payer, Try};

/// The scripts, made once.
#[derive(Debug)]
pub struct Scripts {
    login: Script,
    rate: Script,
    owner: Script,
    /// What was known of a proven credential a moment ago: a client that sends its password with every request
    /// need not be asked about each time.
    asked: Table<Option<(Known, Instant)>>,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            login: Script::new(include_str!("shared/login.lua")),
            rate: Script::new(include_str!("shared/rate.lua")),
            owner: Script::new(include_str!("shared/owner.lua")),
            asked: Table::new(ENTRIES),
        }
    }
}

/// What a script is to do with the failures of a level.
#[derive(Debug, Clone, Copy)]
enum Act {
    Look,
    Wrong,
    Right,
}

/// The answer of the login script, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Entry {
    pause: Duration,
    failures: u32,
    proven: Duration,
}

impl Scripts {
    /// What all instances know about a try. `None` when that cannot be known now.
    pub async fn ask(
        &self,
        shared: &Shared,
        tried: &Try,
        settings: &LoginSettings,
        now: Instant,
    ) -> Option<Known> {
        if !shared.is_up() {
            return None;
        }
        let asked = self.asked.look(tried.credential, |asked| *asked).flatten();
        if let Some((known, at)) = asked
            && now.saturating_duration_since(at) < MOMENT
        {
            return Some(known);
        }
        let asked = levels(tried)
            .map(|(level, mark)| self.login(shared, (level, mark), Act::Look, settings));
        let found = join_all(asked).await;
        let [credential, pair, client, account] = found.as_slice() else {
            return None;
        };
        let (credential, pair) = ((*credential)?, (*pair)?);
        let known = Known {
            pauses: [
                credential.pause,
                pair.pause,
                (*client)?.pause,
                (*account)?.pause,
            ],
            failures: pair.failures,
            proven: !pair.proven.is_zero(),
            credential_proven: credential.proven,
        };
        if known.proven && !credential.proven.is_zero() && known.pauses == [Duration::ZERO; 4] {
            self.asked
                .change(tried.credential, |asked| *asked = Some((known, now)));
        }
        Some(known)
    }

    /// Tells all instances what came of a try, and gives the pauses that begin for all of them. `known` is what they
    /// knew when it began. `None` when they cannot be told now.
    pub async fn tell(
        &self,
        shared: &Shared,
        (tried, known): (&Try, Option<&Known>),
        outcome: Outcome,
        settings: &LoginSettings,
    ) -> Option<Vec<Began>> {
        match outcome {
            Outcome::Unclear => None,
            Outcome::Wrong => self.fail(shared, tried, settings).await,
            Outcome::Right => {
                // A robot that comes every minute need not be noted every minute.
                let fresh = known.is_some_and(|one| one.credential_proven > trust(settings) / 2);
                if fresh || !shared.is_up() {
                    return None;
                }
                let (credential, pair) = (tried.credential, tried.pair);
                let note = |level| self.login(shared, level, Act::Right, settings);
                join(
                    note((Level::Credential, credential)),
                    note((Level::Pair, pair)),
                )
                .await;
                None
            }
        }
    }

    async fn fail(
        &self,
        shared: &Shared,
        tried: &Try,
        settings: &LoginSettings,
    ) -> Option<Vec<Began>> {
        let credential = (Level::Credential, tried.credential);
        let noted = self.login(shared, credential, Act::Wrong, settings).await?;
        let mut all = vec![(Level::Credential, noted)];
        // Only the first failure of a credential is a guess; a proven one is none.
        if noted.failures == 1 && noted.proven.is_zero() {
            let others = levels(tried).into_iter().skip(1);
            let noted = join_all(others.map(async |(level, mark)| {
                let entry = self
                    .login(shared, (level, mark), Act::Wrong, settings)
                    .await;
                entry.map(|entry| (level, entry))
            }));
            all.extend(noted.await.into_iter().flatten());
        }
        let began = all.into_iter().filter(|(_, entry)| !entry.pause.is_zero());
        let began = began.map(|(level, entry)| Began {
            level,
            length: entry.pause,
            failures: entry.failures,
        });
        Some(began.collect())
    }

    /// Takes a request of the bucket that all instances share. `None` when there is no such bucket now.
    pub async fn take(
        &self,
        shared: &Shared,
        (payer, mark): (Payer, Mark),
        rate: Rate,
        patience: Duration,
    ) -> Option<Turn> {
        let kind = match payer {
            Payer::Client => Kind::AddressRate,
            Payer::Account => Kind::AccountRate,
        };
        let arguments = [
            micros(time_of(1, rate)),
            micros(time_of(rate.burst, rate)),
            micros(patience),
        ];
        let about = mark.bits().to_be_bytes();
        let asked = shared.run(&self.rate, (kind, &[&about]), &arguments).await;
        match asked {
            Asked::Found(answer) => match answer.as_slice() {
                [taken, wait] => {
                    let wait = Duration::from_micros(u64::try_from(*wait).unwrap_or_default());
                    Some(if *taken == 1 {
                        Turn::After(wait)
                    } else {
                        Turn::NotBefore(wait)
                    })
                }
                _ => None,
            },
            Asked::None | Asked::Away => None,
        }
    }

    /// Tells all instances to which account a token was issued, and for how long it is good.
    pub async fn note_owner(
        &self,
        shared: &Shared,
        token: Mark,
        (account, good): (Mark, Duration),
    ) {
        let [high, middle, low] = account.into();
        let arguments = [high, middle, low, millis(good)];
        let about = token.bits().to_be_bytes();
        let about: (Kind, &[&[u8]]) = (Kind::TokenOwner, &[&about]);
        // Whether it arrived makes no difference here.
        drop(shared.run(&self.owner, about, &arguments).await);
    }

    /// The account to which any instance saw a token issued; outer `None` when nobody can be asked.
    pub async fn find_owner(&self, shared: &Shared, token: Mark) -> Option<Option<Mark>> {
        let about = token.bits().to_be_bytes();
        let about: (Kind, &[&[u8]]) = (Kind::TokenOwner, &[&about]);
        let Asked::Found(answer) = shared.run(&self.owner, about, &[0; 4]).await else {
            return None;
        };
        let numbers: Option<Vec<u64>> = answer.iter().map(|one| u64::try_from(*one).ok()).collect();
        let numbers: Option<[u64; 3]> = numbers.and_then(|all| all.try_into().ok());
        Some(numbers.map(Mark::from))
    }

    async fn login(
        &self,
        shared: &Shared,
        (level, mark): (Level, Mark),
        act: Act,
        settings: &LoginSettings,
    ) -> Option<Entry> {
        let (allowed, longest) = bounds(level, settings);
        let kind = match level {
            Level::Credential => Kind::CredentialFailures,
            Level::Pair => Kind::PairFailures,
            Level::Client => Kind::AddressFailures,
            Level::Account => Kind::AccountFailures,
        };
        let arguments = [
            act.number(),
            allowed.into(),
            millis(settings.pause),
            millis(longest),
            millis(settings.memory),
            millis(trust(settings)),
        ];
        let about = mark.bits().to_be_bytes();
        let asked = shared.run(&self.login, (kind, &[&about]), &arguments).await;
        let Asked::Found(answer) = asked else {
            return None;
        };
        match answer.as_slice() {
            [pause, failures, proven] => Some(Entry {
                pause: Duration::from_millis(u64::try_from(*pause).ok()?),
                failures: u32::try_from(*failures).ok()?,
                proven: Duration::from_millis(u64::try_from(*proven).ok()?),
            }),
            _ => None,
        }
    }
}

impl Act {
    fn number(self) -> u64 {
        match self {
            Self::Look => 0,
            Self::Wrong => 1,
            Self::Right => 2,
        }
    }
}

/// How long all instances know what one has proven. Each of them that saw it itself knows it for as long as the
/// operator wants; here nothing is kept for days about clients that may never come back.
fn trust(settings: &LoginSettings) -> Duration {
    settings.trust.min(TRUSTED)
}

/// A job that logs in every half hour stays known.
const TRUSTED: Duration = Duration::from_hours(1);
/// Shorter than anybody could make use of it.
const MOMENT: Duration = Duration::from_secs(1);
const ENTRIES: usize = 16_384;

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
