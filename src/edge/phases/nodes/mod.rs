//! The nodes as a push sees them: whichever is next, asked on the client's behalf.

mod claim;
mod home;
mod report;
mod search;

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderValue, Method, StatusCode, header};
use pingora::http::RequestHeader;
use tokio::time::Instant;

use crate::affinity::issuer::{KeyId, Peek};
use crate::fleet::node::NodeId;
use crate::observe::labels::{Attempt, TakeoverReason};
use crate::registry::digest::Digest;
use crate::registry::route::{Route, Target};
use crate::rewrite::location::path_and_query;
use crate::spool::ledger::Full;
use crate::upload::answer::classify;
use crate::upload::driver::{Flight as _, Framing, Nodes, Opening, Reply, Waited};
use crate::upload::takeover::{Answer, Hashed, Protection, Sought};
use crate::upload::transfer::Transfer;
use crate::upstream::Failure;
use crate::upstream::peer::Pace;

use super::super::exchange::{Current, Exchange};
use super::super::fault::{Fault, NodeTrouble};
use super::super::plan::STATE;
use super::super::snapshot::Place;
use super::Edge;
use super::flight::Attempted;
use super::push::wanted;
use claim::Claim;
use search::is_away;

/// One push on its way through the nodes.
pub(super) struct Pusher<'a> {
    edge: &'a Edge,
    exchange: &'a mut Exchange,
    /// The client's request, ready for the node it is on.
    base: RequestHeader,
    /// The length that the client announced for its body.
    length: Option<u64>,
    /// Where the part that the client sends now belongs in its own words, if it says so.
    claimed: Claim,
    node: NodeId,
    location: String,
    protection: Protection,
    takeovers: u32,
    /// Why the next node is needed.
    reason: TakeoverReason,
    /// Who gave the latest answer.
    answerer: Option<Arc<Place>>,
    /// The node that refused the token last, and the key of the token.
    refuser: Option<(NodeId, KeyId)>,
}

/// What became of the upload's place in the fleet.
pub(super) struct Backend {
    /// The node that has the session now.
    pub(super) node: NodeId,
    /// The session's own address there.
    pub(super) location: String,
    pub(super) takeovers: u32,
    pub(super) answerer: Option<Arc<Place>>,
}

impl<'a> Pusher<'a> {
    pub(super) fn new(
        edge: &'a Edge,
        exchange: &'a mut Exchange,
        (base, length): (RequestHeader, Option<u64>),
        (transfer, protection): (&Transfer, Protection),
    ) -> Self {
        let (node, location) = (transfer.node.clone(), transfer.location.clone());
        let claimed = Claim::read(&base.headers, transfer.acknowledged);
        Self {
            edge,
            exchange,
            base,
            length,
            claimed,
            node,
            location,
            protection,
            takeovers: 0,
            reason: TakeoverReason::Address,
            answerer: None,
            refuser: None,
        }
    }

    pub(super) fn into_backend(self) -> Backend {
        Backend {
            node: self.node,
            location: self.location,
            takeovers: self.takeovers,
            answerer: self.answerer,
        }
    }

    /// What the client asks for beside our token: the digest, above all.
    fn query(&self) -> Option<String> {
        let query = self.target()?.query.as_ref()?.without(STATE);
        query.map(|query| query.to_string())
    }

    fn digest(&self) -> Option<Digest> {
        wanted(self.target()?)
    }

    fn path(&self) -> String {
        match self.query() {
            None => self.location.clone(),
            Some(rest) if self.location.contains('?') => format!("{}&{rest}", self.location),
            Some(rest) => format!("{}?{rest}", self.location),
        }
    }

    fn request(&self, method: Method, path: &str, length: Option<u64>) -> Option<RequestHeader> {
        let mut request = self.base.clone();
        request.set_method(method);
        request.set_raw_path(path.as_bytes()).ok()?;
        match length {
            Some(length) => request.insert_header(header::CONTENT_LENGTH, length),
            None => request.insert_header(header::TRANSFER_ENCODING, "chunked"),
        }
        .ok()?;
        Some(request)
    }

