//! A node's answer goes out: judged, rewritten, remembered, counted.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::{FailToProxy, Session};
use pingora::{Error, ErrorSource, ErrorType, Result};
use tokio::time::Instant;

use crate::affinity::token::Upload;
use crate::fleet::node::NodeId;
use crate::observe::labels::{Direction, Misfit};
use crate::registry::route::Route;
use crate::rewrite::answer::{Misfit as Found, View};
use crate::rewrite::{self, Edit, LocationForm, PublicUrl, hop, location, systeminfo};
use crate::upstream::settings::NodeScheme;
use crate::upstream::verdict::{Verdict, judge};

use super::super::answer;
use super::super::exchange::{Arrived, Deletion, Ended, Exchange};
use super::super::fault::{Fault, NodeTrouble};
use super::super::plan::STATE;
use super::super::snapshot::Place;
use super::Edge;
use super::arrive::unix_seconds;
use super::sharing::token;

impl Edge {
    /// The head of a node's answer.
    pub(super) fn answered(
        &self,
        session: &Session,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if head.status.is_informational() {
            return Ok(());
        }
        let (Some(arrival), Some(current)) = (&exchange.arrival, &exchange.current) else {
            return Ok(());
        };
        let route = &arrival.target.route;
        let method = &session.req_header().method;
        let told = (head.status, &head.headers);
        exchange.guarded.hear_head(route, method, told);
        match judge(route, method, head.status, &head.headers, None) {
            Verdict::NodeFault(_) => {
                exchange.fault = Some(Fault::Node(NodeTrouble::BadAnswer));
                return Err(Error::new_up(ErrorType::InvalidHTTPHeader));
            }
            Verdict::RedirectsToHttps => {
                let location = head.headers.get(header::LOCATION);
                if let Some(location) = location.and_then(|value| value.to_str().ok()) {
                    current.place.target.learn_https(location);
                }
                self.misfit(&current.place, Misfit::RedirectsToHttps);
                // The client would be sent round in a circle.
                exchange.fault = Some(Fault::Node(NodeTrouble::BadAnswer));
                return Err(Error::new_up(ErrorType::InvalidHTTPHeader));
            }
            Verdict::Served | Verdict::SharedFault(_) => {}
        }
        let place = Arc::clone(&current.place);
        self.rewrite(head, exchange, &place)?;
        self.remember(method, head, exchange, place.node.id());
        self.forget(method, head.status, exchange);
        let now = Instant::now();
        exchange.lost.settles(now.into_std());
        exchange.first_byte.get_or_insert(now);
        exchange.status = head.status.as_u16();
        let length = head.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
        if let (Some(length), Some(current)) = (length, &mut exchange.current)
            && method != Method::HEAD
        {
            current.expect(length);
        }
        if let Some(id) = exchange.request_id_value() {
            head.insert_header("X-Request-Id", id)?;
        }
        Ok(())
    }

