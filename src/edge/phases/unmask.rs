//! Answers that are not what they seem: without its database, Harbor says that credentials are wrong.
//!
//! It gives itself away by a challenge that asks for nothing, but an unknown project has the same. Only the message
//! tells, and clients take the answer for the last word: it has to be known before a byte of it goes out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::Instant;

use crate::fleet::health::Component;
use crate::fleet::node::NodeId;
use crate::observe::labels::Attempt;
use crate::upstream::Failure;
use crate::upstream::live::Answer;
use crate::upstream::verdict::{SharedFault, Verdict, is_disguised, judge};

use super::super::exchange::Exchange;
use super::super::fault::Fault;
use super::super::plan::Repeat;
use super::Edge;

/// Nodes that were found to have lost their database, and when.
#[derive(Debug, Default)]
pub struct Unmasked(Mutex<HashMap<NodeId, Instant>>);

impl Unmasked {
    fn note(&self, node: &NodeId, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, at| now.saturating_duration_since(*at) < FRESH);
        all.insert(node.clone(), now);
    }

    fn has(&self, node: &NodeId, now: Instant) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.get(node);
        at.is_some_and(|at| now.saturating_duration_since(*at) < FRESH)
    }
}

impl Edge {
    /// Looks behind an answer that is about to go out. If it is a lost database in disguise another node is asked,
    /// unless it is known already that all of them have lost it.
    pub(super) async fn unmask(
        &self,
        session: &Session,
        head: &ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let relay = exchange.relay.as_ref();
        let repeatable = relay.is_some_and(|relay| relay.repeat == Repeat::UntilAnswered);
        let reads = matches!(session.req_header().method, Method::GET | Method::HEAD);
        if !repeatable || !reads || !is_disguised(head.status, &head.headers) {
            return Ok(());
        }
        let now = Instant::now().into_std();
        let faults = exchange.snapshot.fleet.cluster_faults(now);
        if faults.contains(&Component::Database) {
            exchange.next.clear();
        } else if !self.has_lost_database(session, exchange).await {
            return Ok(());
        }
        exchange.fault = Some(Fault::Database);
        Err(Error::new_up(ErrorType::InvalidHTTPHeader))
    }

    /// Asks the node once more for what the library has no place for: the message, which an answer to HEAD has not
    /// at all. A node that was found out just now is not asked again, so a fleet in trouble has no more to do for it.
    async fn has_lost_database(&self, session: &Session, exchange: &Exchange) -> bool {
        let (Some(current), Some(arrival)) = (&exchange.current, &exchange.arrival) else {
            return false;
        };
        let node = current.place.node.id();
        if self.unmasked.has(node, Instant::now()) {
            return true;
        }
        let Ok(mut request) = Self::own_request(session, exchange) else {
            return false;
        };
        request.set_method(Method::GET);
        request.remove_header(&http::header::ACCEPT_ENCODING);
        let (target, timeouts) = (&current.place.target, &exchange.snapshot.timeouts);
        let Ok(mut again) = self.live.fetch(target, timeouts, request).await else {
            return false;
        };
        let Ok(Some(message)) = message(&mut again).await else {
            return false;
        };
        let (status, headers) = (again.head.status, &again.head.headers);
        let route = &arrival.target.route;
        let verdict = judge(route, &Method::GET, status, headers, Some(&message));
        again.body.release().await;
        let lost = verdict == Verdict::SharedFault(SharedFault::Database);
        if lost {
            self.unmasked.note(node, Instant::now());
        }
        lost
    }

    /// The node did what it could: what all of them share has failed it.
    pub(super) fn pass_over(&self, exchange: &mut Exchange) {
        exchange.lost.begins(exchange.progress.into_std());
        if let Some(current) = exchange.current.take() {
            exchange.shun(current.place.node.id());
            self.attempt_done(exchange, &current.place, Attempt::Answered);
        }
        exchange.fault = Some(Fault::Database);
    }
}

/// All that an answer says, if only its body tells what it means.
pub(super) async fn message(answer: &mut Answer) -> std::result::Result<Option<Bytes>, Failure> {
    if !is_disguised(answer.head.status, &answer.head.headers) {
        return Ok(None);
    }
    answer.body.gather(MAX_MESSAGE).await.map(Some)
}

/// Harbor's longest messages have some hundred bytes.
const MAX_MESSAGE: usize = 64 * 1024;
/// How long a node is taken at its word of before: a probe knows better soon.
const FRESH: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_node_is_taken_at_its_word_of_before_for_a_moment() {
        let unmasked = Unmasked::default();
        let [one, other] = ["node-1", "node-2"].map(|name| NodeId::parse(name).unwrap());
        let now = Instant::now();
        assert!(!unmasked.has(&one, now));
        unmasked.note(&one, now);
        assert!(unmasked.has(&one, now) && !unmasked.has(&other, now));
        unmasked.note(&other, now + FRESH);
        assert!(!unmasked.has(&one, now + FRESH) && unmasked.has(&other, now + FRESH));
    }
}
