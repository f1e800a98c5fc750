//! A request of a push is carried over as many nodes as it takes.
//!
//! The machine and the driver of the upload room decide; here they meet the client, the nodes and the record.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::Instant;

use crate::affinity::token::Upload;
use crate::observe::labels::{Direction, Synthesized, Unprotected};
use crate::registry::digest::Digest;
use crate::registry::error::parse_envelope;
use crate::registry::name::RepositoryName;
use crate::registry::range::Received;
use crate::registry::route::{Route, Target};
use crate::registry::session::SessionId;
use crate::spool::settings::WhenFull;
use crate::upload::driver::{Body, Ended, Reply, carry};
use crate::upload::elsewhere::{Gone, is_lost, meet, protection};
use crate::upload::takeover::{Action, Protection, Refusal, Session as Held, Step, Takeover};
use crate::upload::transfer::{Carried, Shared, Transfer};

use super::super::answer;
use super::super::exchange::{Current, Ended as Answered, Exchange};
use super::super::fault::{Fault, NodeTrouble};
use super::super::gate::Gate;
use super::super::snapshot::Place;
use super::Edge;
use super::arrive::unix_seconds;
use super::client::{Client, has_left};
use super::nodes::Pusher;
use super::respond::{public_url, sealed};

impl Edge {
    /// Carries a PATCH or a PUT. `Ok(true)` when the client has an answer that ended properly, `Ok(false)` when
    /// nothing can be done for the upload but to pass it on.
    pub(super) async fn push(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        upload: Upload,
    ) -> Result<bool> {
        let (upload, held) = self.meet(exchange, upload).await;
        let upload = &upload;
        let Some(shared) = self.enter(exchange, upload) else {
            return Ok(false);
        };
        let mut transfer = shared.lock().await;
        // What was done while it waited is the client's latest word.
        if has_left(session) {
            return Err(Error::new_down(ErrorType::ConnectionClosed));
        }
        transfer.rewind(upload, || self.spools.open()).await;
        if held == Held::Spent {
            transfer.session = Held::Spent;
        }
        let length = content_length(session);
        if let (Some(transfer), Some(length)) = (exchange.shown.transfer(), length) {
            transfer.expect(length);
        }
        let mut base = Self::own_request(session, exchange)?;
        // What a node answers has to be read here.
        base.remove_header(&header::ACCEPT_ENCODING);
        let protection = protection(&transfer);
        let machine = Self::machine((session, exchange), &transfer, protection, length);
        let (mut spool, before) = transfer.lend();
        let mut client = Client::new(session, exchange, self);
        let patience = match self.spools.when_full() {
            WhenFull::Wait => Some(exchange.snapshot.retry.patience),
            WhenFull::Unprotected => None,
        };
        let body = Body::new(&mut client, &mut spool, upload.offset, length);
        let mut body = body.patient(patience);
        let mut nodes = Pusher::new(self, exchange, (base, length), (&transfer, protection));
        let ended = carry(machine, &mut nodes, &mut body).await;
        let received = body.received();
        let backend = nodes.into_backend();
        exchange.bytes_in += client.bytes;
        exchange.latest_in = client.latest;
        exchange.takeovers = backend.takeovers;
        exchange.body_done();
        let carried = Carried {
            spool,
            before,
            node: backend.node,
            location: backend.location,
            received,
            takeovers: backend.takeovers,
            asked: exchange.asked,
        };
        transfer.settle(&ended, carried);
        self.tell_moved(exchange, (upload, &transfer), &ended).await;
        let gone = Gone::of(&transfer, upload);
        let done = match ended {
            Ended::Acknowledge => {
                self.acknowledge(session, exchange, &transfer, received)
                    .await
            }
            ended => {
                self.pass_end(session, exchange, ended, (backend.answerer, gone))
                    .await
            }
        };
        drop(transfer);
        self.show_uploads();
        done
    }

    /// Takes the upload among those that run, unless there are too many.
    fn enter(&self, exchange: &mut Exchange, upload: &Upload) -> Option<Shared> {
        let now = Instant::now().into_std();
        let begin = || Transfer::begin(upload, self.spools.open());
        let entered = self.transfers.enter(&upload.session, now, begin);
        if entered.is_none() {
            exchange.rescued.unprotected = Some(Unprotected::TooMany);
            self.metrics.upload_unprotected(Unprotected::TooMany);
        }
        self.metrics.uploads(self.transfers.count());
        entered
    }

