//! One instance: what the edge does with a request of a push, in a few lines, with the real parts.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilotage::affinity::settings::Storage;
use pilotage::affinity::shared::Asked;
use pilotage::affinity::standing::{Standing, standing};
use pilotage::affinity::token::{Key, Sealer, Upload};
use pilotage::registry::error::parse_envelope;
use pilotage::spool::file::Spools;
use pilotage::upload::driver::{Body, Ended, Reply, carry};
use pilotage::upload::elsewhere::{BeginsAgain, Gone, News, is_lost, meet, protection};
use pilotage::upload::takeover::{Protection, Session, Takeover};
use pilotage::upload::transfer::{Carried, Transfer, Transfers};
use tokio::time::Instant;

use super::super::client::{self, Request};
use super::super::fleet::World;
use super::super::flight::Kind;
use super::super::nodes::Fleet;
use super::super::storage::Address;
use super::super::{name, number};
use super::paced::{Life, Paced, PacedBody, Watch, pause};
use super::redis::{Move, Redis, Written};

/// One instance between two starts.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) life: Life,
    pub(super) sealer: Sealer,
    pub(super) spools: Spools,
    pub(super) transfers: Transfers,
    pub(super) attempts: u32,
    pub(super) storage: Storage,
    pub(super) outside: Outside,
}

/// What is there beside the instances.
#[derive(Debug, Clone)]
pub(super) struct Outside {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) redis: Arc<Mutex<Redis>>,
    pub(super) watch: Arc<Mutex<Watch>>,
}

/// A request as the client sends it.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) request: Request,
    pub(super) upload: Upload,
    pub(super) token: String,
    pub(super) agent: &'static str,
    pub(super) left: Arc<AtomicBool>,
    pub(super) mood: Mood,
}

/// How long a client waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Patient,
    /// It may leave in the middle.
    Fickle,
}

/// What the client reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// 202 with the next address.
    GoOn(String),
    /// 201.
    Done,
    /// An error, and whether its code says that the upload is unknown.
    Refused(u16, Code),
    /// Nothing.
    Silence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    UploadUnknown,
    Other,
}

/// What a request came to.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) word: Word,
    /// Its bytes are nowhere but at the client, so the client has to begin again.
    pub(super) gone: bool,
    pub(super) takeovers: u32,
    /// Redis knew where it lives, or that its address was left behind.
    pub(super) by_redis: bool,
}

/// Secrets that all instances list, each in an order of its own, as in the middle of a rotation.
pub(super) fn sealer(newest: u8) -> Sealer {
    let keys = (0..3_u8).map(|number| Key::from([(newest + number) % 3 + 1; 32]));
    Sealer::new(keys.collect()).unwrap()
}

pub(super) const LIFETIME: Duration = Duration::from_hours(24);

impl Instance {
    pub(super) fn seal(&self, upload: &Upload) -> String {
        let mut nonce = [0; 12];
        let drawn = self
            .outside
            .world
            .lock()
            .unwrap()
            .chance
            .number(0..u64::MAX);
        nonce[..8].copy_from_slice(&drawn.to_be_bytes());
        self.sealer.seal(upload, nonce)
    }

    fn open(&self, token: &str, about: &Upload) -> Upload {
        let opened = self
            .sealer
            .open(token, &about.repository, &about.session, 0, LIFETIME);
        opened.expect("all instances open what any of them sealed")
    }

    fn note(&self, note: impl FnOnce() -> String) {
        let life = self.life;
        let mut world = self.outside.world.lock().unwrap();
        world
            .trace
            .note(|| format!("instance {}.{}: {}", life.instance, life.number, note()));
    }

    /// Carries a request to its end.
    pub(super) async fn serve(self: Arc<Self>, sent: Sent) -> Told {
        let client = self.open(&sent.token, &sent.upload);
        let (upload, held, by_redis) = self.meet(client).await;
        let now = Instant::now().into_std();
        let begin = || Transfer::begin(&upload, self.spools.open());
        let shared = self.transfers.enter(&upload.session, now, begin).unwrap();
        let mut transfer = shared.lock().await;
        transfer.rewind(&upload, || self.spools.open()).await;
        if held == Session::Spent {
            transfer.session = Session::Spent;
        }
        let (ended, takeovers) = self.carry(&sent, &mut transfer).await;
        let moves = takeovers > 0 && !sent.request.commits();
        self.tell(&ended, (&upload, &transfer), (takeovers, moves))
            .await;
        let gone = Gone::of(&transfer, &upload);
        let word = self.word(&ended, (&upload, &transfer), gone, &sent);
        if let Word::GoOn(_) = word {
            self.judge_accepted(&transfer, sent.request);
        }
        let lost = is_lost(gone, &ended);
        self.note(|| format!("{word:?} after {takeovers} takeovers"));
        Told {
            word,
            gone: lost,
            takeovers,
            by_redis,
        }
    }

    /// Where the upload lives, whether its session may be written, and whether that is Redis's word.
    async fn meet(&self, client: Upload) -> (Upload, Session, bool) {
        let now = Instant::now().into_std();
        if self.transfers.find(&client.session, now).is_some() {
            return (client, Session::Clean, false);
        }
        pause().await;
        let asked = {
            let world = &mut self.outside.world.lock().unwrap();
            let redis = self.outside.redis.lock().unwrap();
            redis.find(&mut world.chance, &client.session)
        };
        let told = asked != Asked::Away;
        let standing = match asked {
            Asked::Found(token) => standing(&client, self.open(&token, &client)),
            Asked::None | Asked::Away => Standing::Current,
        };
        self.note(|| format!("{client:?} is {standing:?}, asked: {told}"));
        let by_redis = standing != Standing::Current;
        let (upload, held) = meet(standing, client);
        if told && held == Session::Clean {
            let address = Address::read(&upload.location);
            let redis = self.outside.redis.lock().unwrap();
            redis.judge_written(&upload.session, address);
        }
        (upload, held, by_redis)
    }

