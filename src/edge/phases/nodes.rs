//! The nodes as a push sees them: whichever is next, asked on the client's behalf.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderValue, Method, StatusCode, header};
use pingora::http::RequestHeader;

use crate::fleet::node::NodeId;
use crate::observe::labels::{Attempt, RetryReason};
use crate::registry::error::parse_envelope;
use crate::registry::route::{Route, Target};
use crate::rewrite::location::path_and_query;
use crate::spool::ledger::Full;
use crate::upload::answer::classify;
use crate::upload::driver::{Flight as _, Framing, Nodes, Opening, Reply};
use crate::upload::takeover::{Answer, Hashed, Sought};
use crate::upload::transfer::Transfer;
use crate::upstream::Failure;
use crate::upstream::peer::Pace;

use super::super::exchange::Exchange;
use super::super::fault::NodeTrouble;
use super::super::plan::STATE;
use super::super::snapshot::Place;
use super::Edge;
use super::flight::Attempted;

/// One push on its way through the nodes.
pub(super) struct Pusher<'a> {
    edge: &'a Edge,
    exchange: &'a mut Exchange,
    /// The client's request, ready for the node it is on.
    base: RequestHeader,
    /// The length that the client announced for its body.
    length: Option<u64>,
    node: NodeId,
    location: String,
    takeovers: u32,
}

impl<'a> Pusher<'a> {
    pub(super) fn new(
        edge: &'a Edge,
        exchange: &'a mut Exchange,
        (base, length): (RequestHeader, Option<u64>),
        transfer: &Transfer,
    ) -> Self {
        let (node, location) = (transfer.node.clone(), transfer.location.clone());
        Self {
            edge,
            exchange,
            base,
            length,
            node,
            location,
            takeovers: 0,
        }
    }

    /// The node that has the session now, the session's own address, and how often that changed.
    pub(super) fn into_backend(self) -> (NodeId, String, u32) {
        (self.node, self.location, self.takeovers)
    }

    /// What the client asks for beside our token: the digest, above all.
    fn query(&self) -> Option<String> {
        let query = self.target()?.query.as_ref()?.without(STATE);
        query.map(|query| query.to_string())
    }

