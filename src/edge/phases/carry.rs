//! A request is given to a node, and what a failure there permits.

use http::Method;
use pingora::protocols::Digest;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result, RetryType};
use tokio::time::Instant;

use crate::fleet::health::Observation;
use crate::observe::labels::{Attempt, RetryReason};
use crate::observe::steps::Step;
use crate::placement::budget::Verdict as BudgetVerdict;
use crate::registry::route::Route;
use crate::upload::driver::Reply;
use crate::upstream::peer::Pace;
use crate::upstream::verdict::{Verdict, judge};

use super::super::exchange::{Current, Deletion, Exchange, Lag};
use super::super::fault::{Fault, NodeTrouble};
use super::super::plan::Repeat;
use super::trail::asked;
use super::{Doubt, Edge};

impl Edge {
    /// The next node for the request, waiting for one if need be.
    pub(super) async fn next_peer(&self, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        loop {
            let current = self.next_place(exchange).await.map_err(|fault| {
                exchange.fault = Some(fault);
                Error::new_in(ErrorType::InternalError)
            })?;
            let relay = exchange.relay.as_ref();
            let pace = relay.map_or(Pace::Commit, |relay| relay.pace);
            let Some(peer) = current.place.target.peer(&exchange.snapshot.timeouts, pace) else {
                continue;
            };
            Self::take(exchange, current);
            return Ok(Box::new(peer));
        }
    }

    /// The request is on this node from now on.
    pub(super) fn take(exchange: &mut Exchange, current: Current) {
        let place = &current.place;
        exchange.asked += 1;
        exchange.fault = None;
        let node = place.node.id();
        exchange.first_node.get_or_insert_with(|| node.clone());
        exchange.last_node = Some(node.clone());
        if let Some(transfer) = exchange.shown.transfer() {
            transfer.on(node);
        }
        exchange.step(|| Step::Asked { node: node.clone() });
        exchange.progress = Instant::now();
        let at = exchange.progress.into_std();
        let about = || asked(place);
        exchange.trail.asks(fastrand::u64(..), about, at);
        exchange.current = Some(current);
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
        exchange.step(|| Step::Failed {
            node: node.id().clone(),
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

/// What of a repository a request is about, as the table of recent writes names it.
pub(in crate::edge) fn content(route: &Route) -> Option<String> {
    match route {
        Route::Manifest(_, reference) => Some(reference.to_string()),
        Route::Blob(_, digest) => Some(digest.to_string()),
        _ => None,
    }
}