    fn rewrite(
        &self,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
        place: &Place,
    ) -> Result<()> {
        let Some(arrival) = &exchange.arrival else {
            return Ok(());
        };
        let snapshot = &exchange.snapshot;
        let public = PublicUrl {
            scheme: arrival.scheme,
            authority: &arrival.authority,
        };
        let view = View {
            public,
            form: snapshot.public.location,
            node: &place.names,
            known: &snapshot.public.names,
        };
        let raw_location = head.headers.get(header::LOCATION).cloned();
        let route = &arrival.target.route;
        let rewritten = rewrite::answer(route, head.status, &head.headers, &view);
        let upgrade = hop::Upgrade::Refused;
        for edit in hop::response(&head.headers, upgrade)
            .iter()
            .chain(&rewritten.edits)
        {
            apply(head, edit)?;
        }
        for misfit in rewritten.misfits {
            self.misfit(place, label(misfit));
        }
        let sealed = seal(exchange, head.status, raw_location.as_ref(), place);
        // A cancelled upload is named once more, without a Location.
        let named = sealed.is_some() || head.headers.contains_key(UPLOAD_ID);
        if let Some(location) = sealed {
            head.insert_header(header::LOCATION, location)?;
        }
        if let Some(session) = arrival.session.as_ref().filter(|_| named) {
            head.insert_header(UPLOAD_ID, session.as_str())?;
        }
        let json = head.headers.get(header::CONTENT_TYPE);
        let json = json.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        if systeminfo::concerns(&arrival.target.route) && head.status == StatusCode::OK && json {
            exchange.gathered = Some(BytesMut::new());
            head.remove_header(&header::CONTENT_LENGTH);
            head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        Ok(())
    }

    /// A node that is spoken to over TLS anyway may redirect whom it likes.
    fn misfit(&self, place: &Place, misfit: Misfit) {
        let scheme = &place.target.settings().scheme;
        if misfit != Misfit::RedirectsToHttps || *scheme == NodeScheme::Http {
            self.lookout.misfit(place.node.id(), misfit);
        }
    }

    /// Notes who wrote what, so that the next request for it asks a node that surely knows it.
    pub(super) fn remember(
        &self,
        method: &Method,
        head: &ResponseHeader,
        exchange: &Exchange,
        node: &NodeId,
    ) {
        if head.status != StatusCode::CREATED || *method == Method::GET {
            return;
        }
        let Some(route) = exchange
            .arrival
            .as_ref()
            .map(|arrival| &arrival.target.route)
        else {
            return;
        };
        let Some(repository) = route.repository() else {
            return;
        };
        let note = |reference: &str| self.note(repository, reference, node);
        if let Route::Manifest(_, reference) = route {
            note(&reference.to_string());
        }
        let digest = head.headers.get("docker-content-digest");
        if let Some(digest) = digest.and_then(|value| value.to_str().ok()) {
            note(digest);
        }
    }

    /// Bytes from the client to the node.
    pub(super) fn pass_in(
        &self,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) {
        if let Some(piece) = body {
            let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            exchange.bytes_in += size;
            exchange.shown.passed(size);
            self.metrics.carried(Direction::In, size);
            if let Some(current) = &mut exchange.current {
                current.passed(size);
            }
        }
        if end_of_stream {
            exchange.body_done();
            // An empty last piece would be written as a second end of the body and poison the connection.
            if body.as_ref().is_some_and(Bytes::is_empty) {
                *body = None;
            }
        }
    }

    /// Bytes from the node to the client.
    pub(super) fn pass_out(
        &self,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) {
        if exchange.deletion == Deletion::Done {
            *body = None;
        }
        if let (Some(gathered), Some(piece)) = (&mut exchange.gathered, body.as_mut()) {
            let piece = std::mem::take(piece);
            if gathered.len() + piece.len() <= MAX_GATHERED {
                gathered.extend_from_slice(&piece);
            } else {
                // Too large to be the document: what was held goes out as it came.
                let mut held = std::mem::take(gathered);
                held.extend_from_slice(&piece);
                *body = Some(held.freeze());
                exchange.gathered = None;
            }
        }
        if end_of_stream {
            exchange.ended = Ended::Whole;
            if let Some(gathered) = exchange.gathered.take() {
                *body = Some(rewritten_document(&gathered, exchange));
            }
        }
        if let Some(piece) = body {
            let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            exchange.bytes_out += size;
            self.metrics.carried(Direction::Out, size);
            if let Some(current) = &mut exchange.current {
                current.passed(size);
            }
        }
    }

    /// No node could answer, or the client cannot be understood: the client reads why, if it still can.
    pub(super) async fn give_up(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Exchange,
    ) -> FailToProxy {
        let begun = session
            .response_written()
            .is_some_and(|head| !head.status.is_informational());
        let downstream = *error.esource() == ErrorSource::Downstream;
        if begun || downstream {
            if downstream {
                exchange.fault = Some(Fault::Client);
            }
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        }
        let fault = exchange.fault.unwrap_or(Fault::Ours);
        if fault == Fault::Ours {
            tracing::error!(
                request_id = exchange.request_id, fault = %error.etype().as_str(), "internal error"
            );
        }
        let told = answer::tell(session, exchange, fault).await;
        if told.is_ok() {
            answer::drain(session).await;
        }
        FailToProxy {
            error_code: exchange.status,
            can_reuse_downstream: false,
        }
    }
}

/// The public address of an upload, instead of the node's own.
fn seal(
    exchange: &Exchange,
    status: StatusCode,
    raw: Option<&HeaderValue>,
    place: &Place,
) -> Option<String> {
    let running = matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT);
    let arrival = exchange.arrival.as_ref().filter(|_| running)?;
    let (Route::UploadStart(repository) | Route::Upload(repository, _)) = &arrival.target.route
    else {
        return None;
    };
    let session = arrival.session.clone()?;
    let upload = Upload {
        repository: repository.clone(),
        session,
        node: place.node.id().clone(),
        location: location::path_and_query(raw?)?.to_owned(),
        offset: offset(exchange),
        issued: unix_seconds(),
    };
    let path = sealed(exchange, &upload)?;
    Some(public_url(
        arrival,
        exchange.snapshot.public.location,
        &path,
    ))
}

