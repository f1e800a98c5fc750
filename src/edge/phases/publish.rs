//! A manifest is stored, whatever its node does meanwhile.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::{Instant, sleep};

use crate::fleet::node::NodeId;
use crate::observe::labels::{
    Attempt, Direction, RetryReason, Synthesized, TakeoverKind, TakeoverReason,
};
use crate::registry::error::parse_envelope;
use crate::registry::route::Route;
use crate::upload::answer::classify;
use crate::upload::driver::{Flight, Reply};
use crate::upload::manifest::{Action, Answer, Event, Looked, Publish};
use crate::upload::takeover::{Answer as Word, Refusal};
use crate::upstream::Failure;
use crate::upstream::peer::Pace;

use super::super::answer;
use super::super::exchange::Exchange;
use super::super::fault::{Fault, NodeTrouble};
use super::Edge;
use super::client::read_piece;
use super::flight::Attempted;
use super::loss::repository;
use super::respond::public_url;

/// A manifest with everything that is needed to send it again.
struct Manifest {
    request: RequestHeader,
    body: Bytes,
    digest: String,
}

impl Edge {
    /// Carries a manifest PUT. `Ok(true)` when the client has an answer that ended properly.
    pub(super) async fn publish(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<bool> {
        let Some(body) = self.hold(session, exchange).await? else {
            answer::tell(session, exchange, Fault::ManifestTooLarge).await?;
            answer::drain(session).await;
            return Ok(true);
        };
        let mut request = Self::own_request(session, exchange)?;
        request.insert_header(header::CONTENT_LENGTH, body.len())?;
        let digest = sha256(&body);
        let manifest = Manifest {
            request,
            body,
            digest,
        };
        let (mut machine, mut action) = Publish::new(exchange.snapshot.retry.attempts);
        let mut last = None;
        loop {
            let event = match action {
                Action::Put => self.put(exchange, &manifest, &mut last).await,
                Action::Look => Event::Looked(self.look(exchange, &manifest).await),
                Action::Wait(times) => {
                    // The node that took the blobs knows them first; it is drawn by the table of recent writes.
                    sleep(LAG * times * times).await;
                    exchange.rounds = 0;
                    exchange.next.clear();
                    Event::Waited
                }
                Action::Pass => {
                    let Some(reply) = last else {
                        return Err(Error::new_in(ErrorType::InternalError));
                    };
                    if reply.head.status == StatusCode::CREATED {
                        self.manifest_rescued(exchange);
                    }
                    return self.pass_reply(session, exchange, reply).await;
                }
                Action::Acknowledge => {
                    return self
                        .acknowledge_manifest(session, exchange, &manifest)
                        .await;
                }
                Action::Refuse => {
                    return self.refuse(session, exchange, Refusal::Lost, last).await;
                }
            };
            action = machine.step(event);
        }
    }

    /// Reads the whole manifest; `None` when it is larger than registries take.
    async fn hold(&self, session: &mut Session, exchange: &mut Exchange) -> Result<Option<Bytes>> {
        if session.req_header().headers.contains_key(header::EXPECT) {
            let written = session.write_continue_response().await;
            written.map_err(Error::into_down)?;
        }
        let mut held = Vec::new();
        let limit = exchange.snapshot.limits.client_timeout;
        while let Some(piece) = read_piece(session, limit).await? {
            if held.len() + piece.len() > LARGEST {
                return Ok(None);
            }
            let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            exchange.bytes_in += size;
            exchange.shown.passed(size);
            self.metrics.carried(Direction::In, size);
            held.extend_from_slice(&piece);
        }
        exchange.body_done();
        Ok(Some(held.into()))
    }

    async fn put(
        &self,
        exchange: &mut Exchange,
        manifest: &Manifest,
        last: &mut Option<Box<Reply>>,
    ) -> Event {
        if exchange.asked > 0 && !self.may_retry(RetryReason::Lost) {
            return Event::NoNode;
        }
        loop {
            let current = match self.next_place(exchange).await {
                Ok(current) => current,
                Err(fault) => {
                    exchange.fault = Some(fault);
                    return Event::NoNode;
                }
            };
            let place = Arc::clone(&current.place);
            Self::take(exchange, current);
            let mut request = manifest.request.clone();
            Self::link_own(&mut request, exchange);
            let timeouts = &exchange.snapshot.timeouts;
            let begun = self
                .live
                .begin(&place.target, timeouts, Pace::Read, request)
                .await;
            let mut flight = match begun {
                Ok(push) => {
                    let snapshot = Arc::clone(&exchange.snapshot);
                    Attempted::new(push, place.node.id().clone(), snapshot)
                }
                Err(Failure::Unverified) => {
                    self.blame(exchange, NodeTrouble::Unverified, Attempt::ConnectFailed);
                    continue;
                }
                Err(Failure::Unreachable | Failure::NoNode) => {
                    self.blame(exchange, NodeTrouble::Unreachable, Attempt::ConnectFailed);
                    continue;
                }
                Err(failure @ (Failure::Broken | Failure::Stalled)) => {
                    return self.unanswered(exchange, failure, Event::Unsent);
                }
            };
            return match send(&mut flight, manifest).await {
                Ok(reply) => {
                    exchange.trail.hears(reply.head.status.as_u16());
                    let asks = (&Method::PUT, &manifest.request.headers);
                    // A refusal stores nothing.
                    if self.doubts(asks, (reply.head.status, &reply.head.headers), exchange) {
                        continue;
                    }
                    let answer = word(exchange, &reply);
                    if answer == Answer::Trouble {
                        self.blame_for(exchange, &reply);
                    }
                    *last = Some(Box::new(reply));
                    Event::Answered(answer)
                }
                Err(failure) => self.unanswered(exchange, failure, Event::Unanswered),
            };
        }
    }

    fn unanswered(&self, exchange: &mut Exchange, failure: Failure, event: Event) -> Event {
        match failure {
            Failure::Stalled => self.blame(exchange, NodeTrouble::Stalled, Attempt::Stalled),
            Failure::NoNode | Failure::Unreachable | Failure::Unverified | Failure::Broken => {
                self.blame(exchange, NodeTrouble::Broken, Attempt::LostBeforeAnswer);
            }
        }
        event
    }

    /// Asks for the manifest under its name and compares it with what was sent.
    async fn look(&self, exchange: &mut Exchange, manifest: &Manifest) -> Looked {
        let Ok(current) = self.next_place(exchange).await else {
            return Looked::Unknown;
        };
        let mut request = manifest.request.clone();
        request.set_method(Method::HEAD);
        // Without a fitting Accept a manifest that is there is said to be missing.
        let kind = request.headers.get(header::CONTENT_TYPE).cloned();
        let kind = kind.unwrap_or_else(|| HeaderValue::from_static("*/*"));
        for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
            request.remove_header(&name);
        }
        if request.insert_header(header::ACCEPT, kind).is_err() {
            return Looked::Unknown;
        }
        // The same node may be asked to store it next.
        let place = &current.place;
        exchange.next.push(place.node.id().clone());
        let timeouts = &exchange.snapshot.timeouts;
        let Ok(found) = self.live.fetch(&place.target, timeouts, request).await else {
            return Looked::Unknown;
        };
        let digest = found.head.headers.get("docker-content-digest");
        match found.head.status {
            StatusCode::OK if digest.is_some_and(|digest| *digest == manifest.digest) => {
                exchange.last_node = Some(place.node.id().clone());
                Looked::Same
            }
            StatusCode::OK | StatusCode::NOT_FOUND => Looked::Other,
            _ => Looked::Unknown,
        }
    }

