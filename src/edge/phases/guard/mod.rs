//! The guard at work: who may go on, who waits, who is told to come back later.

mod login;
mod share;

use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, header};
use pingora::Result;
use pingora::proxy::Session;
use tokio::time::{Instant, sleep};

use crate::guard::accounts::Owner;
use crate::guard::credentials::bearer;
use crate::guard::lease::{Entered, Lease};
use crate::guard::rate::Turn;
use crate::guard::settings::{Allowance, GuardSettings, Rate};
use crate::guard::transfers::Ticket;
use crate::guard::who::{Mark, Payer, Try};
use crate::observe::labels::Limit;
use crate::registry::route::Route;

use super::super::exchange::Exchange;
use super::super::fault::{Fault, TooMany};
use super::Edge;

/// What becomes of a request that would go to a node.
#[derive(Debug)]
pub(super) enum Admission {
    Go,
    Refuse(Fault),
    /// The client has its answer.
    Answered,
}

/// What a request is among those that are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It may be refused.
    Plain,
    /// It carries a blob to the client.
    Pull,
    /// A push begins.
    PushBegins,
    /// It goes on with a push: clients take a refusal for the end of it, so it only waits.
    PushGoesOn,
}

/// Who has to pay for a request, and what each may take.
type Payers = Vec<(Payer, Mark, Allowance)>;

impl Edge {
    /// Asks the guard. Whoever has to wait a little waits here.
    pub(super) async fn admit(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<Admission> {
        let tried = Self::tried(session, exchange).await?;
        if let Some(tried) = tried
            && let Err(refused) = self.enter_login(exchange, tried).await
        {
            return Ok(self.refused(refused));
        }
        let settings = exchange.snapshot.guard.clone();
        let payers = self.payers(session, exchange, tried).await;
        let standing = standing(exchange, &session.req_header().method);
        exchange.guarded.payers = payers
            .iter()
            .filter_map(|(_, mark, allowance)| Some((*mark, allowance.bytes?)))
            .collect();
        if let Err(refused) = self.wait_turn(&payers, &settings, standing).await {
            return Ok(self.refused(refused));
        }
        if let Err(refused) = self.enter_transfer(exchange, &payers, standing).await {
            return Ok(self.refused(refused));
        }
        self.join_token(session, exchange).await
    }

    fn refused(&self, refused: TooMany) -> Admission {
        self.metrics.limit_refused(refused.limit);
        Admission::Refuse(Fault::TooMany(refused))
    }

    /// Who pays: the client, and the account where it is certain whose request this is.
    async fn payers(&self, session: &Session, exchange: &Exchange, tried: Option<Try>) -> Payers {
        let snapshot = &exchange.snapshot;
        let Some(arrival) = &exchange.arrival else {
            return Payers::new();
        };
        let mut payers = Payers::new();
        let (client, account) = (snapshot.guard.client, snapshot.guard.account);
        if client != Allowance::default() {
            let mark = snapshot.anonymizer.client(arrival.client);
            payers.push((Payer::Client, mark, client));
        }
        if account != Allowance::default() {
            let owner = self.owner(session, exchange, tried).await;
            payers.extend(owner.map(|mark| (Payer::Account, mark, account)));
        }
        payers
    }

    /// The account of a request. Credentials and tokens that no node vouched for are nobody's: otherwise whoever
    /// knows a name could use up its share.
    async fn owner(
        &self,
        session: &Session,
        exchange: &Exchange,
        tried: Option<Try>,
    ) -> Option<Mark> {
        let now = Instant::now().into_std();
        if let Some(tried) = tried {
            let proven = self.guard.login.is_proven(tried.credential, now);
            return proven.then_some(tried.account);
        }
        let header = session.req_header().headers.get(header::AUTHORIZATION)?;
        let token = exchange
            .snapshot
            .anonymizer
            .secret(&[bearer(header.as_bytes())?]);
        match self.guard.accounts.find(token, now) {
            Owner::Account(account) => Some(account),
            Owner::Nobody => None,
            Owner::Unknown => {
                let scripts = &self.guard.scripts;
                let found = scripts.find_owner(&self.shared, token).await?;
                self.guard.accounts.learn(token, found, now);
                found
            }
        }
    }

    async fn wait_turn(
        &self,
        payers: &Payers,
        settings: &GuardSettings,
        standing: Standing,
    ) -> std::result::Result<(), TooMany> {
        let rated = payers.iter().filter_map(|(payer, mark, allowance)| {
            let turn = self.turn((*payer, *mark), allowance.requests?, settings.patience);
            Some(async move { (limit(*payer), turn.await) })
        });
        for (limit, turn) in join_all(rated).await {
            let wait = match turn {
                Turn::After(wait) => wait,
                Turn::NotBefore(_) if standing == Standing::PushGoesOn => settings.patience,
                Turn::NotBefore(wait) => return Err(TooMany { limit, wait }),
            };
            if !wait.is_zero() {
                self.metrics.limit_delayed(limit);
                sleep(wait).await;
            }
        }
        Ok(())
    }

    /// When it is the turn of a request, by the count of all instances or, without them, by our own.
    async fn turn(&self, about: (Payer, Mark), rate: Rate, patience: Duration) -> Turn {
        let scripts = &self.guard.scripts;
        let shared = scripts.take(&self.shared, about, rate, patience).await;
        let (_, mark) = about;
        let now = Instant::now().into_std();
        let own = || self.guard.requests.take(mark, rate, (1, patience), now);
        shared.unwrap_or_else(own)
    }

    async fn enter_transfer(
        &self,
        exchange: &mut Exchange,
        payers: &Payers,
        standing: Standing,
    ) -> std::result::Result<(), TooMany> {
        let limits: Vec<(Payer, Mark, u32)> = payers
            .iter()
            .filter_map(|(payer, mark, allowance)| Some((*payer, *mark, allowance.transfers?)))
            .collect();
        if limits.is_empty() || standing == Standing::Plain {
            return Ok(());
        }
        let begin = Instant::now();
        let settings = &exchange.snapshot.guard;
        let (patience, lifetime) = (settings.patience, settings.lease);
        let (ticket, lease) = loop {
            if let Some(place) = self.place(&limits, lifetime).await {
                break place;
            }
            let waited = begin.elapsed();
            if waited < patience {
                sleep(RECHECK.min(patience.saturating_sub(waited))).await;
            } else if standing == Standing::PushGoesOn {
                break (self.guard.transfers.enter_anyway(&own(&limits)), None);
            } else {
                let (limit, wait) = (Limit::Transfers, patience);
                return Err(TooMany { limit, wait });
            }
        };
        if begin.elapsed() >= RECHECK {
            self.metrics.limit_delayed(Limit::Transfers);
        }
        if standing == Standing::PushBegins {
            // The request that begins a push carries nothing; those that follow do.
            if let Some(lease) = lease {
                self.guard.leases.leave(&self.shared, lease).await;
            }
            return Ok(());
        }
        exchange.guarded.ticket = Some(ticket);
        exchange.guarded.lease = lease;
        Ok(())
    }

    /// A place among our own transfers, and among those of all instances if these can be asked.
    async fn place(
        &self,
        limits: &[(Payer, Mark, u32)],
        lease: Duration,
    ) -> Option<(Ticket, Option<Lease>)> {
        let ticket = self.guard.transfers.enter(&own(limits))?;
        let (leases, now) = (&self.guard.leases, Instant::now().into_std());
        match leases.enter(&self.shared, limits, lease, now).await {
            Entered::In(lease) => Some((ticket, Some(lease))),
            Entered::Unknown => Some((ticket, None)),
            Entered::Full => None,
        }
    }

    /// How long the request has to rest after so many bytes.
    pub(super) fn rest_after(&self, bytes: usize, exchange: &Exchange) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.rest(&exchange.guarded.payers, bytes)
    }