    /// The client reads what the request came to, unless it is ours to say.
    async fn pass_end(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        ended: Ended,
        (answerer, gone): (Option<Arc<Place>>, Gone),
    ) -> Result<bool> {
        if is_lost(gone, &ended) {
            return self.tell_lost(session, exchange).await;
        }
        match ended {
            Ended::Pass(reply, _) => {
                let arrival = exchange.arrival.as_ref();
                let id = arrival.and_then(|arrival| arrival.session.clone());
                if let (StatusCode::CREATED, Some(id)) = (reply.head.status, id) {
                    self.transfers.forget(&id);
                }
                self.pass_reply(session, exchange, reply).await
            }
            Ended::Refuse(refusal, last) => {
                if let (None, Some(place)) = (&exchange.current, answerer) {
                    quote(exchange, last.as_deref(), (place, &self.gate));
                }
                self.refuse(session, exchange, refusal, last).await
            }
            Ended::Acknowledge | Ended::ClientLeft => {
                Err(Error::new_down(ErrorType::ConnectionClosed))
            }
        }
    }

    /// The upload as it is to be gone on with, and whether its session may be.
    async fn meet(&self, exchange: &mut Exchange, upload: Upload) -> (Upload, Held) {
        let now = Instant::now().into_std();
        if self.transfers.find(&upload.session, now).is_some() {
            return (upload, Held::Clean);
        }
        if upload.offset > 0 {
            // Its first bytes passed another balancer, or this one before it was started again.
            exchange.rescued.unprotected = Some(Unprotected::BegunElsewhere);
            self.metrics.upload_unprotected(Unprotected::BegunElsewhere);
        }
        meet(self.compare(exchange, &upload).await, upload)
    }

    fn machine(
        (session, exchange): (&Session, &Exchange),
        transfer: &Transfer,
        protection: Protection,
        length: Option<u64>,
    ) -> (Takeover, Action) {
        Takeover::new(
            step(session, transfer.acknowledged, length),
            transfer.session,
            protection,
            exchange.snapshot.retry.attempts,
            transfer.authorized,
        )
    }

    /// Tells the metrics how many uploads run and what is kept of them.
    pub(super) fn show_uploads(&self) {
        self.metrics.uploads(self.transfers.count());
        self.metrics.spooled(self.spools.ledger().used());
    }

    pub(super) async fn pass_reply(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        reply: Box<Reply>,
    ) -> Result<bool> {
        let Reply { mut head, body } = *reply;
        head.set_version(http::Version::HTTP_11);
        self.answered(session, &mut head, exchange)?;
        head.remove_header(&header::TRANSFER_ENCODING);
        if head.status != StatusCode::NO_CONTENT {
            head.insert_header(header::CONTENT_LENGTH, body.len())?;
        }
        self.finish(session, exchange, head, body).await
    }

    /// Tells the client in our own words what a node has taken over from another.
    async fn acknowledge(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        transfer: &Transfer,
        received: u64,
    ) -> Result<bool> {
        let Some(arrival) = &exchange.arrival else {
            return Ok(true);
        };
        let Route::Upload(repository, id) = &arrival.target.route else {
            return Ok(true);
        };
        let commits = session.req_header().method == Method::PUT;
        let form = exchange.snapshot.public.location;
        let status = if commits {
            StatusCode::CREATED
        } else {
            StatusCode::ACCEPTED
        };
        let mut head = ResponseHeader::build(status, Some(8))?;
        head.insert_header("Docker-Distribution-Api-Version", "registry/2.0")?;
        head.insert_header(header::CONTENT_LENGTH, 0)?;
        let location = if commits {
            let digest = wanted(&arrival.target);
            let digest = digest.ok_or_else(|| Error::new_in(ErrorType::InternalError))?;
            head.insert_header("Docker-Content-Digest", digest.as_str())?;
            public_url(arrival, form, &format!("/v2/{repository}/blobs/{digest}"))
        } else {
            head.insert_header(header::RANGE, Received::of(received).to_string())?;
            head.insert_header("Docker-Upload-Uuid", id.as_str())?;
            let token = sealed(exchange, &described(repository, id, transfer));
            let token = token.ok_or_else(|| Error::new_in(ErrorType::InternalError))?;
            public_url(arrival, form, &token)
        };
        head.insert_header(header::LOCATION, location)?;
        if commits {
            self.transfers.forget(id);
            self.remember(&Method::PUT, &head, exchange, &transfer.node);
        }
        if let Some(id) = exchange.request_id_value() {
            head.insert_header("X-Request-Id", id)?;
        }
        self.synthesized(
            exchange,
            if commits {
                Synthesized::Created
            } else {
                Synthesized::Accepted
            },
        );
        // What went wrong on the way is mended.
        exchange.fault = None;
        exchange.first_byte.get_or_insert_with(Instant::now);
        exchange.status = status.as_u16();
        self.finish(session, exchange, head, Bytes::new()).await
    }

