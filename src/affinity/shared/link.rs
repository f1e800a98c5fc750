//! The link itself, as requests ask it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, ArcSwapOption};
use redis::{
    Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, ToRedisArgs, Value,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::observe::labels::{SharedCall, SharedOutcome, SharedState};
use crate::observe::metrics::Metrics;
use crate::observe::status::{Instance, Readiness};

use super::access::{Access, Connection};
use super::breaker::{Breaker, Change, Question, Trouble};
use super::keys::{Keys, Kind};
use super::script::Script;

/// One end of the way to Redis.
pub(super) struct Link {
    /// None while nobody may ask.
    pub(super) line: ArcSwapOption<Line>,
    keys: ArcSwap<Option<Arc<Keys>>>,
    pub(super) wanted: watch::Sender<Option<Arc<Access>>>,
    breaker: Mutex<Breaker>,
    pub(super) went_away: Notify,
    notes: mpsc::Sender<Note>,
    /// What operators were told last.
    pub(super) told: Mutex<Option<SharedState>>,
    /// Names this instance among the others.
    instance: [u8; 16],
    pub(super) metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    roll: Script,
    /// When this instance began, in seconds since 1970.
    started: u64,
    listeners: usize,
}

/// One connection, as long as it is good.
pub(super) struct Line {
    pub(super) connection: Connection,
    pub(super) number: u64,
    pub(super) timeout: Duration,
}

/// Something that is sent some time, or not at all.
pub(super) struct Note {
    pub(super) call: SharedCall,
    pub(super) command: Cmd,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

impl Link {
    pub(super) fn new(
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        listeners: usize,
    ) -> (Arc<Self>, mpsc::Receiver<Note>) {
        let (sender, notes) = mpsc::channel(MOST_NOTES);
        let link = Arc::new(Self {
            line: ArcSwapOption::empty(),
            keys: ArcSwap::from_pointee(None),
            wanted: watch::Sender::new(None),
            breaker: Mutex::default(),
            went_away: Notify::new(),
            notes: sender,
            told: Mutex::default(),
            instance: fastrand::u128(..).to_be_bytes(),
            metrics,
            readiness,
            roll: Script::new(include_str!("roll.lua")),
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            listeners,
        });
        (link, notes)
    }

    pub(super) fn adopt(&self, access: Option<Access>, keys: impl FnOnce(&str) -> Option<Keys>) {
        let keys = access.as_ref().and_then(|access| keys(&access.prefix));
        self.keys.store(Arc::new(keys.map(Arc::new)));
        self.wanted.send_if_modified(|wanted| {
            let differs = wanted.as_deref() != access.as_ref();
            if differs {
                *wanted = access.map(Arc::new);
            }
            differs
        });
    }

    pub(super) fn is_up(&self) -> bool {
        self.line.load().is_some()
    }

    pub(super) fn keys(&self) -> Option<Arc<Keys>> {
        Option::clone(&self.keys.load())
    }

    /// The answer to one command, or none when there is nobody to ask or no answer in time.
    pub(super) async fn ask(&self, call: SharedCall, command: &Cmd) -> Option<Value> {
        let Some(line) = self.line.load_full() else {
            self.not_asked(call);
            return None;
        };
        self.judge(&line, call, line.connection.send(command)).await
    }

    /// The answer of a script about one key. Both ways of asking for it share one deadline.
    pub(super) async fn run<A: ToRedisArgs>(
        &self,
        call: SharedCall,
        script: &Script,
        key: &str,
        arguments: &[A],
    ) -> Option<Value> {
        let Some(line) = self.line.load_full() else {
            self.not_asked(call);
            return None;
        };
        let command = |name: &str, script: &str| {
            let mut command = Cmd::new();
            command.arg(name).arg(script).arg(1).arg(key);
            command.arg(arguments);
            command
        };
        let work = async {
            let known = command("EVALSHA", script.digest());
            match line.connection.send(&known).await {
                // A Redis that was started anew has forgotten it.
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    let whole = command("EVAL", script.text());
                    line.connection.send(&whole).await
                }
                answer => answer,
            }
        };
        self.judge(&line, call, work).await
    }

    pub(super) fn note(&self, note: Note) {
        if self.notes.try_send(note).is_err() {
            self.metrics.shared_note_dropped();
        }
    }

    pub(super) fn not_asked(&self, call: SharedCall) {
        if self.wanted.borrow().is_some() {
            self.metrics
                .shared_called(call, SharedOutcome::NotAsked, Duration::ZERO);
        }
    }

    /// Waits for an answer within the deadline, counts it and tells the breaker.
    pub(super) async fn judge(
        &self,
        line: &Line,
        call: SharedCall,
        work: impl Future<Output = RedisResult<Value>>,
    ) -> Option<Value> {
        let begun = Instant::now();
        let answer = timeout(line.timeout, work).await;
        let now = Instant::now();
        let (outcome, failure) = match &answer {
            Ok(Ok(Value::Nil)) => (SharedOutcome::Missing, None),
            Ok(Ok(_)) => (SharedOutcome::Done, None),
            Ok(Err(error)) if is_lost(error) => {
                // A cluster goes on without one of its members.
                let trouble = if line.connection.mends_itself() {
                    Trouble::Refused
                } else {
                    Trouble::Lost
                };
                (SharedOutcome::Lost, Some((trouble, reason(error))))
            }
            Ok(Err(error)) => {
                let failure = (Trouble::Refused, reason(error));
                (SharedOutcome::Refused, Some(failure))
            }
            Err(_) => {
                let failure = (Trouble::Slow, TIMED_OUT.to_owned());
                (SharedOutcome::TimedOut, Some(failure))
            }
        };
        self.metrics
            .shared_called(call, outcome, now.duration_since(begun));
        let Some((trouble, why)) = failure else {
            self.breaker().answered(line.number, question(call));
            return answer.ok()?.ok();
        };
        let now = now.into_std();
        if self.breaker().failed(line.number, trouble, now) == Change::WentAway {
            self.line.store(None);
            self.tell(SharedState::Away, &why);
            self.went_away.notify_one();
        }
        None
    }

    /// A write, because a Redis that only reads is of no use.
    pub(super) fn alive(&self) -> Option<Cmd> {
        let key = self.keys()?.written(Kind::Instance, &[&self.instance]);
        let lifetime = (HEARTBEAT * 3).as_secs();
        let mut command = Cmd::new();
        command.arg("SET").arg(key).arg(1).arg("EX").arg(lifetime);
        Some(command)
    }

    /// Answers the roll, and learns who else has. It is a write, so it tells whether Redis is of use as well.
    pub(super) async fn answer_roll(&self) {
        let Some(keys) = self.keys() else {
            return;
        };
        let own = Instance {
            id: format!("{:032x}", u128::from_be_bytes(self.instance)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            stage: self.readiness.stage(),
            listeners: self.listeners,
        };
        let Ok(said) = serde_json::to_string(&own) else {
            return;
        };
        let counts = (HEARTBEAT * 3).as_millis().to_string();
        let arguments = [own.id.clone(), said, counts];
        let answer = self
            .run(SharedCall::Roll, &self.roll, &keys.roll(), &arguments)
            .await;
        let Some(answer) = answer else {
            return;
        };
        let all = Vec::<String>::from_redis_value(answer).unwrap_or_default();
        let all = all.iter().take(MOST_INSTANCES);
        // What another release says in another form is nothing that could be shown.
        let all = all.filter_map(|said| serde_json::from_str::<Instance>(said).ok());
        self.readiness.instances_are(all.collect());
    }

    pub(super) fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what has changed, once.
    pub(super) fn tell(&self, state: SharedState, why: &str) {
        self.show(state);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told == Some(state) {
            return;
        }
        *told = Some(state);
        drop(told);
        let place = self.wanted.borrow().as_ref().map(|access| access.place());
        let address = place.as_deref().unwrap_or_default();
        match state {
            SharedState::Off => tracing::info!("redis is no longer used"),
            SharedState::Up => tracing::info!(address, "redis is up"),
            SharedState::Away => tracing::warn!(
                address,
                reason = why,
                remedy = REMEDY,
                "redis is away: going on without it"
            ),
        }
    }

    pub(super) fn show(&self, state: SharedState) {
        self.metrics.shared_is(state);
        self.readiness.shared_is(state);
        if state != SharedState::Up {
            self.readiness.instances_are(Vec::new());
        }
    }
}

fn is_lost(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

/// Why, without anything that was sent.
pub(super) fn reason(error: &RedisError) -> String {
    error
        .code()
        .unwrap_or_else(|| error.category())
        .to_lowercase()
}

pub(super) const TIMED_OUT: &str = "no answer in time";
const REMEDY: &str =
    "nothing to do if it comes back; otherwise look at [redis] and at Redis itself";

/// Some seconds of a busy registry; each is a few hundred bytes.
const MOST_NOTES: usize = 4096;
/// More than anybody has, and few enough for a page.
const MOST_INSTANCES: usize = 64;
/// Short enough that a dead link is found while nobody asks.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);

fn question(call: SharedCall) -> Question {
    match call {
        SharedCall::FindUpload
        | SharedCall::FindWrite
        | SharedCall::FindSession
        | SharedCall::ForgetUpload
        | SharedCall::ForgetSession
        | SharedCall::Maintenance => Question::Read,
        SharedCall::Probe
        | SharedCall::MoveUpload
        | SharedCall::NoteWrite
        | SharedCall::KeepSession
        | SharedCall::Script
        | SharedCall::Roll => Question::Write,
    }
}
