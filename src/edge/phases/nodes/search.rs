//! Looking for a node: the next one for a push, or one that has its blob already.

use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, header};
use pingora::http::RequestHeader;
use tokio::time::{Instant, sleep};

use crate::fleet::node::NodeId;
use crate::observe::labels::{Label as _, RetryReason, TakeoverKind, TakeoverReason};
use crate::placement::budget::Verdict as Allowance;
use crate::registry::error::parse_envelope;
use crate::upload::driver::{Nodes as _, Reply};
use crate::upload::takeover::Sought;
use crate::upstream::Failure;

use super::super::super::exchange::Current;
use super::super::super::snapshot::Place;
use super::super::Edge;
use super::super::loss::repository;
use super::Pusher;

impl Pusher<'_> {
    /// Whether credentials may have expired since the client began to send. To be told so is final for some
    /// clients, but whoever is only told to begin anew brings new ones.
    pub(super) fn failed_late(&self) -> bool {
        self.exchange.asked > 1 && self.exchange.started.elapsed() >= LATE
    }

    /// The next node, as long as the client may wait.
    pub(super) async fn next_place(&mut self) -> Result<Current, Failure> {
        let found = self.edge.next_place(self.exchange).await;
        found.map_err(|fault| {
            self.exchange.fault = Some(fault);
            Failure::NoNode
        })
    }

    /// Waits until the fleet can bear one more retry, as long as the client may wait. Bytes that were
    /// acknowledged are worth it; an answer that the client can read is not held back.
    pub(super) async fn earn_retry(&self) -> Result<(), Failure> {
        if self.edge.may_retry(RetryReason::Lost) {
            return Ok(());
        }
        let answered = self.reason == TakeoverReason::BadAnswer;
        let until = Instant::now() + self.exchange.snapshot.retry.patience;
        while !answered && Instant::now() < until {
            sleep(PAUSE).await;
            let now = Instant::now().into_std();
            if self.edge.budget.allow_retry(now) == Allowance::Allowed {
                self.edge.metrics.retried(RetryReason::Lost);
                return Ok(());
            }
        }
        Err(Failure::NoNode)
    }

    /// The upload lives on `place` from now on.
    pub(super) fn moved(&mut self, place: &Place, location: String) {
        let from = std::mem::replace(&mut self.node, place.node.id().clone());
        self.location = location;
        self.takeovers += 1;
        let pair = (Some(from.clone()), Some(self.node.clone()));
        let kind = TakeoverKind::Upload;
        self.edge.rescued(self.exchange, kind, pair, self.reason);
        let (id, reason) = (&self.exchange.request_id, self.reason.as_str());
        let repo = repository(self.exchange);
        tracing::info!(request_id = id, repo, %from, to = %self.node, reason, "upload taken over");
    }

    /// Asks nodes for the blob until one has it, each at most once.
    pub(super) async fn ask_around(&mut self, request: &RequestHeader, length: u64) -> Sought {
        let mut sought = Sought::Unknown;
        let mut asked: Vec<NodeId> = Vec::new();
        let most = self.exchange.snapshot.targets.len().min(MOST_SOUGHT);
        while asked.len() < most {
            let Ok(current) = self.next_place().await else {
                break;
            };
            let place = Arc::clone(&current.place);
            if asked.contains(place.node.id()) {
                if self.exchange.next.is_empty() {
                    break;
                }
                continue;
            }
            asked.push(place.node.id().clone());
            Edge::take(self.exchange, current);
            let mut request = request.clone();
            Edge::link_own(&mut request, self.exchange);
            let timeouts = &self.exchange.snapshot.timeouts;
            let answer = match self.edge.live.fetch(&place.target, timeouts, request).await {
                Ok(answer) => answer,
                Err(failure) => {
                    self.lost(failure);
                    continue;
                }
            };
            self.exchange.trail.hears(answer.head.status.as_u16());
            let told = answer.head.headers.get(header::CONTENT_LENGTH);
            let told = told.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
            match answer.head.status {
                StatusCode::OK if told == Some(length) => {
                    self.node = place.node.id().clone();
                    self.exchange.lost.goes_on(Instant::now().into_std());
                    return Sought::Found;
                }
                StatusCode::NOT_FOUND => sought = Sought::Missing,
                _ => {}
            }
        }
        sought
    }
}

/// Whether something in front of a registry says that the registry cannot be reached.
pub(super) fn is_away(reply: &Reply) -> bool {
    matches!(reply.head.status.as_u16(), 502..=504) && parse_envelope(&reply.body).is_none()
}

/// Nodes that are asked whether a blob is there.
const MOST_SOUGHT: usize = 3;
/// How often a takeover that the fleet cannot bear yet is tried.
const PAUSE: Duration = Duration::from_millis(100);
/// Tokens live a few minutes at least.
const LATE: Duration = Duration::from_mins(1);
