//! One upload, several instances: each request of the client reaches any of them.
//!
//! The tokens, the transfers, the machine and its driver, and what instances tell each other and make of it, are the
//! real ones. Nodes fail as they do for one instance; beside that, instances die and come back with nothing in
//! memory, Redis is away, loses what it was told, takes it late or comes back empty, and the client turns away in
//! the middle, repeats what it sent at another instance, goes back to older addresses, and begins again. Requests
//! that nobody waits for any more go on, step by step between those of others.
//!
//! Whatever happens, what was acknowledged is there; no session is written by whoever could know better; and a
//! client that begins again when it is told to has its blob stored once the trouble is over.

mod edge;
mod paced;
mod pusher;
mod redis;
mod trouble;

use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pilotage::affinity::settings::Storage;
use pilotage::affinity::token::Upload;
use pilotage::registry::name::RepositoryName;
use pilotage::registry::session::SessionId;
use pilotage::spool::file::Spools;
use pilotage::spool::settings::{SpoolSettings, WhenFull};
use pilotage::upload::transfer::Transfers;

use super::client::{self, Request};
use super::fleet::{Manner, Wanted, World};
use super::storage::Writers;
use super::{Lent, name};
use crate::seeds::Trace;
use crate::world::{Blob, Chance};
use edge::{Instance, Outside, Told, sealer};
use paced::{Life, Watch};
use redis::Redis;
use trouble::heal;

/// How a push can end.
pub(crate) const OUTCOMES: [&str; 7] = [
    "stored without trouble",
    "stored by what Redis knew",
    "stored after takeovers",
    "stored after the client began again",
    "wrong digest",
    "refused for good",
    "given up",
];

/// One push.
struct Play {
    outside: Outside,
    /// None is one that is down.
    instances: Vec<Option<Arc<Instance>>>,
    setup: Setup,
    lives: u64,
    requests: Vec<Request>,
    /// The upload as it was begun last, and its addresses, one for each request.
    upload: Upload,
    told: Vec<String>,
    uploads: u64,
    running: Vec<Running>,
    troubles: u32,
    tally: Tally,
}

/// What is the same for all instances, and how the client is.
#[derive(Debug, Clone, Copy)]
struct Setup {
    attempts: u32,
    spool_limit: u64,
    storage: Storage,
    agent: &'static str,
    /// Nodes do what they should: all trouble is with instances, Redis and the client.
    mild: bool,
    /// Of a hundred steps, so many bring something new.
    events: u64,
}

/// What has happened so far.
#[derive(Debug, Default)]
struct Tally {
    takeovers: u32,
    by_redis: bool,
    /// Nothing goes wrong any more.
    calm: bool,
}

/// A request under way at an instance.
struct Running {
    instance: usize,
    waits: Waits,
    left: Arc<AtomicBool>,
    work: Pin<Box<dyn Future<Output = Told>>>,
}

/// Whether the client still waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Yes,
    No,
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
    let named = if chance.percent(3) { other } else { blob };
    let requests = client::draw(&mut chance, size);
    let mut play = Play::draw(chance, Wanted { blob, named }, requests);
    let lent = Lent::new(&play.outside.world, trace);
    let outcome = play.push();
    play.running.clear();
    drop(lent);
    outcome
}

