//! A DELETE whose first node was lost before it answered: what the next one no longer finds was deleted.

use http::{Method, StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use crate::observe::labels::Synthesized;
use crate::registry::route::Route;

use super::super::exchange::{Deletion, Exchange};
use super::Edge;

impl Edge {
    /// Tells the client that it is done, in place of the 404 of a node that came too late.
    pub(super) fn deleted(
        &self,
        session: &Session,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let route = exchange
            .arrival
            .as_ref()
            .map(|arrival| &arrival.target.route);
        let of_content = matches!(route, Some(Route::Manifest(..) | Route::Blob(..)));
        let deletes = of_content && session.req_header().method == Method::DELETE;
        let unsure = exchange.deletion == Deletion::Unsure;
        if !deletes || !unsure || head.status != StatusCode::NOT_FOUND {
            return Ok(());
        }
        exchange.deletion = Deletion::Done;
        head.set_status(StatusCode::ACCEPTED)?;
        head.remove_header(&header::CONTENT_TYPE);
        head.remove_header(&header::CONTENT_ENCODING);
        head.remove_header(&header::TRANSFER_ENCODING);
        head.insert_header(header::CONTENT_LENGTH, 0)?;
        self.synthesized(exchange, Synthesized::Accepted);
        Ok(())
    }
}
