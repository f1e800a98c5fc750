//! What is asked of an upload beside carrying its bytes: how far it is, and its end.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use tokio::time::Instant;

use crate::affinity::standing::Standing;
use crate::affinity::token::Upload;
use crate::observe::labels::Synthesized;
use crate::registry::range::Received;
use crate::registry::route::Route;

use super::super::exchange::Exchange;
use super::Edge;
use super::push::described;
use super::respond::{public_url, sealed};

impl Edge {
    /// Status and cancellation of an upload: they go to the node that has it now, which may be another than
    /// the client's address says. `true` when the answer has been written.
    pub(super) async fn relay_upload(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<bool> {
        let relay = exchange.relay.as_mut();
        let Some(upload) = relay.and_then(|relay| relay.upload.as_mut()) else {
            return Ok(false);
        };
        let now = Instant::now().into_std();
        let Some(shared) = self.transfers.find(&upload.session, now) else {
            let client = upload.clone();
            let newer = match self.compare(exchange, &client).await {
                Standing::Current => None,
                Standing::Moved(known) | Standing::Behind(known) => Some(known),
            };
            let upload = exchange.relay.as_mut().and_then(|one| one.upload.as_mut());
            if let (Some(upload), Some(newer)) = (upload, newer) {
                *upload = newer;
            }
            return Ok(false);
        };
        let transfer = shared.lock().await;
        if transfer.is_behind(upload) {
            return Ok(false);
        }
        let now_known = described(&upload.repository, &upload.session, &transfer);
        *upload = now_known.clone();
        let asks = matches!(session.req_header().method, Method::GET | Method::HEAD);
        // A node that has the upload as it is may say that the client must not know.
        if !asks || !transfer.is_ours_to_tell() {
            return Ok(false);
        }
        drop(transfer);
        self.tell_status(session, exchange, &now_known).await
    }

    /// The status of an upload that another node took over, or has to: nobody knows it better.
    async fn tell_status(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        upload: &Upload,
    ) -> Result<bool> {
        let (Some(location), Some(arrival)) = (sealed(exchange, upload), &exchange.arrival) else {
            return Ok(false);
        };
        let form = exchange.snapshot.public.location;
        let range = Received::of(upload.offset).to_string();
        let mut head = ResponseHeader::build(StatusCode::NO_CONTENT, Some(8))?;
        head.insert_header("Docker-Distribution-Api-Version", "registry/2.0")?;
        head.insert_header("Docker-Upload-Uuid", upload.session.as_str())?;
        head.insert_header(header::RANGE, range)?;
        head.insert_header(header::LOCATION, public_url(arrival, form, &location))?;
        if let Some(id) = exchange.request_id_value() {
            head.insert_header("X-Request-Id", id)?;
        }
        self.synthesized(exchange, Synthesized::Status);
        exchange.status = StatusCode::NO_CONTENT.as_u16();
        exchange.first_byte.get_or_insert_with(Instant::now);
        self.finish(session, exchange, head, Bytes::new()).await
    }
    /// A cancelled upload is kept no longer. Clients may not be allowed to cancel, and go on.
    pub(super) fn forget(&self, method: &Method, status: StatusCode, exchange: &Exchange) {
        let route = exchange.arrival.as_ref().map(|one| &one.target.route);
        if let Some(Route::Upload(_, session)) = route
            && *method == Method::DELETE
            && status.is_success()
        {
            self.transfers.forget(session);
        }
    }
}
