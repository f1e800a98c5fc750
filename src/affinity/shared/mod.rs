//! What all instances know: a link to Redis that is an improvement and never a condition.
//!
//! Whoever asks gets an answer within the deadline, or hears at once that Redis is away. What is only to be noted
//! goes through a bounded queue to one task that sends it in batches, and is dropped when that cannot keep up.
//! [`keys`] spells every key, [`breaker`] decides when Redis is left alone, and a task in the background finds out
//! when it is back. Nothing here waits at the start, and nothing fails a request.

pub mod access;
pub mod address;
pub mod breaker;
pub mod examine;
mod keeper;
pub mod keys;
mod link;
pub mod script;

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Value};

use crate::fleet::node::NodeId;
use crate::observe::labels::SharedCall;
use crate::observe::metrics::Metrics;
use crate::observe::status::Readiness;
use crate::registry::name::RepositoryName;
use crate::registry::session::SessionId;

use self::access::Access;
pub use self::keeper::Work;
use self::keys::{Keys, Kind};
use self::link::{Link, Note};
use self::script::Script;

/// What all instances know. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shared {
    link: Option<Arc<Link>>,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked<T> {
    Found(T),
    /// Redis knows nothing about it.
    None,
    /// Nobody was asked, or no answer came in time: go on as if there were no Redis.
    Away,
}

impl<T> Asked<T> {
    /// What was found.
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(value) => Some(value),
            Self::None | Self::Away => None,
        }
    }
}

impl Shared {
    /// Nothing is shared, at no cost.
    pub fn off() -> Self {
        Self { link: None }
    }

    /// A link that is off until [`Shared::adopt`] says where to, and the work that keeps it. The other instances are
    /// told how many listeners this one has.
    pub fn new(metrics: Arc<Metrics>, readiness: Arc<Readiness>, listeners: usize) -> (Self, Work) {
        let (link, notes) = Link::new(metrics, readiness, listeners);
        let work = Work {
            link: Arc::clone(&link),
            notes,
        };
        (Self { link: Some(link) }, work)
    }

    /// From now on Redis is there, or nowhere. A link to the same place as before goes on.
    pub fn adopt(&self, access: Option<Access>, keys: impl FnOnce(&str) -> Option<Keys>) {
        if let Some(link) = &self.link {
            link.adopt(access, keys);
        }
    }