    /// How long whoever carries so many bytes has to rest.
    pub(super) fn rest(&self, payers: &[(Mark, Rate)], bytes: u64) -> Duration {
        let mut longest = Duration::ZERO;
        for (mark, rate) in payers {
            let now = Instant::now().into_std();
            let taken = self
                .guard
                .bytes
                .take(*mark, *rate, (bytes, Duration::MAX), now);
            let (Turn::After(wait) | Turn::NotBefore(wait)) = taken;
            longest = longest.max(wait);
        }
        longest
    }
}

fn standing(exchange: &Exchange, method: &Method) -> Standing {
    let route = exchange.arrival.as_ref().map(|one| &one.target.route);
    match route {
        Some(Route::Blob(..)) if method == Method::GET => Standing::Pull,
        Some(Route::UploadStart(_)) => Standing::PushBegins,
        Some(Route::Upload(..)) => Standing::PushGoesOn,
        Some(Route::Manifest(..)) if method == Method::PUT => Standing::PushGoesOn,
        Some(_) | None => Standing::Plain,
    }
}

fn limit(payer: Payer) -> Limit {
    match payer {
        Payer::Client => Limit::RequestsOfClient,
        Payer::Account => Limit::RequestsOfAccount,
    }
}

fn own(limits: &[(Payer, Mark, u32)]) -> Vec<(Mark, u32)> {
    let own = limits.iter().map(|(_, mark, limit)| (*mark, *limit));
    own.collect()
}

/// How often a transfer that waits for a place looks for one.
const RECHECK: Duration = Duration::from_millis(100);
