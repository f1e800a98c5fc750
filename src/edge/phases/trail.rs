//! The trace of a request: begun when it comes in, told to each node that is asked, handed in when it is over.

use std::net::IpAddr;
use std::time::SystemTime;

use http::HeaderMap;
use pingora::Result;
use pingora::http::RequestHeader;
use tokio::time::Instant;

use crate::observe::labels::Attempt;
use crate::observe::record::Record;
use crate::observe::trace::Context;
use crate::observe::trail::{Asked, Trail};
use crate::rewrite::forwarded::Trust;

use super::super::exchange::Exchange;
use super::super::snapshot::{Place, Snapshot};
use super::Edge;

impl Edge {
    /// Goes on with the trace of whoever is trusted, or begins one.
    pub(super) fn trail(&self, headers: &HeaderMap, exchange: &Exchange) -> Trail {
        let (Some(ratio), true) = (exchange.snapshot.tracing, self.tracer.is_on()) else {
            return Trail::default();
        };
        let peer = exchange.connection.as_ref().map(|one| one.peer.ip());
        let trust = peer.map_or(Trust::Untrusted, |peer| trust(&exchange.snapshot, peer));
        let incoming = match trust {
            Trust::Trusted => incoming(headers),
            Trust::Untrusted => None,
        };
        Trail::begin(incoming, ratio, (fastrand::u128(..), fastrand::u64(..)))
    }

    /// Tells a node which attempt it is asked by, in place of what a client said.
    pub(super) fn link(request: &mut RequestHeader, exchange: &Exchange) -> Result<()> {
        if let Some(context) = exchange.trail.context() {
            request.insert_header(TRACEPARENT, context.to_string())?;
            // Another trace's, or of one that nobody vouches for.
            if !exchange.trail.goes_on() {
                request.remove_header(TRACESTATE);
            }
        }
        Ok(())
    }

    /// The same for a request of our own making, whose method need not be the client's.
    pub(super) fn link_own(request: &mut RequestHeader, exchange: &mut Exchange) {
        exchange.trail.sends(request.method.as_str());
        // What was made of digits and dashes fits into a header.
        drop(Self::link(request, exchange));
    }

    /// An exchange with a node ended.
    pub(super) fn attempt_done(&self, exchange: &mut Exchange, place: &Place, outcome: Attempt) {
        exchange.trail.ends(outcome, Instant::now().into_std());
        self.metrics.attempt_done(place.node.id(), outcome);
    }

    /// Hands in the spans of a request that came to its end just now.
    pub(super) fn traced(&self, trail: &mut Trail, record: &Record<'_>, end: Instant) {
        if let Some(trace) = trail.finish(record, end.into_std(), SystemTime::now()) {
            self.tracer.offer(trace);
        }
    }
}

/// Who is asked, for the trail.
pub(super) fn asked(place: &Place) -> Asked {
    let settings = place.target.settings();
    Asked {
        node: settings.id.clone(),
        host: settings.host.clone(),
        port: settings.port,
    }
}

/// Whether the operator trusts what comes from this address.
pub(super) fn trust(snapshot: &Snapshot, peer: IpAddr) -> Trust {
    let peer = peer.to_canonical();
    let networks = &snapshot.public.trusted_proxies;
    if networks.iter().any(|network| network.contains(&peer)) {
        Trust::Trusted
    } else {
        Trust::Untrusted
    }
}

/// The context of a request. One that comes twice is none.
fn incoming(headers: &HeaderMap) -> Option<Context> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let only = all.next().filter(|_| all.next().is_none())?;
    Context::parse(only.to_str().ok()?.trim())
}

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_context_that_comes_twice_is_none() {
        let given =
            HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let mut headers = HeaderMap::new();
        assert_eq!(incoming(&headers), None);
        headers.append(TRACEPARENT, given.clone());
        assert!(incoming(&headers).is_some());
        headers.append(TRACEPARENT, given);
        assert_eq!(incoming(&headers), None);
    }
}
