//! Tokens on their way to clients: by which key each node signs. They are looked at in passing.

use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};
use pingora::http::ResponseHeader;
use tokio::time::Instant;

use crate::affinity::issuer::Peek;
use crate::registry::route::Route;

use super::super::exchange::Exchange;
use super::Edge;

impl Edge {
    /// The head of an answer: whether a token comes that can be read.
    pub(super) fn expect_token(head: &ResponseHeader, exchange: &mut Exchange) {
        let route = exchange.arrival.as_ref().map(|one| &one.target.route);
        let plain = !head.headers.contains_key(header::CONTENT_ENCODING);
        if route == Some(&Route::Token) && head.status == StatusCode::OK && plain {
            exchange.passing = Some(BytesMut::new());
        }
    }

    /// Bytes of an answer that pass by. Nothing is held back or changed.
    pub(super) fn look_at_issued(
        &self,
        piece: Option<&Bytes>,
        ends: bool,
        exchange: &mut Exchange,
    ) {
        let Some(passing) = &mut exchange.passing else {
            return;
        };
        if let Some(piece) = piece {
            if passing.len() + piece.len() > MAX_ANSWER {
                exchange.passing = None;
                return;
            }
            passing.extend_from_slice(piece);
        }
        if !ends {
            return;
        }
        let token = Peek::at_answer(passing);
        exchange.passing = None;
        if let (Some(token), Some(node)) = (token, &exchange.last_node) {
            let now = Instant::now().into_std();
            if let Some(change) = self.ties.issuers.issued(node, token, now) {
                self.lookout.signing_keys(change, &self.ties.issuers);
            }
        }
    }
}

/// A token for many repositories is a few KiB.
const MAX_ANSWER: usize = 64 * 1024;