    async fn carry(&self, sent: &Sent, transfer: &mut Transfer) -> (Ended, u32) {
        let request = sent.request;
        let protection = protection(transfer);
        let session = transfer.session;
        let machine = Takeover::new(request.step, session, protection, self.attempts, true);
        let (mut spool, before) = transfer.lend();
        let world = &self.outside.world;
        let body = {
            let mut world = world.lock().unwrap();
            let wanted = world.wanted;
            let body = client::Body::draw(&mut world.chance, wanted.blob, request);
            match sent.mood {
                Mood::Patient => body.staying(),
                Mood::Fickle => body,
            }
        };
        self.note(|| format!("{request:?}, {session:?}, {protection:?}"));
        let mut source = PacedBody {
            body,
            left: Arc::clone(&sent.left),
        };
        let length = request.announced();
        let kind = if request.commits() {
            Kind::Put(length.unwrap_or(0))
        } else {
            Kind::Patch
        };
        let home = (number(&transfer.node), transfer.location.clone());
        let mut fleet = Fleet::new(world, home, kind, request.to - request.from);
        fleet.kept = protection == Protection::Kept;
        fleet.storage = self.storage;
        let mut nodes = Paced {
            fleet,
            life: self.life,
            watch: Arc::clone(&self.outside.watch),
        };
        let mut body = Body::new(&mut source, &mut spool, request.from, length);
        let ended = carry(machine, &mut nodes, &mut body).await;
        let received = body.received();
        let fleet = nodes.fleet;
        let carried = Carried {
            spool,
            before,
            node: name(fleet.node),
            location: fleet.location,
            received,
            takeovers: fleet.takeovers,
            asked: fleet.asked,
        };
        transfer.settle(&ended, carried);
        (ended, fleet.takeovers)
    }

    /// Tells the other instances.
    async fn tell(
        &self,
        ended: &Ended,
        (upload, transfer): (&Upload, &Transfer),
        (takeovers, moves): (u32, bool),
    ) {
        let news = News::of(ended, takeovers, transfer);
        let now = described(upload, transfer);
        let (token, about) = match news {
            News::None | News::Over => (None, None),
            News::Moved => {
                let from = Address::read(&upload.location);
                let offset = now.offset;
                (Some(self.seal(&now)), Some(Move { from, offset }))
            }
        };
        pause().await;
        let mut world = self.outside.world.lock().unwrap();
        let mut redis = self.outside.redis.lock().unwrap();
        let written = match news {
            News::None if redis.away => Written::Unknown,
            News::None => Written::Yes,
            News::Over | News::Moved => {
                redis.write(&mut world.chance, &upload.session, token, about)
            }
        };
        let accepted = match ended {
            Ended::Acknowledge => true,
            Ended::Pass(reply, _) => reply.head.status.as_u16() == 202,
            Ended::Refuse(..) | Ended::ClientLeft => false,
        };
        if moves && accepted && written == Written::Yes {
            redis.judge_told(&upload.session, &now, |token| self.open(token, upload));
        }
    }

    fn word(
        &self,
        ended: &Ended,
        (upload, transfer): (&Upload, &Transfer),
        gone: Gone,
        sent: &Sent,
    ) -> Word {
        if is_lost(gone, ended) {
            return match BeginsAgain::of(sent.agent) {
                BeginsAgain::WhenUnknown => Word::Refused(404, Code::UploadUnknown),
                BeginsAgain::WhenUnavailable => Word::Refused(503, Code::Other),
            };
        }
        let status = match ended {
            Ended::Acknowledge if sent.request.commits() => 201,
            Ended::Acknowledge => 202,
            Ended::Pass(reply, _) => reply.head.status.as_u16(),
            Ended::Refuse(..) => 502,
            Ended::ClientLeft => return Word::Silence,
        };
        match (status, ended) {
            (201, _) => {
                self.transfers.forget(&upload.session);
                self.outside.watch.lock().unwrap().committed(self.life);
                Word::Done
            }
            (202, _) => Word::GoOn(self.seal(&described(upload, transfer))),
            (_, Ended::Pass(reply, _)) => Word::Refused(status, code(reply)),
            (_, _) => Word::Refused(status, Code::Other),
        }
    }

    /// What was acknowledged is on its node, and nothing else.
    fn judge_accepted(&self, transfer: &Transfer, request: Request) {
        assert_eq!(transfer.acknowledged, request.to);
        let address = Address::read(&transfer.location);
        let mut world = self.outside.world.lock().unwrap();
        let watch = self.outside.watch.lock().unwrap();
        let blob = world.wanted.blob;
        if let Some(session) = world.storage.session(address)
            && !watch.is_beyond_us(address)
        {
            assert_eq!(session.bytes, blob.bytes(0..request.to), "acknowledged");
        }
    }
}

/// The transfer as a token describes it.
fn described(upload: &Upload, transfer: &Transfer) -> Upload {
    Upload {
        node: transfer.node.clone(),
        location: transfer.location.clone(),
        offset: transfer.acknowledged,
        ..upload.clone()
    }
}

fn code(reply: &Reply) -> Code {
    let unknown = parse_envelope(&reply.body)
        .is_some_and(|all| all.iter().any(|one| one.code == "BLOB_UPLOAD_UNKNOWN"));
    if unknown {
        Code::UploadUnknown
    } else {
        Code::Other
    }
}
