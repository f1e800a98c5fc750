//! Credentials on their way to a node, and what came of them.

use std::time::Duration;

use http::header;
use pingora::proxy::Session;
use pingora::{Error, Result};
use tokio::time::Instant;

use crate::guard::credentials::{Credentials, basic, form};
use crate::guard::login::{Began, Level, Verdict};
use crate::guard::outcome::{Outcome, form_field, read_token};
use crate::guard::settings::{Allowance, LoginGuarding};
use crate::guard::who::Try;
use crate::observe::labels::{Label as _, Limit, Login};

use super::super::super::exchange::Exchange;
use super::super::super::fault::TooMany;
use super::super::super::guarded::{Attempt, Untold};
use super::super::Edge;
use super::super::client::read_piece;

impl Edge {
    /// What the request tries, if it has credentials.
    pub(super) async fn tried(session: &mut Session, exchange: &Exchange) -> Result<Option<Try>> {
        let Some(arrival) = &exchange.arrival else {
            return Ok(None);
        };
        let method = &session.req_header().method;
        let credentials = if let Some(field) = form_field(&arrival.target.route, method) {
            Some(read_form(session, exchange, field).await?)
        } else {
            let header = session.req_header().headers.get(header::AUTHORIZATION);
            header.and_then(|value| basic(value.as_bytes()))
        };
        let anonymizer = &exchange.snapshot.anonymizer;
        Ok(credentials.map(|found| anonymizer.try_of(&found, arrival.client)))
    }

    /// Lets a try pass, or says how long it has to pause.
    pub(super) async fn enter_login(
        &self,
        exchange: &mut Exchange,
        tried: Try,
    ) -> std::result::Result<(), TooMany> {
        let settings = &exchange.snapshot.guard;
        let (undecided, known) = match settings.guarding {
            LoginGuarding::Off => (None, None),
            LoginGuarding::On => {
                let (login, scripts) = (&settings.login, &self.guard.scripts);
                let now = Instant::now().into_std();
                let known = scripts.ask(&self.shared, &tried, login, now).await;
                let now = Instant::now().into_std();
                match self.guard.login.ask(&tried, known.as_ref(), login, now) {
                    Verdict::Pass(undecided) => (Some(undecided), known),
                    Verdict::Pause(level, wait) => {
                        let limit = limit(level);
                        return Err(TooMany { limit, wait });
                    }
                }
            }
        };
        exchange.guarded.attempt = Some(Attempt {
            tried,
            _undecided: undecided,
            known,
        });
        Ok(())
    }

    /// The body of a token's answer is complete.
    pub(in super::super) fn heard(&self, exchange: &mut Exchange) {
        let Some((body, media_type)) = exchange.guarded.hear_end() else {
            return;
        };
        if exchange.guarded.outcome == Some(Outcome::Right)
            && let Some(issued) = read_token(&body)
        {
            let snapshot = &exchange.snapshot;
            if snapshot.guard.account != Allowance::default()
                && let Some(attempt) = &exchange.guarded.attempt
            {
                let good = Duration::from_secs(issued.seconds.min(LONGEST));
                let (account, now) = (attempt.tried.account, Instant::now().into_std());
                for token in &issued.tokens {
                    let token = snapshot.anonymizer.secret(&[token.as_bytes()]);
                    self.guard.accounts.note(token, account, now + good);
                    exchange.guarded.issued.push((token, (account, good)));
                }
            }
            Self::tell_others(exchange, body, media_type, issued.seconds);
        }
        // Before the client has the last byte and can try again.
        self.settle(exchange);
    }

    /// Counts a try whose answer has been judged.
    pub(in super::super) fn settle(&self, exchange: &mut Exchange) {
        let Some(attempt) = exchange.guarded.attempt.take() else {
            return;
        };
        let outcome = exchange.guarded.outcome.unwrap_or(Outcome::Unclear);
        let now = Instant::now().into_std();
        let faulty = || !exchange.snapshot.fleet.cluster_faults(now).is_empty();
        let guarding = exchange.snapshot.guard.guarding;
        let outcome = match outcome {
            // A cluster that has lost its database knows nobody.
            Outcome::Wrong if guarding == LoginGuarding::Off || faulty() => Outcome::Unclear,
            outcome => outcome,
        };
        self.metrics.login_done(label(outcome));
        let settings = &exchange.snapshot.guard.login;
        let began = self
            .guard
            .login
            .settle(&attempt.tried, outcome, settings, now);
        exchange.guarded.untold = Some(Untold {
            attempt,
            outcome,
            began,
        });
    }