    /// Whether there is a Redis that can be asked now.
    pub fn is_up(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_up())
    }

    /// The token of where a takeover has moved an upload. An upload that was never moved is not known.
    pub async fn find_upload(&self, session: &SessionId) -> Asked<String> {
        let about: &[&[u8]] = &[session.as_str().as_bytes()];
        self.find(SharedCall::FindUpload, Kind::Upload, about).await
    }

    /// Tells where an upload lives now, and waits until that is known: the client's next request may come to
    /// another instance at once. The token is sealed, for it holds the node's own secret.
    pub async fn move_upload(&self, session: &SessionId, token: &str, lifetime: Duration) {
        if let Some((link, keys)) = self.asking(SharedCall::MoveUpload) {
            let mut command = Cmd::new();
            command.arg("SET");
            command.arg(keys.written(Kind::Upload, &[session.as_str().as_bytes()]));
            command.arg(token).arg("PX").arg(millis(lifetime));
            link.ask(SharedCall::MoveUpload, &command).await;
        }
    }

    /// The upload is over.
    pub fn forget_upload(&self, session: &SessionId) {
        let about: &[&[u8]] = &[session.as_str().as_bytes()];
        self.forget(SharedCall::ForgetUpload, Kind::Upload, about);
    }

    /// The node that took `reference` (a digest or a tag) lately.
    pub async fn find_write(&self, repository: &RepositoryName, reference: &str) -> Asked<NodeId> {
        let about: &[&[u8]] = &[repository.as_str().as_bytes(), reference.as_bytes()];
        let found = self.find(SharedCall::FindWrite, Kind::Write, about).await;
        parsed(found, |text| NodeId::parse(text).ok())
    }

    /// Notes that `node` took `reference`; that counts for `lifetime`.
    pub fn note_write(
        &self,
        repository: &RepositoryName,
        reference: &str,
        node: &NodeId,
        lifetime: Duration,
    ) {
        let about: &[&[u8]] = &[repository.as_str().as_bytes(), reference.as_bytes()];
        self.note(SharedCall::NoteWrite, (Kind::Write, about), node, lifetime);
    }

    /// The node of a browser's session. Its cookie is hashed before anything is sent.
    pub async fn find_session(&self, cookie: &[u8]) -> Asked<NodeId> {
        let found = self
            .find(SharedCall::FindSession, Kind::Session, &[cookie])
            .await;
        parsed(found, |text| NodeId::parse(text).ok())
    }

    /// Tells the node of a browser's new session, and waits until that is known: the browser's next request may
    /// come to another instance at once.
    pub async fn tie_session(&self, cookie: &[u8], node: &NodeId, lifetime: Duration) {
        if let Some((link, keys)) = self.asking(SharedCall::KeepSession) {
            let key = keys.written(Kind::Session, &[cookie]);
            link.ask(SharedCall::KeepSession, &set(key, node, lifetime))
                .await;
        }
    }

    /// Notes the node of a browser's session, for `lifetime` from now; noting it again makes it last.
    pub fn keep_session(&self, cookie: &[u8], node: &NodeId, lifetime: Duration) {
        let about: &[&[u8]] = &[cookie];
        self.note(
            SharedCall::KeepSession,
            (Kind::Session, about),
            node,
            lifetime,
        );
    }

    /// The browser's session is over.
    pub fn forget_session(&self, cookie: &[u8]) {
        self.forget(SharedCall::ForgetSession, Kind::Session, &[cookie]);
    }

    /// What all instances were told about maintenance.
    pub async fn find_maintenance(&self) -> Asked<String> {
        self.find(SharedCall::Maintenance, Kind::Maintenance, &[])
            .await
    }

    /// Tells all instances that maintenance begins; found when Redis has taken it.
    pub async fn begin_maintenance(&self, notice: &str, lifetime: Duration) -> Asked<()> {
        let Some((link, keys)) = self.asking(SharedCall::Maintenance) else {
            return Asked::Away;
        };
        let mut command = Cmd::new();
        command
            .arg("SET")
            .arg(keys.written(Kind::Maintenance, &[]))
            .arg(notice)
            .arg("PX")
            .arg(millis(lifetime));
        let answer = link.ask(SharedCall::Maintenance, &command).await;
        answer.map_or(Asked::Away, |_| Asked::Found(()))
    }

    /// Tells all instances that maintenance is over; found when Redis has taken it.
    pub async fn end_maintenance(&self) -> Asked<()> {
        let Some((link, keys)) = self.asking(SharedCall::Maintenance) else {
            return Asked::Away;
        };
        for name in keys.read(Kind::Maintenance, &[]) {
            let mut command = Cmd::new();
            command.arg("DEL").arg(name);
            if link.ask(SharedCall::Maintenance, &command).await.is_none() {
                return Asked::Away;
            }
        }
        Asked::Found(())
    }

    /// Runs a script on the entry of this kind about this subject, which is hashed before anything is sent.
    pub async fn run(
        &self,
        script: &Script,
        (kind, about): (Kind, &[&[u8]]),
        arguments: &[u64],
    ) -> Asked<Vec<i64>> {
        let Some((link, keys)) = self.asking(SharedCall::Script) else {
            return Asked::Away;
        };
        let key = keys.written(kind, about);
        let answer = link.run(SharedCall::Script, script, &key, arguments).await;
        match answer.map(Vec::<i64>::from_redis_value) {
            Some(Ok(numbers)) => Asked::Found(numbers),
            Some(Err(_)) | None => Asked::Away,
        }
    }

    /// The link and its keys, when there is anybody to ask.
    fn asking(&self, call: SharedCall) -> Option<(&Arc<Link>, Arc<Keys>)> {
        let link = self.link.as_ref()?;
        if link.is_up() {
            return Some((link, link.keys()?));
        }
        link.not_asked(call);
        None
    }

    async fn find(&self, call: SharedCall, kind: Kind, about: &[&[u8]]) -> Asked<String> {
        let Some((link, keys)) = self.asking(call) else {
            return Asked::Away;
        };
        let names = keys.read(kind, about);
        let mut commands = Vec::with_capacity(names.len());
        for name in &names {
            let mut command = Cmd::new();
            command.arg("GET").arg(name);
            commands.push(command);
        }
        let answers = commands.iter().map(|command| link.ask(call, command));
        let answers = futures_util::future::join_all(answers).await;
        let mut missing = false;
        for answer in answers {
            match answer {
                Some(Value::BulkString(bytes)) => {
                    return String::from_utf8(bytes).map_or(Asked::None, Asked::Found);
                }
                Some(_) => missing = true,
                None => {}
            }
        }
        if missing { Asked::None } else { Asked::Away }
    }

    fn note(
        &self,
        call: SharedCall,
        (kind, about): (Kind, &[&[u8]]),
        node: &NodeId,
        lifetime: Duration,
    ) {
        if let Some((link, keys)) = self.asking(call) {
            let command = set(keys.written(kind, about), node, lifetime);
            link.note(Note { call, command });
        }
    }

    fn forget(&self, call: SharedCall, kind: Kind, about: &[&[u8]]) {
        if let Some((link, keys)) = self.asking(call) {
            for name in keys.read(kind, about) {
                let mut command = Cmd::new();
                command.arg("DEL").arg(name);
                link.note(Note { call, command });
            }
        }
    }
}

/// A value of another form is as good as none.
fn parsed<T>(found: Asked<String>, parse: impl FnOnce(&str) -> Option<T>) -> Asked<T> {
    match found {
        Asked::Found(text) => parse(&text).map_or(Asked::None, Asked::Found),
        Asked::None => Asked::None,
        Asked::Away => Asked::Away,
    }
}

fn set(key: String, node: &NodeId, lifetime: Duration) -> Cmd {
    let mut command = Cmd::new();
    command.arg("SET").arg(key);
    command.arg(node.as_str()).arg("PX").arg(millis(lifetime));
    command
}

/// A time to live: never zero, which Redis refuses.
fn millis(lifetime: Duration) -> u64 {
    u64::try_from(lifetime.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, LONGEST)
}

/// A year: nothing that is shared matters longer.
const LONGEST: u64 = 365 * 24 * 3600 * 1000;