impl Play {
    fn draw(mut chance: Chance, wanted: Wanted, requests: Vec<Request>) -> Self {
        let setup = Setup {
            attempts: u32::try_from(chance.number(1..6)).unwrap(),
            spool_limit: match chance.number(0..10) {
                0 => chance.number(0..wanted.blob.size + 1),
                _ => u64::MAX,
            },
            storage: Storage::Apart,
            agent: chance.weighted(&[(1, "docker/28.0"), (1, "skopeo/1.9")]),
            mild: chance.percent(40),
            events: chance.weighted(&[(2, 0), (3, 1), (3, 5), (1, 20)]),
        };
        let count = usize::try_from(chance.number(2..4)).unwrap();
        let losses = chance.weighted(&[(3, 0), (2, 10), (1, 60)]);
        let mut world = World::draw(chance, wanted);
        world.storage.writers = Writers::Several;
        let first = world.identity(0);
        let one = |who: super::storage::Identity| {
            (who.storage, who.secret) == (first.storage, first.secret)
        };
        let all = (0..world.nodes.len()).map(|node| world.identity(node));
        let storage = if all.into_iter().all(one) && world.chance.percent(50) {
            Storage::Shared
        } else {
            Storage::Apart
        };
        if setup.mild {
            heal(&mut world);
        }
        let mut watch = Watch::default();
        watch.corrupting = world
            .nodes
            .iter()
            .any(|node| node.manner == Manner::Corrupting);
        let mut redis = Redis::default();
        redis.losses = losses;
        let mut play = Self {
            outside: Outside {
                world: Arc::new(Mutex::new(world)),
                redis: Arc::new(Mutex::new(redis)),
                watch: Arc::new(Mutex::new(watch)),
            },
            instances: Vec::new(),
            setup: Setup { storage, ..setup },
            lives: 0,
            requests,
            upload: Upload {
                repository: RepositoryName::parse("lab/app").unwrap(),
                session: SessionId::parse("none").unwrap(),
                node: name(0),
                location: String::new(),
                offset: 0,
                issued: 0,
            },
            told: Vec::new(),
            uploads: 0,
            running: Vec::new(),
            troubles: 0,
            tally: Tally::default(),
        };
        play.instances = (0..count)
            .map(|number| Some(play.instance(number)))
            .collect();
        play
    }

    /// An instance that has just started.
    fn instance(&mut self, number: usize) -> Arc<Instance> {
        self.lives += 1;
        let spools = SpoolSettings {
            folder: std::env::temp_dir(),
            memory: u64::MAX,
            upload_limit: self.setup.spool_limit,
            total_limit: u64::MAX,
            disk_share: 100,
            when_full: WhenFull::Unprotected,
            idle_timeout: Duration::from_mins(1),
        };
        Arc::new(Instance {
            life: Life {
                instance: number,
                number: self.lives,
            },
            sealer: sealer(u8::try_from(number).unwrap()),
            spools: Spools::new(&spools),
            transfers: Transfers::default(),
            attempts: self.setup.attempts,
            storage: self.setup.storage,
            outside: self.outside.clone(),
        })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.outside.world.lock().unwrap()
    }

    fn note(&self, note: impl FnOnce() -> String) {
        self.world().trace.note(note);
    }

    fn percent(&self, percent: u64) -> bool {
        self.world().chance.percent(percent)
    }

    fn below(&self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap();
        usize::try_from(self.world().chance.number(0..count)).unwrap()
    }

    /// Everybody takes a step, whoever's turn it is, until the client has its end.
    fn push(&mut self) -> &'static str {
        self.begin();
        loop {
            if !self.tally.calm && self.percent(self.setup.events) {
                self.event();
            }
            if !self.running.iter().any(|one| one.waits == Waits::Yes) {
                self.send();
            }
            let turn = self.below(self.running.len());
            let Some(told) = self.poll(turn) else {
                continue;
            };
            let done = self.running.swap_remove(turn);
            if done.waits == Waits::Yes
                && let Some(outcome) = self.hear(&told)
            {
                return outcome;
            }
        }
    }

    fn poll(&mut self, turn: usize) -> Option<Told> {
        let mut context = Context::from_waker(Waker::noop());
        let running = &mut self.running[turn];
        match running.work.as_mut().poll(&mut context) {
            Poll::Ready(told) => Some(told),
            Poll::Pending => None,
        }
    }

    /// An instance that is up. The last one never dies.
    fn somebody(&mut self) -> Arc<Instance> {
        let up: Vec<_> = self.instances.iter().flatten().cloned().collect();
        if up.is_empty() {
            let back = self.instance(0);
            self.instances[0] = Some(Arc::clone(&back));
            return back;
        }
        let at = self.below(up.len());
        Arc::clone(&up[at])
    }
}
