//! Equal requests for a token that share one.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use tokio::time::Instant;

use crate::guard::outcome::Outcome;
use crate::guard::settings::Tokens;
use crate::guard::sharing::{Granted, Part, shared_for};
use crate::registry::route::Route;

use super::super::super::exchange::Exchange;
use super::super::Edge;
use super::Admission;

impl Edge {
    /// Gives the request the answer to an equal one, if the operator wants that and there is one.
    pub(super) async fn join_token(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<Admission> {
        let guard = &exchange.snapshot.guard;
        let request = session.req_header();
        let (Some(arrival), Some(credentials), Tokens::Shared) = (
            &exchange.arrival,
            request.headers.get(header::AUTHORIZATION),
            guard.tokens,
        ) else {
            return Ok(Admission::Go);
        };
        let asks = arrival.target.route == Route::Token && request.method == Method::GET;
        if !asks || exchange.guarded.attempt.is_none() {
            return Ok(Admission::Go);
        }
        let target = arrival.target.to_string();
        let mark = exchange.snapshot.anonymizer.secret(&[
            credentials.as_bytes(),
            arrival.authority.as_bytes(),
            target.as_bytes(),
        ]);
        let (now, patience) = (Instant::now().into_std(), guard.patience);
        match self.guard.tokens.join(mark, now, patience).await {
            Part::Lead(lead) => exchange.guarded.lead = Some(lead),
            Part::Alone => {}
            Part::Take(granted) => {
                self.give(session, exchange, granted).await?;
                return Ok(Admission::Answered);
            }
        }
        Ok(Admission::Go)
    }

    /// Tells those who wait for the same token what the node said.
    pub(super) fn tell_others(
        exchange: &mut Exchange,
        body: Bytes,
        media_type: String,
        seconds: u64,
    ) {
        if let Some(lead) = exchange.guarded.lead.take() {
            let now = Instant::now().into_std();
            lead.tell(Granted { body, media_type }, now + shared_for(seconds));
        }
    }

    async fn give(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        granted: Granted,
    ) -> Result<()> {
        exchange.guarded.outcome = Some(Outcome::Right);
        self.metrics.token_shared();
        let mut head = ResponseHeader::build(StatusCode::OK, Some(4))?;
        head.insert_header(header::CONTENT_TYPE, granted.media_type)?;
        head.insert_header(header::CONTENT_LENGTH, granted.body.len())?;
        if let Some(id) = exchange.request_id_value() {
            head.insert_header("X-Request-Id", id)?;
        }
        exchange.first_byte.get_or_insert_with(Instant::now);
        self.finish(session, exchange, head, granted.body).await?;
        Ok(())
    }
}
