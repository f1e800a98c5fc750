//! A second opinion: a node refuses what another node may accept, so that one is asked before the client is told.
//!
//! Nodes of a cluster should know each other's sessions and accept each other's tokens. Where they do not, a
//! refusal says nothing about the client. Each request is doubted once, and only when nothing was changed by it.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::Instant;

use crate::affinity::browser::{Given, Mark, Tie, given, read};
use crate::affinity::issuer::{Change, KeyId, Opinion, Peek};
use crate::affinity::settings::SessionMode;
use crate::fleet::health::Traffic;
use crate::fleet::node::NodeId;
use crate::fleet::view::{Rank, Room};
use crate::observe::labels::{Attempt, RetryReason};
use crate::placement::budget::Verdict as Allowance;
use crate::registry::route::{Audience, Route};

use super::super::exchange::Exchange;
use super::super::plan::Repeat;
use super::Edge;
use super::arrive::unix_seconds;
use super::browser::names_user;

/// Whether the answer of a node was doubted.
#[derive(Debug)]
pub(in super::super) enum Doubt {
    NotYet,
    /// The next answer settles it, unless that node refuses as well and others are left. With those who refused.
    About(Subject, Vec<NodeId>),
    Settled,
}

/// What a node refused.
#[derive(Debug)]
pub(in super::super) enum Subject {
    Token(Peek),
    /// The session of a browser, by its marks.
    Session(Vec<Mark>),
}

impl Edge {
    /// The answer of a node, before anything is made of it. An error asks the proxy library to try another node.
    pub(super) fn consult(
        &self,
        session: &Session,
        head: &pingora::http::ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let repeat = exchange.relay.as_ref().map(|relay| relay.repeat);
        let request = session.req_header();
        let route = exchange.arrival.as_ref().map(|one| &one.target.route);
        // What is refused has deleted nothing. A running upload is known to its own node alone.
        let deletes = request.method == Method::DELETE && !matches!(route, Some(Route::Upload(..)));
        let safe = repeat == Some(Repeat::UntilAnswered) || deletes;
        let repeatable = safe && !session.retry_buffer_truncated();
        let asks = (&request.method, &request.headers);
        if repeatable && self.doubts(asks, (head.status, &head.headers), exchange) {
            return Err(Error::new_up(ErrorType::HTTPStatus(head.status.as_u16())));
        }
        Ok(())
    }

    /// Whether another node is to be asked in place of the one that answered: it is next, then. The caller knows
    /// that the request may be repeated.
    pub(super) fn doubts(
        &self,
        asks: (&Method, &HeaderMap),
        (status, headers): (StatusCode, &HeaderMap),
        exchange: &mut Exchange,
    ) -> bool {
        let route = exchange.arrival.as_ref().map(|one| &one.target.route);
        let doubtful = status == StatusCode::UNAUTHORIZED || matches!(route, Some(Route::Api(_)));
        if !doubtful && matches!(exchange.doubt, Doubt::NotYet) {
            return false;
        }
        let Some(node) = exchange
            .current
            .as_ref()
            .map(|one| one.place.node.id().clone())
        else {
            return false;
        };
        let (subject, mut refusers) = match std::mem::replace(&mut exchange.doubt, Doubt::Settled) {
            Doubt::Settled => return false,
            Doubt::About(subject, refusers) => (Some(subject), refusers),
            Doubt::NotYet => (None, Vec::new()),
        };
        if refusers.contains(&node) {
            return false;
        }
        let about = (&*exchange, &node, refusers.as_slice());
        let doubted = match &subject {
            // Who knows the session was asked: there is nobody better.
            Some(Subject::Session(_)) => None,
            Some(Subject::Token(_)) | None => self.doubted_token(asks, (status, headers), about),
        };
        let doubted = match (doubted, &subject) {
            (None, None) => self.doubted_session(asks, (status, headers), (exchange, &node)),
            (doubted, _) => doubted,
        };
        let Some((fresh, other)) = doubted else {
            match subject {
                Some(subject) => {
                    self.learn_from(exchange, subject, (&refusers, &node), (status, headers));
                }
                None => exchange.doubt = Doubt::NotYet,
            }
            return false;
        };
        self.metrics.retried(match fresh {
            Subject::Token(_) => RetryReason::RefusedToken,
            Subject::Session(_) => RetryReason::UnknownSession,
        });
        // It did its work, whatever the other will say.
        if let Some(current) = exchange.current.take() {
            self.attempt_done(exchange, &current.place, Attempt::Answered);
        }
        exchange.next = vec![other];
        refusers.push(node);
        exchange.doubt = Doubt::About(fresh, refusers);
        true
    }

    /// A token that this node refuses, and a node that may accept it.
    fn doubted_token(
        &self,
        (_, asks): (&Method, &HeaderMap),
        (status, headers): (StatusCode, &HeaderMap),
        (exchange, node, refusers): (&Exchange, &NodeId, &[NodeId]),
    ) -> Option<(Subject, NodeId)> {
        let route = &exchange.arrival.as_ref()?.target.route;
        let guarded = route.audience() == Audience::Registry
            && !matches!(route, Route::Token | Route::Service(_));
        // An empty challenge is not about the token: the project is unknown, or the database away.
        let challenge = headers.get(header::WWW_AUTHENTICATE);
        let empty = challenge.is_some_and(HeaderValue::is_empty);
        if status != StatusCode::UNAUTHORIZED || !guarded || empty {
            return None;
        }
        let token = Peek::at_authorization(asks.get(header::AUTHORIZATION)?.as_bytes())?;
        let now = Instant::now().into_std();
        let opinion = self.ties.issuers.opinion(token, node, unix_seconds(), now);
        let other = match opinion {
            Opinion::None => return None,
            Opinion::Of(nodes) => Self::usable(exchange, |other| {
                nodes.contains(other) && !refusers.contains(other)
            }),
            Opinion::OfAnyone if refusers.len() >= MOST_ASKED => return None,
            Opinion::OfAnyone => {
                let other =
                    Self::usable(exchange, |other| other != node && !refusers.contains(other));
                // Anybody can make up the name of a key: that must not multiply requests.
                other.filter(|_| self.budget_allows())
            }
        };
        Some((Subject::Token(token), other?))
    }

