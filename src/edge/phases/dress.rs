//! A request gets what the node shall read: its own address of an upload, our word on where it comes from.

use http::header;
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::rewrite::{forwarded, hop, systeminfo};

use super::super::exchange::Exchange;
use super::super::plan::STATE;
use super::Edge;

impl Edge {
    /// The client's request as we send it ourselves, without what describes its body.
    pub(super) fn own_request(session: &Session, exchange: &Exchange) -> Result<RequestHeader> {
        let mut request = session.req_header().clone();
        request.set_version(http::Version::HTTP_11);
        Self::dress(session, &mut request, exchange)?;
        if let Some(arrival) = &exchange.arrival {
            request.insert_header(header::HOST, arrival.authority.as_str())?;
        }
        for name in [
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::EXPECT,
        ] {
            request.remove_header(&name);
        }
        Ok(request)
    }

    /// Makes the request what the node shall read: its own address of an upload, our word on where it comes from.
    pub(super) fn dress(
        session: &Session,
        request: &mut RequestHeader,
        exchange: &Exchange,
    ) -> Result<()> {
        let Some(arrival) = &exchange.arrival else {
            return Ok(());
        };
        let upload = exchange
            .relay
            .as_ref()
            .and_then(|relay| relay.upload.as_ref());
        let path = match upload {
            None => arrival.target.to_string(),
            Some(upload) => {
                let rest = arrival
                    .target
                    .query
                    .as_ref()
                    .and_then(|query| query.without(STATE));
                match rest {
                    None => upload.location.clone(),
                    Some(rest) if upload.location.contains('?') => {
                        format!("{}&{rest}", upload.location)
                    }
                    Some(rest) => format!("{}?{rest}", upload.location),
                }
            }
        };
        request.set_raw_path(path.as_bytes())?;
        let arrived = forwarded::Arrival {
            peer: exchange
                .connection
                .as_ref()
                .map_or(arrival.client, |c| c.peer.ip()),
            trust: arrival.trust,
            scheme: arrival.scheme,
            host: &arrival.authority,
            port: arrival.port,
        };
        let headers = &session.req_header().headers;
        let upgrade = if session.is_upgrade_req() {
            hop::Upgrade::Websocket
        } else {
            hop::Upgrade::Refused
        };
        for edit in hop::request(headers, upgrade)
            .into_iter()
            .chain(forwarded::edits(headers, &arrived))
        {
            super::respond::apply(request, &edit)?;
        }
        if let Some(id) = exchange.request_id_value() {
            request.insert_header("X-Request-Id", id)?;
        }
        Self::link(request, exchange)?;
        let route = &arrival.target.route;
        if systeminfo::concerns(route) || exchange.guarded.listens(route) {
            request.remove_header(&header::ACCEPT_ENCODING);
        }
        Ok(())
    }
}