    /// A request of ours, without a body.
    fn question(&self, method: Method, path: &str) -> Option<RequestHeader> {
        let mut request = self.request(method, path, Some(0))?;
        request.remove_header(&header::CONTENT_TYPE);
        request.remove_header(&header::CONTENT_RANGE);
        Some(request)
    }

    async fn begin(
        &mut self,
        current: Current,
        mut request: RequestHeader,
        pace: Pace,
    ) -> Result<Attempted, Failure> {
        let place = Arc::clone(&current.place);
        Edge::take(self.exchange, current);
        Edge::link_own(&mut request, self.exchange);
        let timeouts = &self.exchange.snapshot.timeouts;
        let begun = self
            .edge
            .live
            .begin(&place.target, timeouts, pace, request)
            .await;
        let snapshot = Arc::clone(&self.exchange.snapshot);
        begun.map(|push| Attempted::new(push, place.node.id().clone(), snapshot))
    }

    /// Asks a node for a session.
    async fn session(
        &mut self,
        current: Current,
        request: RequestHeader,
    ) -> Result<Reply, Failure> {
        let mut flight = self.begin(current, request, Pace::Read).await?;
        flight.end().await?;
        flight.head().await?;
        let reply = flight.reply().await?;
        self.exchange.trail.hears(reply.head.status.as_u16());
        Ok(reply)
    }

    fn route(&self) -> Option<&Route> {
        self.target().map(|target| &target.route)
    }

    fn target(&self) -> Option<&Target> {
        let arrival = self.exchange.arrival.as_ref();
        arrival.map(|arrival| &arrival.target)
    }
}