    /// A session that this node does not know, and the node that was seen to know it.
    fn doubted_session(
        &self,
        (method, asks): (&Method, &HeaderMap),
        (status, headers): (StatusCode, &HeaderMap),
        (exchange, node): (&Exchange, &NodeId),
    ) -> Option<(Subject, NodeId)> {
        let snapshot = &exchange.snapshot;
        let settings = &snapshot.sessions;
        let route = &exchange.arrival.as_ref()?.target.route;
        let reads = *method == Method::GET || *method == Method::HEAD;
        let shared = settings.mode == SessionMode::Shared;
        if !shared
            || !reads
            || !matches!(route, Route::Api(_))
            || asks.contains_key(header::AUTHORIZATION)
        {
            return None;
        }
        // Whoever says who is logged in knows the session, whatever else it does with it.
        let replaced = !(status == StatusCode::OK && names_user(route))
            && replaces(headers, &settings.cookies);
        if status != StatusCode::UNAUTHORIZED && !replaced {
            return None;
        }
        let cookie = read(asks, &settings.cookies)?;
        let marks: Vec<Mark> = snapshot.marker.marks(cookie).collect();
        let now = Instant::now().into_std();
        let witness = self.ties.sessions.find(marks.iter().copied(), now)?;
        if witness == *node {
            return None;
        }
        let other = Self::usable(exchange, |other| *other == witness)?;
        Some((Subject::Session(marks), other))
    }

    /// A node that fits and takes one more request now. One that drains still knows what it knew.
    pub(super) fn usable(exchange: &Exchange, fits: impl Fn(&NodeId) -> bool) -> Option<NodeId> {
        let snapshot = &exchange.snapshot;
        let traffic = exchange
            .relay
            .as_ref()
            .map_or(Traffic::Pull, |relay| relay.traffic);
        let now = Instant::now().into_std();
        let all = snapshot
            .fleet
            .candidates(traffic, now, snapshot.node_in_flight);
        let mut good: Vec<_> = all
            .into_iter()
            .filter(|one| one.rank != Rank::Down && one.room == Room::Free)
            .filter(|one| fits(&one.id) && !exchange.failed.contains(&one.id))
            .collect();
        good.sort_by_key(|one| (one.rank, one.bytes));
        good.into_iter().next().map(|one| one.id)
    }

    fn budget_allows(&self) -> bool {
        let now = Instant::now().into_std();
        let allowed = self.budget.allow_retry(now) == Allowance::Allowed;
        if !allowed {
            self.metrics.retry_budget_refused();
        }
        allowed
    }

    /// A node took a token that another had refused.
    pub(super) fn token_taken(&self, key: KeyId, node: &NodeId, refuser: &NodeId) {
        let now = Instant::now().into_std();
        let change = self.ties.issuers.taken(key, node, refuser, now);
        if let Some(change @ (Change::Differ | Change::Agree)) = change {
            self.lookout.signing_keys(change, &self.ties.issuers);
        }
    }

    /// Learns from the last answer who was right.
    fn learn_from(
        &self,
        exchange: &Exchange,
        subject: Subject,
        (refusers, node): (&[NodeId], &NodeId),
        (status, headers): (StatusCode, &HeaderMap),
    ) {
        let Some(refuser) = refusers.first() else {
            return;
        };
        let now = Instant::now().into_std();
        let refused = status == StatusCode::UNAUTHORIZED;
        match subject {
            _ if status.is_server_error() => {}
            Subject::Token(token) if refused => self.ties.issuers.refused_twice(token.key, now),
            Subject::Token(token) => self.token_taken(token.key, node, refuser),
            Subject::Session(marks) => {
                if refused || replaces(headers, &exchange.snapshot.sessions.cookies) {
                    self.ties.sessions.forget(marks.into_iter(), now);
                } else {
                    self.tell_apart(exchange, (refuser, node), Tie::Strange);
                }
            }
        }
    }

    /// It was seen whether one node knows a session that the other made.
    pub(super) fn tell_apart(
        &self,
        exchange: &Exchange,
        (one, other): (&NodeId, &NodeId),
        tie: Tie,
    ) {
        if let Some(division) = self.ties.sessions.saw(one, other, tie) {
            self.lookout
                .sessions_divided(&division, &exchange.snapshot.fleet);
        }
    }

    /// Looks for the key of the token that a request carries, as soon as that makes a difference.
    pub(super) fn look_at_token(&self, headers: &HeaderMap, exchange: &mut Exchange) {
        if self.ties.issuers.differ() {
            let value = headers.get(header::AUTHORIZATION);
            exchange.token = value.and_then(|value| Peek::at_authorization(value.as_bytes()));
        }
    }
}

/// Whether an answer gives the browser another session.
fn replaces(headers: &HeaderMap, names: &[String]) -> bool {
    given(headers, names).any(|given| matches!(given, Given::Set(_)))
}

/// Nodes that are asked about a token whose key nobody knows.
const MOST_ASKED: usize = 7;
