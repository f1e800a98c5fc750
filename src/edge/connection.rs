//! What is known of one client connection, and how many there may be.
//!
//! A `Connection` is shared by the stream that carries it, the requests that arrive on it and the task that
//! owns it. It never touches the socket.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::guard::who::household;
use crate::observe::labels::ConnectionClose;
use crate::rewrite::Scheme;

use super::scan::Finding;

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) scheme: Scheme,
    pub(super) opened: Instant,
    /// Has a permit as soon as there was a request.
    asked: Notify,
    running: AtomicUsize,
    uploading: AtomicUsize,
    header_open: AtomicBool,
    finding: AtomicU8,
    answered: AtomicBool,
    aged: AtomicBool,
    expired: Mutex<Option<ConnectionClose>>,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, local: SocketAddr, scheme: Scheme) -> Self {
        Self {
            peer,
            local,
            scheme,
            opened: Instant::now(),
            asked: Notify::new(),
            answered: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            uploading: AtomicUsize::new(0),
            header_open: AtomicBool::new(false),
            finding: AtomicU8::new(0),
            aged: AtomicBool::new(false),
            expired: Mutex::default(),
        }
    }

    /// Who connected.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// A request has been parsed.
    pub fn begin(&self) {
        self.header_open.store(false, Ordering::Release);
        self.running.fetch_add(1, Ordering::AcqRel);
        self.asked.notify_one();
    }

    /// Waits for the first request; returns at once when there was one. For one caller.
    pub(super) async fn first_request(&self) {
        self.asked.notified().await;
    }

    /// A request is done.
    pub fn end(&self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    /// A request whose body is not complete yet.
    pub(super) fn begin_body(&self) {
        self.uploading.fetch_add(1, Ordering::AcqRel);
    }

    /// The body of a request is complete, or will not be read further.
    pub(super) fn end_body(&self) {
        self.uploading.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    pub(super) fn uploading(&self) -> usize {
        self.uploading.load(Ordering::Acquire)
    }

    /// Bytes of a header have come in, and no request was made of them so far.
    pub(super) fn header_open(&self) -> bool {
        self.header_open.load(Ordering::Acquire)
    }

    pub(super) fn open_header(&self) {
        self.header_open.store(true, Ordering::Release);
        self.answered.store(false, Ordering::Release);
    }

    /// Something was written: the parser's refusal, if no request was made of the header.
    pub(super) fn note_answer(&self) {
        self.answered.store(true, Ordering::Release);
    }

    pub(super) fn answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }

    pub(super) fn note(&self, finding: Finding) {
        let code = match finding {
            Finding::Clean => 0,
            Finding::BareLineFeed => 1,
            Finding::TooLarge => 2,
            Finding::RequestLine => 3,
            Finding::Fragment => 4,
            Finding::TwoLengths => 5,
        };
        self.finding.store(code, Ordering::Release);
    }

    /// What the raw header of the latest HTTP/1.1 request showed.
    pub(super) fn finding(&self) -> Finding {
        match self.finding.load(Ordering::Acquire) {
            1 => Finding::BareLineFeed,
            2 => Finding::TooLarge,
            3 => Finding::RequestLine,
            4 => Finding::Fragment,
            5 => Finding::TwoLengths,
            _ => Finding::Clean,
        }
    }

    /// Whether the header of the latest HTTP/1.1 request was not larger than allowed.
    pub fn header_fits(&self) -> bool {
        self.finding() != Finding::TooLarge
    }

    /// A time limit ended the connection.
    pub(super) fn expire(&self, limit: ConnectionClose) {
        *self.expired.lock().unwrap_or_else(PoisonError::into_inner) = Some(limit);
    }

    /// The time limit that ended the connection, if one did.
    pub(super) fn expired(&self) -> Option<ConnectionClose> {
        *self.expired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the connection ends with its running requests.
    pub(super) fn retire(&self) {
        self.aged.store(true, Ordering::Release);
    }

    pub(super) fn retired(&self) -> bool {
        self.aged.load(Ordering::Acquire)
    }
}

/// Counts connections, in all and by client address.
#[derive(Debug, Default)]
pub struct Connections {
    total: AtomicUsize,
    by_client: Mutex<HashMap<IpAddr, usize>>,
}

/// Why a connection was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crowded {
    /// There are too many in all.
    Total,
    /// This client has too many.
    Client,
}

/// A counted connection; dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    client: IpAddr,
}

impl Connections {
    /// How many connections are open.
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Acquire)
    }

    pub(super) fn enter(
        self: &Arc<Self>,
        peer: IpAddr,
        total: usize,
        per_client: usize,
    ) -> Result<Place, Crowded> {
        let client = household(peer);
        let mut by_client = self
            .by_client
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.total() >= total {
            return Err(Crowded::Total);
        }
        let count = by_client.entry(client).or_insert(0);
        if *count >= per_client {
            return Err(Crowded::Client);
        }
        *count += 1;
        self.total.fetch_add(1, Ordering::AcqRel);
        Ok(Place {
            connections: Arc::clone(self),
            client,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let connections = &self.connections;
        let mut by_client = connections
            .by_client
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_client.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                by_client.remove(&self.client);
            }
        }
        connections.total.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_given_back_on_drop() {
        let connections = Arc::new(Connections::default());
        let place = connections.enter(ip("192.0.2.1"), 1, 1).unwrap();
        assert_eq!(
            connections.enter(ip("192.0.2.2"), 1, 1).unwrap_err(),
            Crowded::Total
        );
        drop(place);
        assert_eq!(connections.total(), 0);
        assert!(connections.enter(ip("192.0.2.2"), 1, 1).is_ok());
        assert!(connections.by_client.lock().unwrap().is_empty());
    }

    #[test]
    fn one_client_cannot_take_every_place() {
        let connections = Arc::new(Connections::default());
        let _first = connections.enter(ip("192.0.2.1"), 9, 1).unwrap();
        assert_eq!(
            connections.enter(ip("192.0.2.1"), 9, 1).unwrap_err(),
            Crowded::Client
        );
        assert!(connections.enter(ip("192.0.2.2"), 9, 1).is_ok());
    }

    #[test]
    fn an_ipv6_network_and_a_mapped_address_are_one_client() {
        assert_eq!(
            household(ip("2001:db8::1")),
            household(ip("2001:db8::ffff"))
        );
        assert_ne!(
            household(ip("2001:db8:0:1::1")),
            household(ip("2001:db8::1"))
        );
        assert_eq!(household(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }
}
