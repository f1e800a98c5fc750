//! The request is over: everything is counted and written down.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};
use tokio::time::Instant;

use crate::fleet::health::Observation;
use crate::observe::labels::{Attempt, Outcome, TakeoverKind};
use crate::observe::record::{Record, Rescued};
use crate::registry::name::RepositoryName;
use crate::registry::route::{Kind, Route};
use crate::registry::session::SessionId;

use super::super::exchange::{Ended, Exchange};
use super::super::fault::Fault;
use super::Edge;
use super::arrive::unix_seconds;
use super::carry::content;

impl Edge {
    /// The request is over: everything is counted and written down.
    pub(super) fn depart(&self, session: &Session, error: Option<&Error>, exchange: &mut Exchange) {
        exchange.body_done();
        self.conclude(exchange);
        let outcome = outcome(error, exchange);
        let steps = exchange.shown.end();
        self.end_attempt(exchange, outcome);
        let mut trail = std::mem::take(&mut exchange.trail);
        let end = Instant::now();
        let request = session.req_header();
        let arrival = exchange.arrival.as_ref();
        let route = arrival.map(|arrival| &arrival.target.route);
        let tls = session
            .digest()
            .and_then(|digest| digest.ssl_digest.as_ref());
        let reference = route.and_then(content);
        let record = Record {
            request_id: &exchange.request_id,
            client: client(exchange),
            method: request.method.as_str(),
            host: arrival.map(|arrival| arrival.authority.as_str()),
            protocol: if session.is_http2() {
                "HTTP/2"
            } else {
                "HTTP/1.1"
            },
            tls: tls.map(|digest| version_name(&digest.version)),
            route: route.map_or("unknown", |route| route.kind().as_str()),
            repo: route
                .and_then(Route::repository)
                .map(RepositoryName::as_str),
            reference: reference.as_deref(),
            session: arrival
                .and_then(|arrival| arrival.session.as_ref())
                .map(SessionId::as_str),
            node: exchange.last_node.as_ref(),
            first_node: exchange
                .first_node
                .as_ref()
                .filter(|first| exchange.last_node.as_ref() != Some(*first)),
            attempt: exchange.asked,
            takeovers: exchange.takeovers,
            rescued: Rescued {
                lost: exchange.lost.total(),
                ..exchange.rescued
            },
            status: exchange.status,
            fault: exchange.fault.map(Fault::label),
            outcome,
            bytes_in: exchange.bytes_in,
            bytes_out: exchange.bytes_out,
            first_byte: exchange.first_byte.map(|at| at - exchange.started),
            total: end - exchange.started,
        };
        self.metrics.request_done(&record);
        if let (Some(kind), 1..) = (route.and_then(kind), exchange.takeovers) {
            self.metrics.takeover_took(kind, exchange.lost.total());
        }
        if let Some(after) = commit(&record, exchange) {
            self.metrics.committed(after);
        }
        // Whoever reads the record may ask what became of the request.
        if let Some(steps) = steps {
            self.history.remember(&record, unix_seconds(), steps);
        }
        self.log.access(&record);
        self.traced(&mut trail, &record, end);
        exchange.current = None;
    }

    /// The node that had the request to its end did what it should, unless the client saw no end.
    fn end_attempt(&self, exchange: &mut Exchange, outcome: Outcome) {
        let (Some(current), Some(relay)) = (&exchange.current, &exchange.relay) else {
            return;
        };
        let node = &current.place.node;
        let attempt = match outcome {
            Outcome::Answered | Outcome::TakenOver => {
                self.lookout
                    .observe(node, Observation::Served(relay.traffic));
                Attempt::Answered
            }
            Outcome::Refused | Outcome::Cut | Outcome::ClientLeft => Attempt::ClientLeft,
        };
        self.metrics.attempt_done(node.id(), attempt);
        exchange.trail.ends(attempt, Instant::now().into_std());
    }
}

fn kind(route: &Route) -> Option<TakeoverKind> {
    match route {
        Route::Blob(..) => Some(TakeoverKind::Download),
        Route::Upload(..) => Some(TakeoverKind::Upload),
        Route::Manifest(..) => Some(TakeoverKind::Manifest),
        _ => None,
    }
}

/// How long the end of a push waited for its answer. What came with it counts until its last byte.
fn commit(record: &Record<'_>, exchange: &Exchange) -> Option<Duration> {
    let ends = record.method == "PUT" && record.route == Kind::Upload.as_str();
    if !ends || record.status != CREATED {
        return None;
    }
    let since = exchange.latest_in.unwrap_or(exchange.started);
    Some(exchange.first_byte?.saturating_duration_since(since))
}

const CREATED: u16 = 201;

fn outcome(error: Option<&Error>, exchange: &Exchange) -> Outcome {
    match (error, exchange.fault) {
        (Some(error), _) if is_client(error) => Outcome::ClientLeft,
        (Some(_), _) if exchange.first_byte.is_some() => Outcome::Cut,
        (_, Some(_)) | (Some(_), None) => Outcome::Refused,
        (None, _) if exchange.takeovers > 0 && exchange.ended == Ended::Whole => Outcome::TakenOver,
        (None, None) if exchange.first_byte.is_some() => Outcome::Answered,
        (None, None) => Outcome::Refused,
    }
}

/// The library does not say whose fault it is when a client takes no byte for too long.
fn is_client(error: &Error) -> bool {
    match error.esource() {
        ErrorSource::Downstream => true,
        ErrorSource::Upstream => false,
        ErrorSource::Internal | ErrorSource::Unset => {
            matches!(
                error.etype(),
                ErrorType::WriteTimedout | ErrorType::WriteError
            )
        }
    }
}

fn client(exchange: &Exchange) -> IpAddr {
    let peer = exchange
        .connection
        .as_ref()
        .map(|connection| connection.peer.ip());
    let client = exchange.arrival.as_ref().map(|arrival| arrival.client);
    client.or(peer).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

fn version_name(version: &str) -> &'static str {
    if version.contains("1_3") || version.contains("1.3") {
        "TLSv1.3"
    } else {
        "TLSv1.2"
    }
}
