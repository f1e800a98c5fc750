//! A request of a push is carried over as many nodes as it takes.
//!
//! The machine and the driver of the upload room decide; here they meet the client, the nodes and the record.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::Instant;

use crate::affinity::token::Upload;
use crate::observe::labels::Direction;
use crate::registry::error::parse_envelope;
use crate::registry::name::RepositoryName;
use crate::registry::range::Received;
use crate::registry::route::Route;
use crate::registry::session::SessionId;
use crate::upload::driver::{Body, Ended, Reply, carry};
use crate::upload::takeover::{Protection, Refusal, Session as NodeSession, Step, Takeover};
use crate::upload::transfer::Transfer;

use super::super::answer;
use super::super::exchange::{Ended as Answered, Exchange};
use super::super::fault::{Fault, NodeTrouble};
use super::Edge;
use super::arrive::unix_seconds;
use super::client::Client;
use super::nodes::Pusher;
use super::respond::{public_url, sealed};

impl Edge {
    /// Carries a PATCH or a PUT. `Ok(true)` when the client has an answer that ended properly.
    pub(super) async fn push(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        upload: &Upload,
    ) -> Result<bool> {
        let now = Instant::now().into_std();
        let begin = || Transfer::begin(upload, self.spools.open());
        let shared = self.transfers.enter(&upload.session, now, begin);
        let mut transfer = shared.lock().await;
        transfer.rewind(upload).await;
        let protection = match transfer.spool {
            Some(_) => Protection::Kept,
            None => Protection::None,
        };
        let length = content_length(session);
        let step = step(session, upload.offset, length);
        let attempts = exchange.snapshot.retry.attempts;
        let machine = Takeover::new(
            step,
            transfer.session,
            protection,
            attempts,
            transfer.authorized,
        );
        // Until the node has answered, its session holds nobody knows what.
        transfer.session = NodeSession::Spent;
        let base = Self::own_request(session, exchange)?;
        let mut spool = transfer.spool.take();
        let mut client = Client::new(session, exchange, Arc::clone(&self.metrics));
        let mut body = Body::new(&mut client, &mut spool, upload.offset, length);
        let mut nodes = Pusher::new(self, exchange, (base, length), &transfer);
        let ended = carry(machine, &mut nodes, &mut body).await;
        let received = body.received();
        let (node, location, takeovers) = nodes.into_backend();
        exchange.bytes_in += client.bytes;
        transfer.spool = spool;
        transfer.node = node;
        transfer.takeovers += takeovers;
        exchange.takeovers = takeovers;
        exchange.body_done();
        match ended {
            Ended::Pass(reply) => {
                self.settle(&mut transfer, upload, &reply, (received, location));
                self.pass_reply(session, exchange, reply).await
            }
            Ended::Acknowledge => {
                transfer.location = location;
                transfer.session = NodeSession::Clean;
                transfer.acknowledged = received;
                self.acknowledge(session, exchange, &transfer, received)
                    .await
            }
            Ended::Refuse(refusal, last) => self.refuse(session, exchange, refusal, last).await,
            Ended::ClientLeft => Err(Error::new_down(ErrorType::ConnectionClosed)),
        }
    }

