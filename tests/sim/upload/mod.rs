//! Uploads: one client, one blob, a fleet of one to four nodes that store byte by byte.
//!
//! The driver, the machine, the spool and the transfer are the real ones; what stands for the edge is a few lines.
//! The nodes behave as distribution 2.8 behind Harbor does, and fail in every way. In the end the storage is
//! compared with what the client was told.

mod client;
mod fleet;
mod flight;
pub(crate) mod instances;
mod nodes;
mod storage;

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pilotage::affinity::token::Upload;
use pilotage::fleet::node::NodeId;
use pilotage::registry::name::RepositoryName;
use pilotage::registry::session::SessionId;
use pilotage::spool::file::Spools;
use pilotage::spool::settings::{SpoolSettings, WhenFull};
use pilotage::upload::driver::{Body, Ended, carry};
use pilotage::upload::takeover::{Protection, Step, Takeover};
use pilotage::upload::transfer::{Carried, Transfer};

use crate::seeds::Trace;
use crate::world::{Blob, Chance};
use client::Request;
use fleet::{Manner, Wanted, World};
use flight::Kind;
use nodes::Fleet;
use storage::Address;

/// How a push can end.
pub(crate) const OUTCOMES: [&str; 8] = [
    "stored by one node",
    "stored after takeovers",
    "stored when asked for",
    "stored after the client came back",
    "refused by the registry",
    "wrong digest",
    "given up",
    "left",
];

/// One push.
struct Play {
    world: Arc<Mutex<World>>,
    spools: Spools,
    transfer: Transfer,
    wanted: Wanted,
    attempts: u32,
    /// The address that each request goes to.
    told: Vec<Upload>,
    /// Of the latest request.
    takeovers: u32,
    /// Before it.
    rescued: u32,
    came_back: bool,
    sought: bool,
}

/// What the client makes of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    GoOn,
    Done,
    Refused(u16),
    Unavailable,
    Left,
}

/// Plays one push to its end.
pub(crate) fn run(seed: u64, trace: &mut Trace) -> &'static str {
    let mut chance = Chance::new(seed);
    let size = chance.size();
    let blob = Blob { name: 1, size };
    let other = Blob {
        name: 2,
        size: size + 1,
    };
    let named = if chance.percent(5) { other } else { blob };
    let requests = client::draw(&mut chance, size);
    let mut play = Play::draw(chance, Wanted { blob, named });
    let lent = Lent::new(&play.world, trace);
    let outcome = play.push(&requests);
    drop(lent);
    outcome
}

/// The trace is with the world while it turns, and comes back even when that ends in a panic.
struct Lent<'a> {
    world: Arc<Mutex<World>>,
    trace: &'a mut Trace,
}

impl<'a> Lent<'a> {
    fn new(world: &Arc<Mutex<World>>, trace: &'a mut Trace) -> Self {
        let world = Arc::clone(world);
        std::mem::swap(trace, &mut world.lock().unwrap().trace);
        Self { world, trace }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(self.trace, &mut world.trace);
    }
}