    /// Another node than the first has the manifest now.
    fn manifest_rescued(&self, exchange: &mut Exchange) {
        let pair = (exchange.first_node.clone(), exchange.last_node.clone());
        if pair.0 == pair.1 {
            return;
        }
        exchange.takeovers += 1;
        let kind = TakeoverKind::Manifest;
        self.rescued(exchange, kind, pair, TakeoverReason::Lost);
        let (from, to) = (&exchange.first_node, &exchange.last_node);
        tracing::info!(
            request_id = exchange.request_id,
            repo = repository(exchange),
            from = from.as_ref().map(NodeId::as_str),
            to = to.as_ref().map(NodeId::as_str),
            "manifest taken over"
        );
    }

    async fn acknowledge_manifest(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        manifest: &Manifest,
    ) -> Result<bool> {
        let Some(arrival) = &exchange.arrival else {
            return Ok(true);
        };
        let Route::Manifest(repository, _) = &arrival.target.route else {
            return Ok(true);
        };
        let mut head = ResponseHeader::build(StatusCode::CREATED, Some(6))?;
        head.insert_header("Docker-Distribution-Api-Version", "registry/2.0")?;
        head.insert_header("Docker-Content-Digest", manifest.digest.as_str())?;
        head.insert_header(header::CONTENT_LENGTH, 0)?;
        let path = format!("/v2/{repository}/manifests/{}", manifest.digest);
        let location = public_url(arrival, exchange.snapshot.public.location, &path);
        head.insert_header(header::LOCATION, location)?;
        if let Some(id) = exchange.request_id_value() {
            head.insert_header("X-Request-Id", id)?;
        }
        if let Some(node) = exchange.last_node.clone() {
            self.remember(&Method::PUT, &head, exchange, &node);
            tracing::info!(request_id = exchange.request_id, %node, "manifest was stored before its node failed");
        }
        self.manifest_rescued(exchange);
        self.synthesized(exchange, Synthesized::Created);
        exchange.fault = None;
        exchange.first_byte.get_or_insert_with(Instant::now);
        exchange.status = StatusCode::CREATED.as_u16();
        self.finish(session, exchange, head, Bytes::new()).await
    }
}

