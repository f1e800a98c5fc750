//! Browser sessions under the cookie `sid`, kept in the Redis that all nodes share, or in the memory of this core.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::Request;
use hyper::header::COOKIE;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::Keeping;

/// The sessions of a cluster, and the sizes of uploads, which Harbor keeps beside them.
pub(super) struct Sessions {
    client: Option<redis::Client>,
    prefix: String,
    connection: Mutex<Option<MultiplexedConnection>>,
    /// Sessions that no other node knows, where they are kept here.
    own: Option<std::sync::Mutex<HashMap<String, String>>>,
}

/// Redis is gone.
#[derive(Debug)]
pub(super) struct NoRedis;

/// How long Harbor tries before it gives Redis up for one request.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long one that is there may take for an answer on a busy machine.
const ANSWER: Duration = Duration::from_secs(5);
const LIFE_SECONDS: u32 = 24 * 3600;

/// The session of one request, and what its answer has to say about it.
#[derive(Debug)]
pub(super) struct Session {
    id: String,
    user: Option<String>,
    cookies: Vec<String>,
}

impl Session {
    /// For requests whose session does not count.
    pub(super) fn none() -> Self {
        Self {
            id: String::new(),
            user: None,
            cookies: Vec::new(),
        }
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) fn set_cookies(self) -> Vec<String> {
        self.cookies
    }
}

impl Sessions {
    pub(super) fn new(address: Option<SocketAddr>, prefix: &str, keeping: Keeping) -> Self {
        Self {
            client: address
                .map(|address| redis::Client::open(format!("redis://{address}")).unwrap()),
            prefix: prefix.to_owned(),
            connection: Mutex::new(None),
            own: (keeping == Keeping::Memory).then(std::sync::Mutex::default),
        }
    }

    /// The session of this cookie. Without one, with one nobody knows, and without Redis: a new
    /// one, which the answer sets as a cookie.
    pub(super) async fn open(&self, cookie: Option<String>) -> Session {
        if let Some(id) = cookie
            && let Ok(Some(user)) = self.load(&self.key(&id)).await
        {
            let user = Some(user).filter(|user| !user.is_empty());
            return Session {
                id,
                user,
                cookies: Vec::new(),
            };
        }
        let mut session = Session::none();
        self.renew(&mut session, "").await;
        session
    }

    /// Gives a session a new id, as a login does.
    pub(super) async fn renew(&self, session: &mut Session, user: &str) {
        if !session.id.is_empty() {
            self.remove(&self.key(&session.id)).await;
        }
        session.id = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        session.user = Some(user.to_owned()).filter(|user| !user.is_empty());
        drop(self.store(&self.key(&session.id), user).await);
        session.cookies = vec![format!("sid={}; Path=/; HttpOnly", session.id)];
    }

    /// Ends a session: it is gone, the browser gets a fresh one, and is told to forget it.
    pub(super) async fn end(&self, session: &mut Session) {
        self.renew(session, "").await;
        session
            .cookies
            .push("sid=; Path=/; Max-Age=0; HttpOnly".to_owned());
    }

    /// Keeps what a login at the provider has to come back with.
    pub(super) async fn expect(&self, session: &Session, state: &str) -> Result<(), NoRedis> {
        self.store(&format!("{}:oidc", self.key(&session.id)), state)
            .await
    }

    /// What was kept, once.
    pub(super) async fn expected(&self, session: &Session) -> Option<String> {
        let key = format!("{}:oidc", self.key(&session.id));
        let state = self.load(&key).await.ok().flatten();
        self.remove(&key).await;
        state
    }

    async fn load(&self, key: &str) -> Result<Option<String>, NoRedis> {
        match &self.own {
            Some(own) => Ok(own.lock().unwrap().get(key).cloned()),
            None => self.ask(Cmd::get(key)).await,
        }
    }

    async fn store(&self, key: &str, value: &str) -> Result<(), NoRedis> {
        if let Some(own) = &self.own {
            own.lock().unwrap().insert(key.to_owned(), value.to_owned());
            return Ok(());
        }
        let mut store = Cmd::set(key, value);
        store.arg("EX").arg(LIFE_SECONDS);
        self.ask(store).await
    }

    async fn remove(&self, key: &str) {
        match &self.own {
            Some(own) => drop(own.lock().unwrap().remove(key)),
            None => drop(self.ask::<()>(Cmd::del(key)).await),
        }
    }

    /// Remembers how many bytes of an upload the registry accepted.
    pub(super) async fn remember_size(&self, upload: &str, size: u64) -> Result<(), NoRedis> {
        let mut store = Cmd::set(self.size_key(upload), size);
        store.arg("EX").arg(LIFE_SECONDS);
        self.ask(store).await
    }

    /// What was remembered; nothing, when Redis was started anew in between.
    pub(super) async fn remembered_size(&self, upload: &str) -> Result<Option<u64>, NoRedis> {
        self.ask(Cmd::get(self.size_key(upload))).await
    }

    pub(super) async fn ping(&self) -> Result<(), NoRedis> {
        self.ask::<String>(redis::cmd("PING")).await.map(drop)
    }

    fn key(&self, id: &str) -> String {
        format!("{}session:{id}", self.prefix)
    }

    fn size_key(&self, upload: &str) -> String {
        format!("{}upload:{upload}", self.prefix)
    }

    async fn ask<T: FromRedisValue>(&self, command: Cmd) -> Result<T, NoRedis> {
        let Some(client) = &self.client else {
            return Err(NoRedis);
        };
        let mut kept = self.connection.lock().await;
        // A kept connection may have died with the Redis of before: then once more on a fresh one.
        if let Some(mut connection) = kept.take()
            && let Ok(Ok(value)) = timeout(ANSWER, command.query_async(&mut connection)).await
        {
            *kept = Some(connection);
            return Ok(value);
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            let connected = timeout(ANSWER, client.get_multiplexed_async_connection()).await;
            if let Ok(Ok(mut connection)) = connected
                && let Ok(Ok(value)) = timeout(ANSWER, command.query_async(&mut connection)).await
            {
                *kept = Some(connection);
                return Ok(value);
            }
            tokio::time::sleep(PATIENCE / 10).await;
        }
        Err(NoRedis)
    }
}

/// The value of a cookie.
pub(super) fn cookie<B>(request: &Request<B>, name: &str) -> Option<String> {
    let all = request.headers().get_all(COOKIE);
    all.iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.to_owned())
}