    /// The client is told in our own words.
    pub(super) fn synthesized(&self, exchange: &mut Exchange, status: Synthesized) {
        exchange.rescued.synthesized = Some(status);
        self.metrics.upload_synthesized(status);
    }

    pub(super) async fn finish(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        head: ResponseHeader,
        body: Bytes,
    ) -> Result<bool> {
        let silent = body.is_empty();
        exchange.farewell(session);
        let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        exchange.status = head.status.as_u16();
        exchange.bytes_out += size;
        self.metrics.carried(Direction::Out, size);
        let sent = async {
            session
                .write_response_header(Box::new(head), silent)
                .await?;
            if !silent {
                session.write_response_body(Some(body), false).await?;
            }
            session.write_response_body(None, true).await
        };
        sent.await.map_err(Error::into_down)?;
        exchange.ended = Answered::Whole;
        answer::drain(session).await;
        Ok(true)
    }

    pub(super) async fn refuse(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        refusal: Refusal,
        last: Option<Box<Reply>>,
    ) -> Result<bool> {
        // A fleet that answers the same everywhere is quoted, if it speaks like a registry.
        if let Some(reply) = last.filter(|reply| is_quotable(reply)) {
            exchange.fault = None;
            return self.pass_reply(session, exchange, reply).await;
        }
        let fault = match refusal {
            Refusal::NoNode => exchange.fault.unwrap_or(Fault::NoNode),
            Refusal::Lost => exchange.fault.unwrap_or(Fault::Node(NodeTrouble::Broken)),
        };
        answer::tell(session, exchange, fault).await?;
        answer::drain(session).await;
        Ok(true)
    }
}

/// An answer that is passed on in the end is rewritten as one of the node that gave it.
fn quote(exchange: &mut Exchange, last: Option<&Reply>, (place, gate): (Arc<Place>, &Arc<Gate>)) {
    if last.is_some_and(is_quotable) {
        exchange.last_node = Some(place.node.id().clone());
        exchange.current = Some(Current::booked(place, gate));
    }
}

/// Whether an error of a node is in the registry's own words.
fn is_quotable(reply: &Reply) -> bool {
    reply.head.status.is_server_error() && parse_envelope(&reply.body).is_some()
}

/// How long the body is. One that is neither announced nor coming has no length.
fn content_length(session: &mut Session) -> Option<u64> {
    let length = session.req_header().headers.get(header::CONTENT_LENGTH);
    let announced = length.and_then(|value| value.to_str().ok()?.parse().ok());
    announced.or_else(|| session.is_body_done().then_some(0))
}

fn step(session: &Session, offset: u64, length: Option<u64>) -> Step {
    match (&session.req_header().method, length) {
        (&Method::PATCH, _) => Step::Patch,
        (_, Some(0)) => Step::Commit,
        (_, Some(length)) if offset == 0 => Step::PutWhole { length },
        _ => Step::PutLast,
    }
}

/// The digest that the client names.
pub(super) fn wanted(target: &Target) -> Option<Digest> {
    let digest = target.query.as_ref()?.find_decoded("digest")?;
    Digest::parse(&digest)
}

/// The transfer as a token describes it.
pub(super) fn described(
    repository: &RepositoryName,
    id: &SessionId,
    transfer: &Transfer,
) -> Upload {
    Upload {
        repository: repository.clone(),
        session: id.clone(),
        node: transfer.node.clone(),
        location: transfer.location.clone(),
        offset: transfer.acknowledged,
        issued: unix_seconds(),
    }
}
