//! One request from its first byte to its record: what is known of it so far.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use http::HeaderValue;
use pingora::proxy::Session;
use tokio::time::Instant;

use crate::affinity::issuer::Peek;
use crate::download::proof::Proof;
use crate::fleet::node::NodeId;
use crate::observe::metrics::Open;
use crate::observe::record::Rescued;
use crate::observe::trail::Trail;
use crate::registry::route::Target;
use crate::registry::session::SessionId;
use crate::rewrite::Scheme;

use super::connection::Connection;
use super::fault::Fault;
use super::gate::{Gate, Stay};
use super::guarded::Guarded;
use super::lost::LostTime;
use super::phases::{Browser, Doubt};
use super::plan::Relay;
use super::shown::Shown;
use super::snapshot::{Place, Snapshot};

/// The state of one request.
#[derive(Debug)]
pub struct Exchange {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) started: Instant,
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) upload: BodyState,
    pub(super) request_id: String,
    pub(super) arrival: Option<Arrived>,
    pub(super) relay: Option<Relay>,
    /// Nodes that are still to be asked, in order.
    pub(super) next: Vec<NodeId>,
    /// Nodes that failed it: asked again only when nobody else is left.
    pub(super) failed: Vec<NodeId>,
    pub(super) bound: Bound,
    /// Whose session the request belongs to, where that binds it to a node.
    pub(super) browser: Option<Browser>,
    /// The token that the request carries, where nodes accept different ones.
    pub(super) token: Option<Peek>,
    pub(super) doubt: Doubt,
    /// The copy of a token on its way to the client.
    pub(super) passing: Option<BytesMut>,
    /// Choices made since nodes were last waited for.
    pub(super) rounds: u32,
    /// Nodes that went on with what another had begun.
    pub(super) takeovers: u32,
    /// Nodes asked so far.
    pub(super) asked: u32,
    pub(super) current: Option<Current>,
    /// The node that gave the answer, or was asked last.
    pub(super) last_node: Option<NodeId>,
    pub(super) first_node: Option<NodeId>,
    /// When a node last did something for the request, or was asked to.
    pub(super) progress: Instant,
    pub(super) lost: LostTime,
    pub(super) rescued: Rescued,
    pub(super) fault: Option<Fault>,
    pub(super) patience: Option<Instant>,
    pub(super) gathered: Option<BytesMut>,
    /// The hash of what is pulled, where that is wanted.
    pub(super) proof: Option<Proof>,
    pub(super) guarded: Guarded,
    /// When the last byte of a push came that we carry ourselves.
    pub(super) latest_in: Option<Instant>,
    pub(super) first_byte: Option<Instant>,
    pub(super) status: u16,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) running: Option<(Open, Running)>,
    pub(super) ended: Ended,
    pub(super) lag: Lag,
    pub(super) deletion: Deletion,
    /// What is kept for the spans of its trace.
    pub(super) trail: Trail,
    pub(super) shown: Shown,
}

/// What became of a DELETE whose answer was lost with its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    NothingLost,
    /// The node that was lost may have done it.
    Unsure,
    /// It is gone, and the client is told so in our words.
    Done,
}

/// Whether another instance was asked for a node that has what others have not got yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lag {
    Unasked,
    Asked,
    /// This node took it just now, and is to be asked.
    Elsewhere(NodeId),
}

/// Whether the client still sends a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyState {
    Coming,
    Done,
}

/// Whether a request stays with the node of its upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    ByPlan,
    /// That node is lost: any other may go on.
    Free,
}

/// How far the answer of a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    NotYet,
    Whole,
}

/// What is known once the header has been read.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) target: Target,
    pub(super) authority: String,
    pub(super) client: IpAddr,
    pub(super) trust: crate::rewrite::forwarded::Trust,
    pub(super) scheme: Scheme,
    pub(super) port: u16,
    /// The public id of the upload that this request starts or continues.
    pub(super) session: Option<SessionId>,
}

/// The node that is being asked.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) place: Arc<Place>,
    /// `None` once the request is over there and another node is looked for.
    pub(super) stay: Option<Stay>,
}

impl Current {
    /// A request that a node gets, however many it has.
    pub(super) fn booked(place: Arc<Place>, gate: &Arc<Gate>) -> Self {
        let stay = Some(Stay::new(place.node.begin(), gate));
        Self { place, stay }
    }

    /// The body bytes that are to come are known to be `bytes`.
    pub(super) fn expect(&mut self, bytes: u64) {
        if let Some(stay) = &mut self.stay {
            stay.in_flight.expect(bytes);
        }
    }

    /// `bytes` of the body have passed.
    pub(super) fn passed(&mut self, bytes: u64) {
        if let Some(stay) = &mut self.stay {
            stay.in_flight.passed(bytes);
        }
    }
}

/// Counts a request as under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Running(Arc<AtomicUsize>);

