//! The nodes as the driver sees them, on behalf of one request of the client.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use http::{Method, header};
use pilotage::affinity::settings::Storage as SessionStorage;
use pilotage::registry::route::Target;
use pilotage::spool::ledger::Full;
use pilotage::upload::answer::classify;
use pilotage::upload::driver::{Framing, Nodes, Opening, Reply, Waited};
use pilotage::upload::takeover::{Answer, Hashed, Sought};
use pilotage::upstream::Failure;
use ring::digest::{SHA256, digest};

use super::fleet::{Fault, Manner, World};
use super::flight::{InFlight, Kind, error, page, reply};
use super::storage::Address;

/// The fleet, on behalf of one request of the client.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) node: usize,
    pub(super) location: String,
    /// The client's own request.
    pub(super) kind: Kind,
    /// About how long a body is, for faults to hit it.
    pub(super) length: u64,
    pub(super) opens: u32,
    pub(super) takeovers: u32,
    pub(super) asked: u32,
    pub(super) kept: bool,
    /// The blob was found when it was asked for.
    pub(super) sought: bool,
    /// Whether another node may go on with a session.
    pub(super) storage: SessionStorage,
    /// The node that was asked last.
    current: usize,
    failed: Vec<usize>,
}

impl Fleet {
    pub(super) fn new(
        world: &Arc<Mutex<World>>,
        (node, location): (usize, String),
        kind: Kind,
        length: u64,
    ) -> Self {
        Self {
            world: Arc::clone(world),
            node,
            location,
            kind,
            length,
            opens: 0,
            takeovers: 0,
            asked: 0,
            kept: true,
            sought: false,
            storage: SessionStorage::Apart,
            current: node,
            failed: Vec::new(),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn send(&mut self, kind: Kind) -> Result<InFlight, Failure> {
        self.asked += 1;
        let (node, length) = (self.node, self.length);
        self.current = node;
        let address = Address::read(&self.location);
        let mut world = self.world();
        let fault = world.fault(node, length);
        world
            .trace
            .note(|| format!("{kind:?} to node {node}, {address:?}: {fault:?}"));
        if fault == Fault::Unreachable {
            return Err(Failure::Unreachable);
        }
        drop(world);
        let world = Arc::clone(&self.world);
        Ok(InFlight::begin(world, (node, address), kind, fault))
    }

    /// The next node: one that has not failed yet, if there is one.
    fn next(&mut self) -> usize {
        let failed = self.failed.clone();
        let mut world = self.world();
        let mut order: Vec<usize> = (0..world.nodes.len()).collect();
        world.chance.shuffle(&mut order);
        order.sort_by_key(|node| failed.contains(node));
        order[0]
    }
}

#[async_trait]
impl Nodes for Fleet {
    type Flight = InFlight;

    async fn forward(&mut self) -> Result<InFlight, Failure> {
        for _ in 0..3 {
            let sent = self.send(self.kind);
            let (Err(Failure::Unreachable), SessionStorage::Shared) = (&sent, self.storage) else {
                return sent;
            };
            // It has got nothing, and all see what it has: another one goes on.
            self.failed.push(self.current);
            self.node = self.next();
            self.takeovers += 1;
        }
        self.send(self.kind)
    }

    async fn open(&mut self) -> Result<Opening, Failure> {
        assert!(self.kept, "a new session, and nothing to fill it with");
        self.opens += 1;
        let node = self.next();
        self.current = node;
        let asked = &mut self.asked;
        *asked += 1;
        let mut world = self.world.lock().unwrap();
        let fault = world.fault(node, 0);
        world
            .trace
            .note(|| format!("POST to node {node}: {fault:?}"));
        let who = world.identity(node);
        let lost = match fault {
            Fault::Unreachable => Some(Err(Failure::Unreachable)),
            Fault::Reset(_) | Fault::Mute => Some(Err(Failure::Broken)),
            Fault::Hang(_) => Some(Err(Failure::Stalled)),
            Fault::Page => Some(Ok(Opening::Refused(Box::new(page())))),
            Fault::TroubleBefore | Fault::TroubleAfter | Fault::Forgotten => {
                Some(Ok(Opening::Refused(Box::new(error(500, "UNKNOWN")))))
            }
            // A 202 without an address.
            Fault::Hasty => Some(Ok(Opening::Refused(Box::new(reply(202))))),
            Fault::None => None,
        };
        let refused = match (world.nodes[node].manner, world.refusal) {
            (Manner::OtherKey, _) => {
                world.excuses += 1;
                Some(error(401, "UNAUTHORIZED"))
            }
            (_, Some((status, code))) => Some(error(status, code)),
            (_, None) => None,
        };
        let address = match (lost, refused) {
            (Some(lost), _) => {
                drop(world);
                return lost;
            }
            (None, Some(refused)) => {
                drop(world);
                return Ok(Opening::Refused(Box::new(refused)));
            }
            (None, None) => world.storage.open(who),
        };
        drop(world);
        self.node = node;
        self.location = address.write();
        self.takeovers += 1;
        Ok(Opening::Opened)
    }

    async fn replay(&mut self, framing: Framing) -> Result<InFlight, Failure> {
        assert!(framing == Framing::Commit || self.kept);
        self.send(match framing {
            Framing::Patch { .. } => Kind::Patch,
            Framing::Put { length } => Kind::Put(length),
            Framing::Commit => Kind::Put(0),
        })
    }

    async fn seek(&mut self, length: u64) -> Sought {
        let world = Arc::clone(&self.world);
        let mut world = world.lock().unwrap();
        let name = world.wanted.named.name;
        let mut sought = Sought::Unknown;
        for node in 0..world.nodes.len() {
            let who = world.identity(node);
            if world.nodes[node].manner == Manner::OtherKey || world.fault(node, 0) != Fault::None {
                continue;
            }
            match world.storage.size(who, name) {
                Some(size) if size == length => {
                    world.trace.note(|| format!("the blob is on node {node}"));
                    self.sought = true;
                    return Sought::Found;
                }
                Some(_) | None => sought = Sought::Missing,
            }
        }
        world.trace.note(|| format!("HEAD: {sought:?}"));
        sought
    }

    fn classify(&mut self, reply: &Reply) -> Answer {
        let target = "/v2/lab/app/blobs/uploads/0f3c";
        let route = Target::parse(target).unwrap().route;
        let headers = &reply.head.headers;
        let answer = classify(
            &route,
            &Method::PUT,
            reply.head.status,
            headers,
            &reply.body,
        );
        if answer == Answer::Accepted
            && let Some(location) = headers.get(header::LOCATION)
        {
            location.to_str().unwrap().clone_into(&mut self.location);
        }
        let located = headers.contains_key(header::LOCATION);
        if !matches!(answer, Answer::Accepted | Answer::Created) || !located {
            self.failed.push(self.current);
        }
        answer
    }

    fn compare(&self, sha256: [u8; 32]) -> Hashed {
        let named = self.world().wanted.named;
        let right = digest(&SHA256, named.bytes(0..named.size));
        if right.as_ref() == sha256 {
            Hashed::Right
        } else {
            Hashed::Wrong
        }
    }

    fn lost(&mut self, failure: Failure) {
        self.failed.push(self.current);
        self.world().trace.note(|| format!("lost: {failure:?}"));
    }

    fn unprotected(&mut self, why: Full) {
        self.kept = false;
        self.world().trace.note(|| format!("not kept: {why:?}"));
    }

    fn waited(&mut self, waited: Waited) {
        panic!("nothing is waited for here: {waited:?}");
    }

    fn replayed(&mut self, _bytes: u64) {}
}