/// The public path of an upload, with everything about it sealed inside.
pub(super) fn sealed(exchange: &Exchange, upload: &Upload) -> Option<String> {
    let token = token(exchange, upload)?;
    let Upload {
        repository,
        session,
        ..
    } = upload;
    Some(format!(
        "/v2/{repository}/blobs/uploads/{session}?{STATE}={token}"
    ))
}

/// What the node has acknowledged of the upload. Its own word is ambiguous for the first byte.
fn offset(exchange: &Exchange) -> u64 {
    let upload = exchange
        .relay
        .as_ref()
        .and_then(|relay| relay.upload.as_ref());
    upload.map_or(0, |upload| upload.offset.saturating_add(exchange.bytes_in))
}

pub(super) fn public_url(arrival: &Arrived, form: LocationForm, path: &str) -> String {
    match form {
        LocationForm::Path => path.to_owned(),
        LocationForm::Absolute => {
            format!("{}://{}{path}", arrival.scheme.as_str(), arrival.authority)
        }
    }
}

fn label(misfit: Found) -> Misfit {
    match misfit {
        Found::RedirectsToHttps => Misfit::RedirectsToHttps,
        Found::Location(_) => Misfit::OwnLocation,
        Found::Realm(_) => Misfit::OwnRealm,
    }
}

fn rewritten_document(gathered: &[u8], exchange: &Exchange) -> Bytes {
    let rewritten = exchange.arrival.as_ref().and_then(|arrival| {
        let public = PublicUrl {
            scheme: arrival.scheme,
            authority: &arrival.authority,
        };
        systeminfo::rewrite(gathered, &public)
    });
    rewritten.map_or_else(|| Bytes::copy_from_slice(gathered), Bytes::from)
}

/// Something whose headers edits can change.
pub(super) trait Headers {
    fn put(&mut self, name: &header::HeaderName, values: &[HeaderValue]) -> Result<()>;
}

macro_rules! headers {
    ($kind:ty) => {
        impl Headers for $kind {
            fn put(&mut self, name: &header::HeaderName, values: &[HeaderValue]) -> Result<()> {
                if let [value] = values {
                    return self.insert_header(name.clone(), value.clone());
                }
                self.remove_header(name);
                for value in values {
                    self.append_header(name.clone(), value.clone())?;
                }
                Ok(())
            }
        }
    };
}

headers!(RequestHeader);
headers!(ResponseHeader);

/// Applies one edit to a head of the proxy library.
pub(super) fn apply(head: &mut impl Headers, edit: &Edit) -> Result<()> {
    match edit {
        Edit::Replace { name, values } => head.put(name, values),
        Edit::Remove { name } => head.put(name, &[]),
    }
}

/// The name of an upload, which is ours to give.
const UPLOAD_ID: &str = "docker-upload-uuid";

/// Harbor's systeminfo is about a kilobyte.
const MAX_GATHERED: usize = 64 * 1024;