    fn digest(&self) -> Option<String> {
        let digest = self.target()?.query.as_ref()?.find_decoded("digest");
        digest.map(std::borrow::Cow::into_owned)
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

    async fn begin(
        &mut self,
        place: Arc<Place>,
        request: RequestHeader,
        pace: Pace,
    ) -> Result<Attempted, Failure> {
        Edge::take(self.exchange, Arc::clone(&place));
        let timeouts = &self.exchange.snapshot.timeouts;
        let begun = self
            .edge
            .live
            .begin(&place.target, timeouts, pace, request)
            .await;
        let snapshot = Arc::clone(&self.exchange.snapshot);
        begun.map(|push| Attempted::new(push, place.node.id().clone(), snapshot))
    }

    /// The node that has the session, as soon as it has room. Others are asked at once where it is given up.
    async fn home(&mut self) -> Result<Arc<Place>, Failure> {
        let relay = self.exchange.relay.as_mut();
        if let Some(upload) = relay.and_then(|relay| relay.upload.as_mut()) {
            upload.node.clone_from(&self.node);
        }
        let found = self.edge.next_place(self.exchange).await;
        let place = found.map_err(|fault| {
            self.exchange.fault = Some(fault);
            Failure::NoNode
        })?;
        if *place.node.id() == self.node {
            Ok(place)
        } else {
            Err(Failure::Unreachable)
        }
    }

    /// Asks a node for a session.
    async fn session(
        &mut self,
        place: Arc<Place>,
        request: RequestHeader,
    ) -> Result<Reply, Failure> {
        let mut flight = self.begin(place, request, Pace::Read).await?;
        flight.head().await?;
        flight.reply().await
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
        let place = self.home().await?;
        let length = self.length;
        let (method, path) = (self.base.method.clone(), self.path());
        let pace = if method == Method::PATCH {
            Pace::Read
        } else {
            Pace::Commit
        };
        let request = self.request(method, &path, length).ok_or(Failure::NoNode)?;
        self.begin(place, request, pace).await
    }

    async fn open(&mut self) -> Result<Opening, Failure> {
        if self.takeovers > 0 || self.exchange.asked > 0 {
            if !self.edge.may_retry(RetryReason::Lost) {
                return Err(Failure::NoNode);
            }
            self.exchange.patience = None;
            // It lives perhaps, but has shown that it is of no use to this push.
            self.exchange.shun(&self.node);
        }
        self.exchange.detach();
        let mut broken = 0;
        loop {
            let found = self.edge.next_place(self.exchange).await;
            let Ok(place) = found else {
                return Err(Failure::NoNode);
            };
            let Some(Route::Upload(repository, _)) = self.route() else {
                return Err(Failure::NoNode);
            };
            let path = format!("/v2/{repository}/blobs/uploads/");
            let mut request = self
                .request(Method::POST, &path, Some(0))
                .ok_or(Failure::NoNode)?;
            for name in [header::CONTENT_TYPE, header::CONTENT_RANGE] {
                request.remove_header(&name);
            }
            // Nothing was replayed yet: others are asked, for as long as the client may wait. Nodes that take the
            // request and break off are not away, and are asked no more often than any request allows.
            let reply = match self.session(Arc::clone(&place), request).await {
                Ok(reply) if is_away(&reply) => {
                    let trouble = NodeTrouble::BadAnswer;
                    self.edge
                        .blame(self.exchange, trouble, Attempt::GatewayError);
                    continue;
                }
                Ok(reply) => reply,
                Err(failure @ (Failure::Broken | Failure::Stalled)) => {
                    broken += 1;
                    if broken >= self.exchange.snapshot.retry.attempts {
                        return Err(failure);
                    }
                    self.lost(failure);
                    continue;
                }
                Err(failure) => {
                    self.lost(failure);
                    continue;
                }
            };
            let location = reply
                .head
                .headers
                .get(header::LOCATION)
                .and_then(path_and_query);
            return match (reply.head.status, location) {
                (StatusCode::ACCEPTED, Some(location)) => {
                    let from = std::mem::replace(&mut self.node, place.node.id().clone());
                    location.clone_into(&mut self.location);
                    self.takeovers += 1;
                    let id = &self.exchange.request_id;
                    tracing::info!(request_id = id, %from, to = %self.node, "upload taken over");
                    Ok(Opening::Opened)
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
        self.begin(place, request, pace).await
    }

    async fn seek(&mut self, length: u64) -> Sought {
        let Some(digest) = self.digest() else {
            return Sought::Unknown;
        };
        let Some(Route::Upload(repository, _)) = self.route() else {
            return Sought::Unknown;
        };
        let path = format!("/v2/{repository}/blobs/{digest}");
        self.exchange.detach();
        let mut sought = Sought::Unknown;
        for _ in 0..self.exchange.snapshot.targets.len().min(MOST_SOUGHT) {
            let Ok(place) = self.edge.next_place(self.exchange).await else {
                return sought;
            };
            let Some(mut request) = self.request(Method::HEAD, &path, Some(0)) else {
                break;
            };
            for name in [
                header::CONTENT_TYPE,
                header::CONTENT_RANGE,
                header::CONTENT_LENGTH,
            ] {
                request.remove_header(&name);
            }
            Edge::take(self.exchange, Arc::clone(&place));
            let timeouts = &self.exchange.snapshot.timeouts;
            let answer = match self.edge.live.fetch(&place.target, timeouts, request).await {
                Ok(answer) => answer,
                Err(failure) => {
                    self.lost(failure);
                    continue;
                }
            };
            let told = answer.head.headers.get(header::CONTENT_LENGTH);
            let told = told.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
            match answer.head.status {
                StatusCode::OK if told == Some(length) => {
                    self.node = place.node.id().clone();
                    return Sought::Found;
                }
                StatusCode::NOT_FOUND => sought = Sought::Missing,
                _ => {}
            }
        }
        sought
    }

    fn classify(&mut self, reply: &Reply) -> Answer {
        let Some(route) = self.route() else {
            return Answer::Final;
        };
        let (status, headers) = (reply.head.status, &reply.head.headers);
        let answer = classify(route, &self.base.method, status, headers, &reply.body);
        let location = headers.get(header::LOCATION).and_then(path_and_query);
        if answer == Answer::Accepted
            && let Some(location) = location
        {
            location.clone_into(&mut self.location);
        }
        if answer == Answer::Trouble {
            self.edge.blame_for(self.exchange, reply);
        }
        answer
    }

    fn compare(&self, sha256: [u8; 32]) -> Hashed {
        let hex = sha256
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        match self.digest() {
            Some(digest) if digest == format!("sha256:{hex}") => Hashed::Right,
            Some(_) | None => Hashed::Wrong,
        }
    }

    fn lost(&mut self, failure: Failure) {
        let (trouble, attempt) = match failure {
            Failure::NoNode => return,
            Failure::Unreachable => (NodeTrouble::Unreachable, Attempt::ConnectFailed),
            Failure::Unverified => (NodeTrouble::Unverified, Attempt::ConnectFailed),
            Failure::Broken => (NodeTrouble::Broken, Attempt::LostMidway),
            Failure::Stalled => (NodeTrouble::Stalled, Attempt::Stalled),
        };
        self.edge.blame(self.exchange, trouble, attempt);
    }

    fn unprotected(&mut self, why: Full) {
        let id = &self.exchange.request_id;
        tracing::warn!(
            request_id = id,
            reason = why.as_str(),
            "upload goes on unprotected"
        );
    }
}

/// Whether something in front of a registry says that the registry cannot be reached.
fn is_away(reply: &Reply) -> bool {
    matches!(reply.head.status.as_u16(), 502..=504) && parse_envelope(&reply.body).is_none()
}

/// Nodes that are asked whether a blob is there.
const MOST_SOUGHT: usize = 3;
