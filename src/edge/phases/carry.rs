//! A request looks for a node: which one, how long to wait, and what a failure permits.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use pingora::protocols::Digest;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result, RetryType};
use tokio::time::{Instant, sleep};

use crate::fleet::health::Observation;
use crate::fleet::node::{Duty, NodeId};
use crate::fleet::view::{Candidate, Rank, Room};
use crate::observe::labels::{Attempt, RetryReason, Wait};
use crate::observe::steps::Step;
use crate::placement::balance::Draws;
use crate::placement::budget::Verdict as BudgetVerdict;
use crate::placement::choose::{Reason, choose};
use crate::registry::route::Route;
use crate::upload::driver::Reply;
use crate::upstream::peer::Pace;
use crate::upstream::verdict::{Verdict, judge};

use super::super::exchange::{Bound, Current, Deletion, Exchange, Lag};
use super::super::fault::{Fault, NodeTrouble};
use super::super::gate::Waited;
use super::super::plan::Repeat;
use super::super::shown::Reasons;
use super::super::snapshot::Place;
use super::hints::Accepting;
use super::trail::asked;
use super::{Doubt, Edge};

impl Edge {
    /// The next node for the request, waiting for one if need be.
    pub(super) async fn next_peer(&self, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        loop {
            let place = self.next_place(exchange).await.map_err(|fault| {
                exchange.fault = Some(fault);
                Error::new_in(ErrorType::InternalError)
            })?;
            let relay = exchange.relay.as_ref();
            let pace = relay.map_or(Pace::Commit, |relay| relay.pace);
            let Some(peer) = place.target.peer(&exchange.snapshot.timeouts, pace) else {
                continue;
            };
            Self::take(exchange, place);
            return Ok(Box::new(peer));
        }
    }

    /// The request is on `place` from now on.
    pub(super) fn take(exchange: &mut Exchange, place: Arc<Place>) {
        exchange.asked += 1;
        exchange.fault = None;
        let node = place.node.id();
        exchange.first_node.get_or_insert_with(|| node.clone());
        exchange.last_node = Some(node.clone());
        if let Some(transfer) = exchange.shown.transfer() {
            transfer.on(node);
        }
        let node = node.clone();
        exchange.step(Step::Asked { node });
        exchange.progress = Instant::now();
        let at = exchange.progress.into_std();
        let about = || asked(&place);
        exchange.trail.asks(fastrand::u64(..), about, at);
        let in_flight = place.node.begin(0);
        exchange.current = Some(Current { place, in_flight });
    }