impl Play {
    fn draw(mut chance: Chance, wanted: Wanted) -> Self {
        let attempts = u32::try_from(chance.number(1..6)).unwrap();
        let limit = match chance.number(0..10) {
            0 => chance.number(0..wanted.blob.size + 1),
            _ => u64::MAX,
        };
        let spools = Spools::new(&SpoolSettings {
            folder: std::env::temp_dir(),
            memory: u64::MAX,
            upload_limit: limit,
            total_limit: u64::MAX,
            disk_share: 100,
            when_full: WhenFull::Unprotected,
            idle_timeout: Duration::from_mins(1),
        });
        let mut world = World::draw(chance, wanted);
        // The POST that begins it all is not what is played here.
        let home = world.any_node();
        let who = world.identity(home);
        let first = Upload {
            repository: RepositoryName::parse("lab/app").unwrap(),
            session: SessionId::parse("0f3c").unwrap(),
            node: name(home),
            location: world.storage.open(who).write(),
            offset: 0,
            issued: 0,
        };
        let transfer = Transfer::begin(&first, spools.open());
        Self {
            world: Arc::new(Mutex::new(world)),
            spools,
            transfer,
            wanted,
            attempts,
            told: vec![first],
            takeovers: 0,
            rescued: 0,
            came_back: false,
            sought: false,
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Sends all requests, and some of them again.
    fn push(&mut self, requests: &[Request]) -> &'static str {
        let mut at = 0;
        let mut repeats = 2;
        loop {
            let request = requests[at];
            let word = self.send(at, request);
            self.world().trace.note(|| format!("the client: {word:?}"));
            match word {
                Word::GoOn => at += 1,
                Word::Done => return self.judge_stored(request),
                Word::Refused(400) if self.wanted.named != self.wanted.blob => {
                    return "wrong digest";
                }
                Word::Unavailable | Word::Left
                    if repeats > 0 && self.world().chance.percent(60) =>
                {
                    repeats -= 1;
                    self.came_back = true;
                    let last = u64::try_from(at).unwrap();
                    at = usize::try_from(self.world().chance.position(last + 1)).unwrap();
                }
                Word::Refused(_) => return "refused by the registry",
                Word::Unavailable => return "given up",
                Word::Left => return "left",
            }
        }
    }

    /// Sends one request, as the edge does it.
    fn send(&mut self, at: usize, request: Request) -> Word {
        let upload = self.told[at].clone();
        self.told.truncate(at + 1);
        assert_eq!(
            upload.offset, request.from,
            "the address stands where the client does"
        );
        block_on(self.transfer.rewind(&upload, || self.spools.open()));
        let protection = match self.transfer.spool {
            Some(_) => Protection::Kept,
            None => Protection::None,
        };
        let session = self.transfer.session;
        let machine = Takeover::new(request.step, session, protection, self.attempts, true);
        let (mut spool, before) = self.transfer.lend();
        let mut world = self.world.lock().unwrap();
        world.excuses = 0;
        world
            .trace
            .note(|| format!("{request:?}, {session:?}, {protection:?}"));
        let mut source = client::Body::draw(&mut world.chance, self.wanted.blob, request);
        drop(world);
        let length = request.announced();
        let kind = if request.commits() {
            Kind::Put(length.unwrap_or(0))
        } else {
            Kind::Patch
        };
        let home = (number(&self.transfer.node), self.transfer.location.clone());
        let mut fleet = Fleet::new(&self.world, home, kind, request.to - request.from);
        fleet.kept = protection == Protection::Kept;
        let mut body = Body::new(&mut source, &mut spool, request.from, length);
        let ended = block_on(carry(machine, &mut fleet, &mut body));
        let received = body.received();
        assert!(fleet.opens <= self.attempts, "too many sessions");
        self.rescued += self.takeovers;
        self.takeovers = fleet.takeovers;
        self.sought = fleet.sought;
        self.judge_end(&ended, &fleet);
        let carried = Carried {
            spool,
            before,
            node: name(fleet.node),
            location: fleet.location,
            received,
            takeovers: fleet.takeovers,
            asked: fleet.asked,
        };
        self.transfer.settle(&ended, carried);
        let status = match ended {
            Ended::Pass(reply, _) => reply.head.status.as_u16(),
            Ended::Acknowledge if request.commits() => 201,
            Ended::Acknowledge => 202,
            Ended::Refuse(..) => return Word::Unavailable,
            Ended::ClientLeft => return Word::Left,
        };
        match status {
            201 => Word::Done,
            202 => {
                self.judge_accepted(request);
                self.told.push(Upload {
                    node: self.transfer.node.clone(),
                    location: self.transfer.location.clone(),
                    offset: self.transfer.acknowledged,
                    ..upload
                });
                Word::GoOn
            }
            other => Word::Refused(other),
        }
    }

    /// Whether the client got what the fleet could have given it.
    fn judge_end(&self, ended: &Ended, fleet: &Fleet) {
        let world = self.world();
        let sane = world.nodes.iter().any(|node| node.manner == Manner::Sane);
        let enough = usize::try_from(self.attempts).unwrap() >= world.nodes.len();
        let saved = sane && enough && fleet.kept && world.excuses < 2;
        match ended {
            Ended::Pass(reply, _) => {
                let status = reply.head.status.as_u16();
                let wrong = self.wanted.named != self.wanted.blob;
                let refused = world.refusal.is_some_and(|(refusal, _)| refusal == status);
                let fits = matches!(status, 201 | 202) || refused || wrong && status == 400;
                let excused = matches!(status, 400 | 401 | 404) && !saved;
                assert!(fits || excused, "the client reads {status}");
            }
            Ended::Refuse(..) => assert!(!saved, "a node would have saved it"),
            Ended::Acknowledge | Ended::ClientLeft => {}
        }
    }

    /// What was acknowledged is on its node, and nothing else.
    fn judge_accepted(&self, request: Request) {
        assert_eq!(self.transfer.acknowledged, request.to);
        let mut world = self.world();
        if world.nodes[number(&self.transfer.node)].manner == Manner::Corrupting {
            return;
        }
        let address = Address::read(&self.transfer.location);
        let session = world.storage.session(address).unwrap();
        assert_eq!(session.bytes, self.wanted.blob.bytes(0..request.to));
        assert!(!session.dirty, "acknowledged on what nobody knows");
    }

    /// What was acknowledged as a blob is one, under the right size.
    fn judge_stored(&self, request: Request) -> &'static str {
        let world = self.world();
        let blob = self.wanted.blob;
        assert_eq!(self.wanted.named, blob, "stored under a wrong name");
        let stored = world.storage.blob(blob.name).expect("nothing is stored");
        assert_eq!(stored, blob.bytes(0..blob.size));
        // A client that sends its last bytes with the commit gets a wrong size from its own node as well.
        let own = request.step == Step::PutLast && (self.sought || self.takeovers == 0);
        let booked = world.storage.booked[&blob.name];
        assert!(own || booked == blob.size, "booked with {booked} bytes");
        match (self.takeovers + self.rescued, self.sought, self.came_back) {
            (_, _, true) => "stored after the client came back",
            (_, true, _) => "stored when asked for",
            (0, false, _) => "stored by one node",
            (_, false, _) => "stored after takeovers",
        }
    }
}

fn name(node: usize) -> NodeId {
    NodeId::parse(&format!("node-{node}")).unwrap()
}

fn number(node: &NodeId) -> usize {
    node.as_str().trim_start_matches("node-").parse().unwrap()
}

/// Nothing here waits for anything but the next step of its own.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(work).poll(&mut context) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits for what never comes"),
    }
}