    /// What a node's own answer means for the transfer.
    fn settle(
        &self,
        transfer: &mut Transfer,
        upload: &Upload,
        reply: &Reply,
        (received, location): (u64, String),
    ) {
        match reply.head.status {
            StatusCode::ACCEPTED => {
                transfer.location = location;
                transfer.session = NodeSession::Clean;
                transfer.acknowledged = received;
                transfer.authorized = true;
            }
            StatusCode::CREATED => self.transfers.forget(&upload.session),
            // Nothing was sent that the session did not have: a refused commit leaves it as it was.
            _ if received == upload.offset => transfer.session = NodeSession::Clean,
            _ => {}
        }
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
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
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
            let query = arrival.target.query.as_ref();
            let digest = query.and_then(|query| query.find_decoded("digest"));
            let digest = digest.unwrap_or_default().into_owned();
            head.insert_header(
                "Docker-Content-Digest",
                HeaderValue::from_str(&digest)
                    .map_err(|_| Error::new_in(ErrorType::InvalidHTTPHeader))?,
            )?;
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
        exchange.first_byte.get_or_insert_with(Instant::now);
        exchange.status = status.as_u16();
        self.finish(session, exchange, head, Bytes::new()).await
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

    /// Whether everything the upload has so far passed through here.
    pub(super) fn knows(&self, upload: &Upload) -> bool {
        let now = Instant::now().into_std();
        upload.offset == 0 || self.transfers.find(&upload.session, now).is_some()
    }

    /// Status and cancellation of an upload: they go to the node that has it now, which may be another than
    /// the client's address says. `true` when the answer has been written.
    pub(super) async fn relay_upload(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<bool> {
        let upload = exchange
            .relay
            .as_ref()
            .and_then(|relay| relay.upload.clone());
        let Some(upload) = upload else {
            return Ok(false);
        };
        let found = self
            .transfers
            .find(&upload.session, Instant::now().into_std());
        let Some(shared) = found else {
            return Ok(false);
        };
        let transfer = shared.lock().await;
        if let Some(upload) = exchange
            .relay
            .as_mut()
            .and_then(|relay| relay.upload.as_mut())
        {
            upload.node = transfer.node.clone();
            upload.location.clone_from(&transfer.location);
        }
        drop(transfer);
        if matches!(session.req_header().method, Method::GET | Method::HEAD)
            && let Some(told) = self.upload_status(session, exchange, &upload).await?
        {
            return Ok(told);
        }
        if session.req_header().method == Method::DELETE {
            self.transfers.forget(&upload.session);
        }
        Ok(false)
    }

    /// The status of an upload that runs through here: nobody knows it better.
    pub(super) async fn upload_status(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        upload: &Upload,
    ) -> Result<Option<bool>> {
        let found = self
            .transfers
            .find(&upload.session, Instant::now().into_std());
        let Some(shared) = found else { return Ok(None) };
        let transfer = shared.lock().await;
        if transfer.takeovers == 0 {
            // Its node still knows it, and may say that the client is not allowed to.
            return Ok(None);
        }
        let described = described(&upload.repository, &upload.session, &transfer);
        let Some(location) = sealed(exchange, &described) else {
            return Ok(None);
        };
        let Some(arrival) = &exchange.arrival else {
            return Ok(None);
        };
        let mut head = ResponseHeader::build(StatusCode::NO_CONTENT, Some(8))?;
        head.insert_header("Docker-Distribution-Api-Version", "registry/2.0")?;
        head.insert_header("Docker-Upload-Uuid", upload.session.as_str())?;
        head.insert_header(
            header::RANGE,
            Received::of(transfer.acknowledged).to_string(),
        )?;
        let location = public_url(arrival, exchange.snapshot.public.location, &location);
        head.insert_header(header::LOCATION, location)?;
        exchange.status = StatusCode::NO_CONTENT.as_u16();
        exchange.first_byte.get_or_insert_with(Instant::now);
        self.finish(session, exchange, head, Bytes::new())
            .await
            .map(Some)
    }
}

/// Whether an error of a node is in the registry's own words.
fn is_quotable(reply: &Reply) -> bool {
    reply.head.status.is_server_error() && parse_envelope(&reply.body).is_some()
}

fn content_length(session: &Session) -> Option<u64> {
    let length = session.req_header().headers.get(header::CONTENT_LENGTH);
    length.and_then(|value| value.to_str().ok()?.parse().ok())
}

fn step(session: &Session, offset: u64, length: Option<u64>) -> Step {
    match (&session.req_header().method, length) {
        (&Method::PATCH, _) => Step::Patch,
        (_, Some(0)) => Step::Commit,
        (_, Some(length)) if offset == 0 => Step::PutWhole { length },
        _ => Step::PutLast,
    }
}

/// The transfer as a token describes it.
fn described(repository: &RepositoryName, id: &SessionId, transfer: &Transfer) -> Upload {
    Upload {
        repository: repository.clone(),
        session: id.clone(),
        node: transfer.node.clone(),
        location: transfer.location.clone(),
        offset: transfer.acknowledged,
        issued: unix_seconds(),
    }
}