    /// The next node for the request, waiting for one if need be.
    pub(super) async fn next_place(
        &self,
        exchange: &mut Exchange,
    ) -> std::result::Result<Arc<Place>, Fault> {
        let retry = exchange.snapshot.retry.clone();
        let begin = Instant::now();
        let until = *exchange.patience.get_or_insert(begin + retry.patience);
        let mut waited = None;
        loop {
            while let Some(id) = exchange.next.pop() {
                // What was chosen a while ago may have been switched off since.
                let place = exchange.snapshot.place(&id);
                if let Some(place) = place.filter(|place| place.node.duty() != Duty::Off) {
                    if let Some(outcome) = waited {
                        self.metrics.wait_done(outcome);
                    }
                    return Ok(Arc::clone(place));
                }
            }
            if exchange.rounds > 0 {
                // All were asked just now; asking them again at once would only be noise.
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(exchange.fault.unwrap_or(Fault::NoNode));
                }
                sleep(PAUSE.min(left)).await;
            }
            let (until, fault) = match self.choose(exchange) {
                Chosen::Some => {
                    exchange.rounds += 1;
                    continue;
                }
                Chosen::Full => (until.min(begin + retry.queue_timeout), Fault::Busy),
                Chosen::None => (until, Fault::NoNode),
            };
            if Instant::now() >= until {
                self.metrics.wait_done(Wait::Timeout);
                return Err(fault);
            }
            if exchange.rounds > 0 || waited.is_none() {
                let why = fault.label();
                exchange.step(Step::Waited { why });
            }
            let pause = until.min(Instant::now() + RECHECK);
            match self.gate.wait(pause, retry.queue_length).await {
                Waited::Changed | Waited::Expired => waited = Some(Wait::Placed),
                Waited::Full => {
                    self.metrics.wait_done(Wait::QueueFull);
                    return Err(Fault::Busy);
                }
            }
            exchange.rounds = 0;
        }
    }

    /// Makes a new choice and puts it into the exchange.
    fn choose(&self, exchange: &mut Exchange) -> Chosen {
        let Some(relay) = &exchange.relay else {
            return Chosen::None;
        };
        let snapshot = &exchange.snapshot;
        let now = Instant::now().into_std();
        let cap = snapshot.node_in_flight;
        let candidates = snapshot.fleet.candidates(relay.traffic, now, cap);
        let browser = exchange.browser.as_mut();
        let drawn = browser.as_ref().map(|browser| browser.key());
        let session = browser.and_then(|browser| browser.bound(&candidates));
        let pin = match exchange.bound {
            Bound::ByPlan => relay.upload.as_ref().map(|upload| upload.node.clone()),
            Bound::Free => None,
        };
        let pin = pin.or_else(|| session.clone());
        let usable = |candidate: &Candidate| {
            matches!(candidate.rank, Rank::Up | Rank::Suspect)
                || pin.as_ref().is_some_and(|pin| *pin == candidate.id)
                    && candidate.rank != Rank::Down
        };
        if !candidates.iter().any(usable) {
            return Chosen::None;
        }
        let hints = self.hints(exchange, (pin, drawn), now);
        let draws = Draws {
            first: fastrand::u64(..),
            second: fastrand::u64(..),
        };
        let choice = choose(&candidates, &hints, draws);
        let reasons = Reasons::from(&choice);
        let waits_for_pin = choice
            .first()
            .is_some_and(|pick| pick.reason == Reason::Pin && pick.room == Room::Full);
        if waits_for_pin {
            return Chosen::Full;
        }
        let free = choice
            .picks
            .into_iter()
            .filter(|pick| pick.room == Room::Free);
        exchange.next = free.map(|pick| pick.node).collect();
        let failed = &exchange.failed;
        if hints.pin.is_none() {
            let accepts = match self.accepting(exchange, &candidates, now) {
                Accepting::Anybody => Vec::new(),
                Accepting::These(nodes) => nodes,
                Accepting::Full => return Chosen::Full,
            };
            let order = |node: &NodeId| (failed.contains(node), !accepts.contains(node));
            exchange.next.sort_by_key(order);
        }
        // One failure of its node does not end a session: the node gets another try.
        if let Some(node) = session.filter(|node| !failed.contains(node)) {
            exchange.next.insert(0, node);
        }
        let order = exchange.next.clone();
        exchange.chosen(&reasons, &candidates, &order);
        exchange.next.reverse();
        if exchange.next.is_empty() {
            Chosen::Full
        } else {
            Chosen::Some
        }
    }

    /// The certificate of a pinned node is compared before the first byte is sent.
    pub(super) fn connected(digest: Option<&Digest>, exchange: &mut Exchange) -> Result<()> {
        let Some(current) = &exchange.current else {
            return Ok(());
        };
        current.place.target.verify(digest).map_err(|_| {
            exchange.fault = Some(Fault::Node(NodeTrouble::Unverified));
            Error::new_up(ErrorType::InvalidCert)
        })
    }

    /// No connection: nothing reached the node, so any request may go to another.
    #[expect(
        clippy::unnecessary_box_returns,
        reason = "the hook of the library returns a box"
    )]
    pub(super) fn not_connected(
        &self,
        exchange: &mut Exchange,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let trouble = match error.etype() {
            ErrorType::InvalidCert | ErrorType::TLSHandshakeFailure => NodeTrouble::Unverified,
            _ => NodeTrouble::Unreachable,
        };
        self.blame(exchange, trouble, Attempt::ConnectFailed);
        // Nothing is lost yet: without a budget or another node it waits for one, and that is paced.
        let again = exchange.next.is_empty() || self.may_retry(RetryReason::ConnectFailed);
        exchange.next.retain(|_| again);
        error.set_retry(true);
        error
    }

    /// The node that has the request failed it: says so to whom it concerns, and takes the request away.
    pub(super) fn blame(&self, exchange: &mut Exchange, trouble: NodeTrouble, attempt: Attempt) {
        exchange.fault = Some(Fault::Node(trouble));
        exchange.lost.begins(exchange.progress.into_std());
        let (Some(current), Some(relay)) = (exchange.current.take(), &exchange.relay) else {
            return;
        };
        let (node, traffic) = (&current.place.node, relay.traffic);
        exchange.shun(node.id());
        self.attempt_done(exchange, &current.place, attempt);
        let observation = match trouble {
            NodeTrouble::Unverified | NodeTrouble::Unreachable => Observation::ConnectFailed,
            NodeTrouble::BadAnswer | NodeTrouble::Differs => Observation::BadGateway(traffic),
            NodeTrouble::Stalled => Observation::Stalled(traffic),
            NodeTrouble::Broken => Observation::Died(traffic),
        };
        self.lookout.observe(node, observation);
        let fault = Fault::Node(trouble).label();
        let failed = node.id().clone();
        exchange.step(Step::Failed {
            node: failed,
            fault,
        });
        tracing::debug!(request_id = exchange.request_id, node = %node.id(), fault, "attempt failed");
    }

    /// Blames the node for an answer that it alone is to blame for: not for what all nodes share, nor for what
    /// a client sent.
    pub(super) fn blame_for(&self, exchange: &mut Exchange, reply: &Reply) {
        let arrival = exchange.arrival.as_ref();
        let verdict = arrival.map(|arrival| {
            let (status, headers) = (reply.head.status, &reply.head.headers);
            judge(&arrival.target.route, &Method::PUT, status, headers, None)
        });
        if let Some(Verdict::NodeFault(_) | Verdict::RedirectsToHttps) = verdict {
            self.blame(exchange, NodeTrouble::BadAnswer, Attempt::GatewayError);
        }
    }

    /// The exchange with a node broke off.
    #[expect(
        clippy::unnecessary_box_returns,
        reason = "the hook of the library returns a box"
    )]
    pub(super) fn broken(
        &self,
        session: &Session,
        exchange: &mut Exchange,
        mut error: Box<Error>,
        reused: bool,
    ) -> Box<Error> {
        // A connection that had been idle too long says nothing about the node.
        let stale = reused && matches!(error.retry, RetryType::ReusedOnly);
        error.set_retry(false);
        if *error.esource() != ErrorSource::Upstream {
            return error;
        }
        // Nothing failed: another node is asked for its opinion.
        if exchange.current.is_none() && matches!(exchange.doubt, Doubt::About(..)) {
            error.set_retry(true);
            return error;
        }
        let begun = session
            .response_written()
            .is_some_and(|head| !head.status.is_informational());
        let (trouble, attempt, reason) = failure(exchange.fault, error.etype(), begun);
        let shared = exchange.fault == Some(Fault::Database);
        let repeatable = match exchange.relay.as_ref().map(|relay| relay.repeat) {
            Some(Repeat::UntilAnswered) => !session.retry_buffer_truncated(),
            Some(Repeat::UntilSent) => trouble == NodeTrouble::Unverified,
            None => false,
        };
        if let Lag::Elsewhere(writer) = &exchange.lag {
            let writer = writer.clone();
            exchange.lag = Lag::Asked;
            exchange.current = None;
            exchange.next.push(writer);
            error.set_retry(true);
            return error;
        }
        let again = !begun && repeatable && exchange.asked < exchange.snapshot.retry.attempts;
        if shared {
            self.pass_over(exchange);
        } else if stale && trouble == NodeTrouble::Broken {
            let current = exchange.current.take().filter(|_| again);
            exchange.trail.ends(attempt, Instant::now().into_std());
            exchange
                .next
                .extend(current.map(|current| current.place.node.id().clone()));
            exchange.fault = Some(Fault::Node(trouble));
        } else {
            self.blame(exchange, trouble, attempt);
        }
        if again && !exchange.next.is_empty() {
            if trouble != NodeTrouble::Unverified {
                exchange.deletion = Deletion::Unsure;
            }
            error.set_retry(self.may_retry(reason));
        }
        error
    }

    pub(super) fn may_retry(&self, reason: RetryReason) -> bool {
        let now = Instant::now().into_std();
        match self.budget.allow_retry(now) {
            BudgetVerdict::Allowed => {
                self.metrics.retried(reason);
                true
            }
            BudgetVerdict::Exhausted => {
                self.metrics.retry_budget_refused();
                false
            }
        }
    }
}