#[async_trait]
impl Nodes for Pusher<'_> {
    type Flight = Attempted;

    async fn forward(&mut self) -> Result<Attempted, Failure> {
        self.go_on().await
    }

    async fn open(&mut self) -> Result<Opening, Failure> {
        if self.exchange.asked > 0 {
            self.exchange.patience = None;
            self.earn_retry().await?;
        }
        self.exchange.detach();
        let mut broken = 0;
        loop {
            let current = self.next_place().await?;
            let place = Arc::clone(&current.place);
            let Some(Route::Upload(repository, _)) = self.route() else {
                return Err(Failure::NoNode);
            };
            let path = format!("/v2/{repository}/blobs/uploads/");
            let request = self.question(Method::POST, &path).ok_or(Failure::NoNode)?;
            // Nothing was replayed yet: others are asked, for as long as the client may wait. Nodes that take the
            // request and break off are not away, and are asked no more often than any request allows.
            let reply = match self.session(current, request).await {
                Ok(reply) if is_away(&reply) => {
                    self.fail(TakeoverReason::ConnectFailed);
                    let bad = NodeTrouble::BadAnswer;
                    self.edge.blame(self.exchange, bad, Attempt::GatewayError);
                    self.earn_retry().await?;
                    continue;
                }
                Ok(reply) => reply,
                Err(failure @ (Failure::Broken | Failure::Stalled)) => {
                    broken += 1;
                    if broken >= self.exchange.snapshot.retry.attempts {
                        return Err(failure);
                    }
                    self.lost(failure);
                    self.earn_retry().await?;
                    continue;
                }
                Err(failure) => {
                    self.lost(failure);
                    continue;
                }
            };
            let location = reply.head.headers.get(header::LOCATION);
            return match (reply.head.status, location.and_then(path_and_query)) {
                (StatusCode::ACCEPTED, Some(location)) => {
                    if let Some((refuser, key)) = self.refuser.take() {
                        self.edge.token_taken(key, place.node.id(), &refuser);
                    }
                    self.moved(&place, location.to_owned());
                    Ok(Opening::Opened)
                }
                (status, _) if status.is_success() => {
                    self.lost(Failure::Broken);
                    continue;
                }
                _ => Ok(Opening::Refused(Box::new(reply))),
            };
        }
    }

    async fn replay(&mut self, framing: Framing) -> Result<Attempted, Failure> {
        let place = self.exchange.snapshot.place(&self.node);
        let place = Arc::clone(place.ok_or(Failure::Unreachable)?);
        let (method, path, length, pace) = match framing {
            Framing::Patch { length } => (Method::PATCH, self.location.clone(), length, Pace::Read),
            Framing::Put { length } => (Method::PUT, self.path(), Some(length), Pace::Commit),
            Framing::Commit => (Method::PUT, self.path(), Some(0), Pace::Commit),
        };
        let mut request = self.request(method, &path, length).ok_or(Failure::NoNode)?;
        request.remove_header(&header::CONTENT_RANGE);
        let kind = HeaderValue::from_static("application/octet-stream");
        request
            .insert_header(header::CONTENT_TYPE, kind)
            .map_err(|_| Failure::NoNode)?;
        self.begin(Current::booked(place, &self.edge.gate), request, pace)
            .await
    }

    async fn seek(&mut self, length: u64) -> Sought {
        let (Some(digest), Some(Route::Upload(repository, _))) = (self.digest(), self.route())
        else {
            return Sought::Unknown;
        };
        let path = format!("/v2/{repository}/blobs/{digest}");
        let Some(mut request) = self.question(Method::HEAD, &path) else {
            return Sought::Unknown;
        };
        request.remove_header(&header::CONTENT_LENGTH);
        self.exchange.detach();
        self.ask_around(&request, length).await
    }

    fn classify(&mut self, reply: &Reply) -> Answer {
        self.exchange.trail.hears(reply.head.status.as_u16());
        let Some(route) = self.route() else {
            return Answer::Final;
        };
        let (status, headers) = (reply.head.status, &reply.head.headers);
        let method = &self.base.method;
        let answer = classify(route, method, status, headers, &reply.body);
        let current = self.exchange.current.as_ref();
        self.answerer = current.map(|current| Arc::clone(&current.place));
        match answer {
            Answer::Accepted => {
                let location = headers.get(header::LOCATION).and_then(path_and_query);
                if let Some(location) = location {
                    location.clone_into(&mut self.location);
                }
            }
            // The bytes are not meant to go where they would go: any node says so.
            Answer::SessionUnknown
                if status == StatusCode::RANGE_NOT_SATISFIABLE
                    && self.claimed == Claim::Elsewhere =>
            {
                return Answer::Final;
            }
            Answer::SessionUnknown => self.fail(TakeoverReason::UnknownSession),
            Answer::DigestInvalid => self.fail(TakeoverReason::DigestInvalid),
            Answer::Unauthorized => {
                let edge = self.edge;
                edge.look_at_token(&self.base.headers, self.exchange);
                self.fail(TakeoverReason::Unauthorized);
                // A client that is told to begin anew will do so where its token is taken.
                let helpless = self.protection == Protection::None;
                if self.failed_late() || (helpless && self.taker_elsewhere().is_some()) {
                    return Answer::Trouble;
                }
                let token = self.base.headers.get(header::AUTHORIZATION);
                let token = token.and_then(|value| Peek::at_authorization(value.as_bytes()));
                let refuser = self.answerer.as_ref().zip(token);
                self.refuser = refuser.map(|(place, token)| (place.node.id().clone(), token.key));
            }
            Answer::Trouble => {
                self.fail(TakeoverReason::BadAnswer);
                self.exchange.fault = Some(Fault::Node(NodeTrouble::BadAnswer));
                self.edge.blame_for(self.exchange, reply);
            }
            Answer::Created | Answer::Final => {}
        }
        answer
    }

    fn compare(&self, sha256: [u8; 32]) -> Hashed {
        let hex = sha256
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        match self.digest() {
            Some(digest) if digest.algorithm() == "sha256" && digest.encoded() == hex => {
                Hashed::Right
            }
            Some(_) | None => Hashed::Wrong,
        }
    }

    fn lost(&mut self, failure: Failure) {
        self.tell_lost(failure);
    }

    fn unprotected(&mut self, why: Full) {
        self.tell_unprotected(why);
    }

    fn waited(&mut self, waited: Waited) {
        self.tell_waited(waited);
    }

    fn replayed(&mut self, bytes: u64) {
        self.edge.metrics.upload_replayed(bytes);
        self.exchange.rescued.replayed += bytes;
        self.exchange.lost.goes_on(Instant::now().into_std());
    }
}