    /// Tells other instances what came of a try, which counts as undecided until then, and that a transfer is over.
    pub(in super::super) async fn tell_instances(&self, exchange: &mut Exchange) {
        if let Some(lease) = exchange
            .guarded
            .lease
            .take_if(|_| exchange.guarded.ticket.is_none())
        {
            self.guard.leases.leave(&self.shared, lease).await;
        }
        for (token, about) in std::mem::take(&mut exchange.guarded.issued) {
            let scripts = &self.guard.scripts;
            scripts.note_owner(&self.shared, token, about).await;
        }
        let Some(untold) = exchange.guarded.untold.take() else {
            return;
        };
        let settings = &exchange.snapshot.guard;
        let Untold {
            attempt,
            outcome,
            began,
        } = untold;
        let shared = match settings.guarding {
            LoginGuarding::Off => None,
            LoginGuarding::On => {
                let about = (&attempt.tried, attempt.known.as_ref());
                let (scripts, now) = (&self.guard.scripts, Instant::now().into_std());
                // This instance knows longer than all of them what was right.
                let right = self.guard.login.is_proven(attempt.tried.credential, now);
                let outcome = match outcome {
                    Outcome::Wrong if right => Outcome::Unclear,
                    outcome => outcome,
                };
                scripts
                    .tell(&self.shared, about, outcome, &settings.login)
                    .await
            }
        };
        for one in shared.unwrap_or(began) {
            report(exchange, &attempt.tried, one);
        }
    }

    /// The request is over: what was not judged is counted as it is.
    pub(in super::super) fn conclude(&self, exchange: &mut Exchange) {
        self.settle(exchange);
        exchange.guarded.lead = None;
        exchange.guarded.ticket = None;
    }
}

/// Reads the account of a form that is on its way to a node, which gets every byte of it all the same.
async fn read_form(session: &mut Session, exchange: &Exchange, field: &str) -> Result<Credentials> {
    let query = exchange
        .arrival
        .as_ref()
        .and_then(|one| one.target.query.clone());
    let headers = &session.req_header().headers;
    let length = headers.get(header::CONTENT_LENGTH);
    let length: Option<usize> = length.and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_none_or(|length| length > LARGEST_FORM) {
        // Nobody logs in like this. Each of them counts as a guess of its own.
        let secret = exchange.request_id.clone().into_bytes();
        return Ok(Credentials::new(None, secret));
    }
    let media_type = headers.get(header::CONTENT_TYPE);
    let media_type = media_type
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    if headers.contains_key(header::EXPECT) {
        let written = session.write_continue_response().await;
        written.map_err(Error::into_down)?;
        session.req_header_mut().remove_header(&header::EXPECT);
    }
    // What is read from here on is kept, and sent to the node before anything else.
    session.enable_retry_buffering();
    let limit = exchange.snapshot.limits.client_timeout;
    let mut body = Vec::new();
    while let Some(piece) = read_piece(session, limit).await? {
        body.extend_from_slice(&piece);
    }
    Ok(form(field, media_type.as_deref(), &body, query.as_ref()))
}

/// Tells the operator of a pause that begins, in words that name no account.
fn report(exchange: &Exchange, tried: &Try, began: Began) {
    let client = exchange.arrival.as_ref().map(|arrival| arrival.client);
    let request_id = &exchange.request_id;
    let reason = limit(began.level).as_str();
    let pause_ms = began.length.as_millis();
    match began.level {
        Level::Client | Level::Account => tracing::warn!(
            request_id, client = client.map(tracing::field::display), account = %tried.account,
            reason, count = began.failures, pause_ms, "many wrong logins"
        ),
        Level::Pair | Level::Credential => tracing::info!(
            request_id, client = client.map(tracing::field::display), account = %tried.account,
            reason, count = began.failures, pause_ms, "wrong logins have to pause"
        ),
    }
}

fn limit(level: Level) -> Limit {
    match level {
        Level::Credential => Limit::LoginsOfCredential,
        Level::Pair => Limit::LoginsOfPair,
        Level::Client => Limit::LoginsOfClient,
        Level::Account => Limit::LoginsOfAccount,
    }
}

fn label(outcome: Outcome) -> Login {
    match outcome {
        Outcome::Right => Login::Right,
        Outcome::Wrong => Login::Wrong,
        Outcome::Unclear => Login::Unclear,
    }
}

/// A name, a password and a few words; less than what the proxy library keeps of a body.
const LARGEST_FORM: usize = 16 * 1024;
/// No token is good for longer than this, in seconds.
const LONGEST: u64 = 24 * 60 * 60;