/// What looking for a node came to.
enum Chosen {
    Some,
    /// There are nodes, and none has room.
    Full,
    None,
}

fn failure(
    noted: Option<Fault>,
    etype: &ErrorType,
    begun: bool,
) -> (NodeTrouble, Attempt, RetryReason) {
    match (noted, etype) {
        (Some(Fault::Node(NodeTrouble::BadAnswer) | Fault::Database), _) => (
            NodeTrouble::BadAnswer,
            Attempt::GatewayError,
            RetryReason::GatewayError,
        ),
        (Some(Fault::Node(NodeTrouble::Unverified)), _) => (
            NodeTrouble::Unverified,
            Attempt::ConnectFailed,
            RetryReason::ConnectFailed,
        ),
        (_, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => {
            (NodeTrouble::Stalled, Attempt::Stalled, RetryReason::Stalled)
        }
        _ if begun => (NodeTrouble::Broken, Attempt::LostMidway, RetryReason::Lost),
        _ => (
            NodeTrouble::Broken,
            Attempt::LostBeforeAnswer,
            RetryReason::Lost,
        ),
    }
}

/// How long a request that was on every node waits before it asks them again.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a waiting request looks by itself, beside being woken.
const RECHECK: Duration = Duration::from_millis(500);

/// What of a repository a request is about, as the table of recent writes names it.
pub(in crate::edge) fn content(route: &Route) -> Option<String> {
    match route {
        Route::Manifest(_, reference) => Some(reference.to_string()),
        Route::Blob(_, digest) => Some(digest.to_string()),
        _ => None,
    }
}