impl Running {
    pub(super) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Exchange {
    pub(super) fn new(snapshot: Arc<Snapshot>, now: Instant, shown: Shown) -> Self {
        Self {
            snapshot,
            started: now,
            connection: None,
            upload: BodyState::Done,
            request_id: String::new(),
            arrival: None,
            relay: None,
            next: Vec::new(),
            failed: Vec::new(),
            bound: Bound::ByPlan,
            browser: None,
            token: None,
            doubt: Doubt::NotYet,
            passing: None,
            rounds: 0,
            takeovers: 0,
            asked: 0,
            current: None,
            last_node: None,
            first_node: None,
            progress: now,
            lost: LostTime::default(),
            rescued: Rescued::default(),
            fault: None,
            patience: None,
            gathered: None,
            proof: None,
            guarded: Guarded::default(),
            latest_in: None,
            first_byte: None,
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            running: None,
            ended: Ended::NotYet,
            lag: Lag::Unasked,
            deletion: Deletion::NothingLost,
            trail: Trail::default(),
            shown,
        }
    }

    /// Nothing binds the request to a node any more.
    pub(super) fn detach(&mut self) {
        self.bound = Bound::Free;
        self.rounds = 0;
        self.next.clear();
    }

    /// Others are asked before this node.
    pub(super) fn shun(&mut self, node: &NodeId) {
        self.failed.push(node.clone());
    }

    /// The request's body is complete, or nobody reads it any more.
    pub(super) fn body_done(&mut self) {
        if self.upload == BodyState::Coming {
            self.upload = BodyState::Done;
            if let Some(connection) = &self.connection {
                connection.end_body();
            }
        }
    }

    /// The last answer on a connection that is to end says so, and the client sends nothing more on it.
    pub(super) fn farewell(&self, session: &mut Session) {
        let connection = self.connection.as_ref();
        if connection.is_some_and(|connection| connection.retired()) {
            session.set_keepalive(None);
        }
    }

    /// The id as a header value; it is made of characters that fit.
    pub(super) fn request_id_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.request_id).ok()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.body_done();
        if let Some(connection) = &self.connection {
            connection.end();
        }
    }
}

/// Takes over the client's request id if it is one that logs and headers can carry, or makes one from `random`.
pub(super) fn request_id(given: Option<&HeaderValue>, random: u128) -> String {
    let fits = |text: &&str| {
        (1..=MAX_ID).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match given.and_then(|value| value.to_str().ok()).filter(fits) {
        Some(given) => given.to_owned(),
        None => uuid(random),
    }
}

/// A version 4 UUID as RFC 9562 writes it.
pub fn uuid(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

/// Longer than any tracing system's ids.
const MAX_ID: usize = 128;

#[cfg(test)]
mod tests {
    use super::super::tests::{connection, exchange};
    use super::*;

    #[test]
    fn a_fitting_request_id_is_kept_and_others_are_replaced() {
        let given = |text: &'static str| request_id(Some(&HeaderValue::from_static(text)), 1);
        assert_eq!(given("abc-1.2_3"), "abc-1.2_3");
        let made = "00000000-0000-4000-8000-000000000001";
        assert_eq!(given("two words"), made);
        assert_eq!(given("quote\""), made);
        assert_eq!(given(""), made);
        assert_eq!(request_id(None, 1), made);
    }

    #[test]
    fn a_request_id_of_any_length_but_too_long_is_kept() {
        for (length, kept) in [(1, true), (MAX_ID, true), (MAX_ID + 1, false)] {
            let given = "a".repeat(length);
            let value = HeaderValue::from_str(&given).unwrap();
            assert_eq!(request_id(Some(&value), 1) == given, kept, "{length}");
        }
        let foreign = HeaderValue::from_bytes(b"caf\xe9").unwrap();
        assert_eq!(request_id(Some(&foreign), 0), uuid(0));
    }

    #[tokio::test]
    async fn a_connection_knows_which_requests_and_bodies_are_under_way() {
        let connection = connection();
        let begun = || {
            let mut exchange = exchange();
            connection.begin();
            connection.begin_body();
            exchange.upload = BodyState::Coming;
            exchange.connection = Some(Arc::clone(&connection));
            exchange
        };
        let (mut first, second) = (begun(), begun());
        assert_eq!((connection.running(), connection.uploading()), (2, 2));
        first.body_done();
        first.body_done();
        assert_eq!((connection.running(), connection.uploading()), (2, 1));
        drop(second);
        assert_eq!((connection.running(), connection.uploading()), (1, 0));
        drop(first);
        assert_eq!((connection.running(), connection.uploading()), (0, 0));
    }

    #[test]
    fn a_request_counts_as_running_until_it_is_dropped() {
        let count = Arc::default();
        let (first, second) = (Running::new(&count), Running::new(&count));
        assert_eq!(count.load(Ordering::Acquire), 2);
        drop(first);
        assert_eq!(count.load(Ordering::Acquire), 1);
        drop(second);
        assert_eq!(count.load(Ordering::Acquire), 0);
    }

    #[test]
    fn a_uuid_has_its_version_and_variant_whatever_the_random_bits() {
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
    }
}
