//! Nodes and clients that let others go first at every step, and the eye on who writes which session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use pilotage::spool::ledger::Full;
use pilotage::upload::driver::{
    ClientLeft, Flight, Framing, Nodes, Opening, Reply, Source, Waited,
};
use pilotage::upload::takeover::{Answer, Hashed, Sought};
use pilotage::upstream::Failure;

use super::super::client;
use super::super::fleet::World;
use super::super::flight::InFlight;
use super::super::nodes::Fleet;
use super::super::storage::Address;

/// Lets whoever wants go first.
pub(super) async fn pause() {
    let mut asked = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut asked, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// An instance between two starts: what it has in memory ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Life {
    pub(super) instance: usize,
    pub(super) number: u64,
}

/// Who writes which session of a node.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Requests under way, by session.
    writing: BTreeMap<u64, Vec<Life>>,
    /// Sessions that two instances wrote at one time, for the client had not waited.
    pub(super) raced: BTreeSet<u64>,
    /// Some node stores something else than it is sent.
    pub(super) corrupting: bool,
    /// Addresses that an instance has spent.
    spent: BTreeSet<(Life, u64, u64)>,
}

impl Watch {
    /// Nothing can be said of what is in a session.
    pub(super) fn is_beyond_us(&self, address: Address) -> bool {
        self.corrupting || self.raced.contains(&address.session)
    }

    /// An instance keeps nothing of an upload that is committed.
    pub(super) fn committed(&mut self, life: Life) {
        self.spent.retain(|(one, _, _)| *one != life);
    }

    fn begin(&mut self, life: Life, address: Address) {
        let known = (life, address.session, address.offset);
        assert!(
            !self.spent.contains(&known),
            "an instance writes a session again that it has spent: {address:?}"
        );
        let writing = self.writing.entry(address.session).or_default();
        assert!(
            !writing.contains(&life),
            "one instance writes a session twice at one time: {address:?}"
        );
        if !writing.is_empty() {
            self.raced.insert(address.session);
        }
        writing.push(life);
    }

    fn end(&mut self, life: Life, address: Address, spent: bool) {
        let writing = self.writing.entry(address.session).or_default();
        writing.retain(|one| *one != life);
        if spent {
            self.spent.insert((life, address.session, address.offset));
        }
    }
}

/// The fleet as one request sees it, at a pace that others can break into.
#[derive(Debug)]
pub(super) struct Paced {
    pub(super) fleet: Fleet,
    pub(super) life: Life,
    pub(super) watch: Arc<Mutex<Watch>>,
}

impl Paced {
    fn watched(
        &self,
        flight: Result<InFlight, Failure>,
        address: Address,
    ) -> Result<PacedFlight, Failure> {
        let flight = flight?;
        let world = Arc::clone(&self.fleet.world);
        if let Some(session) = world.lock().unwrap().storage.session(address) {
            // What others left there is known to them; from here on it is this request's doing.
            session.dirty = false;
        }
        self.watch.lock().unwrap().begin(self.life, address);
        Ok(PacedFlight {
            flight: Some(flight),
            ended: false,
            address,
            life: self.life,
            watch: Arc::clone(&self.watch),
            world,
        })
    }
}

#[async_trait]
impl Nodes for Paced {
    type Flight = PacedFlight;

    async fn forward(&mut self) -> Result<PacedFlight, Failure> {
        pause().await;
        let address = Address::read(&self.fleet.location);
        let flight = self.fleet.forward().await;
        self.watched(flight, address)
    }

    async fn open(&mut self) -> Result<Opening, Failure> {
        pause().await;
        self.fleet.open().await
    }

    async fn replay(&mut self, framing: Framing) -> Result<PacedFlight, Failure> {
        pause().await;
        let address = Address::read(&self.fleet.location);
        let flight = self.fleet.replay(framing).await;
        self.watched(flight, address)
    }

    async fn seek(&mut self, length: u64) -> Sought {
        pause().await;
        self.fleet.seek(length).await
    }

    fn classify(&mut self, reply: &Reply) -> Answer {
        self.fleet.classify(reply)
    }

    fn compare(&self, sha256: [u8; 32]) -> Hashed {
        self.fleet.compare(sha256)
    }

    fn lost(&mut self, failure: Failure) {
        self.fleet.lost(failure);
    }

    fn unprotected(&mut self, why: Full) {
        self.fleet.unprotected(why);
    }

    fn waited(&mut self, waited: Waited) {
        self.fleet.waited(waited);
    }

    fn replayed(&mut self, bytes: u64) {
        self.fleet.replayed(bytes);
    }
}

/// One request on one node, at such a pace.
#[derive(Debug)]
pub(super) struct PacedFlight {
    /// There until the end.
    flight: Option<InFlight>,
    ended: bool,
    address: Address,
    life: Life,
    watch: Arc<Mutex<Watch>>,
    world: Arc<Mutex<World>>,
}

impl PacedFlight {
    fn inner(&mut self) -> &mut InFlight {
        self.flight.as_mut().unwrap()
    }
}

#[async_trait]
impl Flight for PacedFlight {
    async fn send(&mut self, piece: Bytes) -> Result<(), Failure> {
        pause().await;
        self.inner().send(piece).await
    }

    async fn end(&mut self) -> Result<(), Failure> {
        pause().await;
        self.ended = true;
        self.inner().end().await
    }

    async fn head(&mut self) -> Result<(), Failure> {
        if self.ended {
            pause().await;
        }
        self.inner().head().await
    }

    async fn late_head(&mut self) -> Result<(), Failure> {
        self.inner().late_head().await
    }

    async fn reply(&mut self) -> Result<Reply, Failure> {
        self.inner().reply().await
    }
}

impl Drop for PacedFlight {
    fn drop(&mut self) {
        drop(self.flight.take());
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = world.wanted.blob;
        let session = world.storage.session(self.address);
        let spent = session.as_ref().is_some_and(|session| session.dirty);
        watch.end(self.life, self.address, spent);
        let exempt = watch.is_beyond_us(self.address);
        if let Some(session) = session
            && !exempt
            && !std::thread::panicking()
        {
            let length = u64::try_from(session.bytes.len()).unwrap();
            let mixed = length > blob.size || session.bytes != blob.bytes(0..length);
            assert!(
                !mixed,
                "a session holds what nobody sent in that order: {:?}",
                self.address
            );
        }
    }
}

/// The body of a request, whose client may turn away at any time.
#[derive(Debug)]
pub(super) struct PacedBody {
    pub(super) body: client::Body,
    pub(super) left: Arc<AtomicBool>,
}

#[async_trait]
impl Source for PacedBody {
    async fn read(&mut self) -> Result<Option<Bytes>, ClientLeft> {
        pause().await;
        if self.left.load(Ordering::Relaxed) {
            return Err(ClientLeft);
        }
        self.body.read().await
    }
}