async fn send(flight: &mut Attempted, manifest: &Manifest) -> std::result::Result<Reply, Failure> {
    let sent = async {
        if !manifest.body.is_empty() {
            flight.send(manifest.body.clone()).await?;
        }
        flight.end().await
    };
    match sent.await {
        Ok(()) => flight.head().await?,
        // A node that answers early stops reading.
        Err(failure) => flight.late_head().await.map_err(|_| failure)?,
    }
    flight.reply().await
}

fn word(exchange: &Exchange, reply: &Reply) -> Answer {
    let Some(arrival) = &exchange.arrival else {
        return Answer::Final;
    };
    let (status, headers) = (reply.head.status, &reply.head.headers);
    let entries = parse_envelope(&reply.body).unwrap_or_default();
    let lags = entries
        .iter()
        .any(|entry| LAGS.contains(&entry.code.as_str()));
    // What is no manifest gets a 500 from every Harbor: it is the client's fault, and is quoted.
    let nonsense = status == StatusCode::INTERNAL_SERVER_ERROR && !entries.is_empty();
    match classify(
        &arrival.target.route,
        &Method::PUT,
        status,
        headers,
        &reply.body,
    ) {
        _ if lags => Answer::Lags,
        Word::Created => Answer::Created,
        Word::Trouble if nonsense && exchange.asked > 1 => Answer::Final,
        Word::Trouble => Answer::Trouble,
        Word::Accepted
        | Word::SessionUnknown
        | Word::DigestInvalid
        | Word::Unauthorized
        | Word::Final => Answer::Final,
    }
}

fn sha256(body: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, body);
    hash.as_ref()
        .iter()
        .fold("sha256:".to_owned(), |hex, byte| {
            hex + &format!("{byte:02x}")
        })
}

/// What registries take.
const LARGEST: usize = 4 * 1024 * 1024;
/// The first pause for a storage that lags.
const LAG: Duration = Duration::from_millis(200);
/// What a node says of a manifest whose blobs it does not see yet.
const LAGS: [&str; 2] = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"];
