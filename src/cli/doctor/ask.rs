//! Asking a node, as the edge would ask it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, header};
use pingora::http::RequestHeader;
use tokio::time::{Instant, timeout};

use crate::affinity::shared::address::Secret;
use crate::upstream::Failure;
use crate::upstream::live::Live;
use crate::upstream::peer::{Pace, Target};
use crate::upstream::settings::Timeouts;

use super::said::{Answer, Said, Silence};

/// The name and password of an account. `Debug` shows no password.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) password: Secret,
}

/// What a request proves its sender with. `Debug` shows nothing of it.
#[derive(Clone, Default)]
pub(super) struct Credential(Option<String>);

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential")
    }
}

impl Credential {
    pub(super) fn basic(account: &Account) -> Self {
        let pair = format!("{}:{}", account.name, account.password.reveal());
        Self(Some(format!("Basic {}", STANDARD.encode(pair))))
    }

    pub(super) fn bearer(token: &str) -> Self {
        Self(Some(format!("Bearer {token}")))
    }

    pub(super) fn none() -> Self {
        Self(None)
    }
}

/// One question.
#[derive(Debug)]
pub(super) struct Question {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    credential: Credential,
    body: Body,
}

/// What follows the head of a question.
#[derive(Debug)]
enum Body {
    None,
    Whole(Bytes),
    /// So many bytes are promised, and none is sent.
    Announced(u64),
    /// Sent only after a pause, unless there is an answer before.
    Late(Bytes, Duration),
}

impl Question {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            credential: Credential::none(),
            body: Body::None,
        }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn by(mut self, credential: &Credential) -> Self {
        self.credential = credential.clone();
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = Body::Whole(body);
        self
    }

    pub(super) fn announcing(mut self, bytes: u64) -> Self {
        self.body = Body::Announced(bytes);
        self
    }

    pub(super) fn late(mut self, body: Bytes, pause: Duration) -> Self {
        self.body = Body::Late(body, pause);
        self
    }

    fn head(&self, host: &str) -> pingora::Result<RequestHeader> {
        let mut head = RequestHeader::build(self.method.clone(), self.path.as_bytes(), Some(10))?;
        head.insert_header(header::HOST, host)?;
        head.insert_header(header::USER_AGENT, AGENT)?;
        head.insert_header(header::ACCEPT_ENCODING, "identity")?;
        head.insert_header("X-Forwarded-Proto", "https")?;
        head.insert_header("X-Forwarded-Host", host)?;
        for (name, value) in &self.headers {
            head.insert_header(*name, value)?;
        }
        if let Some(credential) = &self.credential.0 {
            head.insert_header(header::AUTHORIZATION, credential)?;
        }
        let length = match &self.body {
            Body::None if self.method == Method::GET || self.method == Method::HEAD => None,
            Body::None => Some(0),
            Body::Whole(bytes) | Body::Late(bytes, _) => {
                Some(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Body::Announced(bytes) => Some(*bytes),
        };
        if let Some(length) = length {
            head.insert_header(header::CONTENT_LENGTH, length.to_string())?;
        }
        Ok(head)
    }
}

/// Whoever asks. Never asks twice, and never waits long.
#[derive(Debug)]
pub(super) struct Asker {
    live: Live,
    timeouts: Timeouts,
    host: String,
}

impl Asker {
    /// Asks under this public name, with the operator's patience for connecting.
    pub(super) fn new(host: &str, timeouts: &Timeouts) -> Self {
        let (read, write) = (PATIENCE, PATIENCE);
        Self {
            live: Live::new(0),
            timeouts: Timeouts {
                read,
                write,
                commit: PATIENCE,
                ..timeouts.clone()
            },
            host: host.to_owned(),
        }
    }

    /// Asks, and reads the answer up to some length.
    pub(super) async fn ask(&self, target: &Target, question: &Question) -> Said {
        self.ask_within(target, question, PATIENCE).await
    }

    /// Asks with another patience.
    pub(super) async fn ask_within(
        &self,
        target: &Target,
        question: &Question,
        patience: Duration,
    ) -> Said {
        match timeout(patience, self.exchange(target, question)).await {
            Ok(Ok(answer)) => Said::Answer(answer),
            Ok(Err(failure)) => Said::Nothing(match failure {
                Failure::NoNode | Failure::Unreachable => Silence::Unreachable,
                Failure::Unverified => Silence::Unverified,
                Failure::Broken => Silence::Broken,
                Failure::Stalled => Silence::TimedOut,
            }),
            Err(_) => Said::Nothing(Silence::TimedOut),
        }
    }

    async fn exchange(&self, target: &Target, question: &Question) -> Result<Answer, Failure> {
        let head = question.head(&self.host).map_err(|_| Failure::Broken)?;
        let mut push = self
            .live
            .begin(target, &self.timeouts, Pace::Read, head)
            .await?;
        let begun = Instant::now();
        match &question.body {
            Body::None => push.end().await?,
            Body::Whole(bytes) => {
                // Who refuses early closes early: what it said counts.
                if push.send(bytes.clone()).await.is_ok() {
                    let _answered = push.end().await;
                }
            }
            Body::Announced(_) => {}
            Body::Late(bytes, pause) => {
                let early = timeout(*pause, push.head()).await;
                if early.is_err() && push.send(bytes.clone()).await.is_ok() {
                    let _answered = push.end().await;
                }
            }
        }
        let (status, headers) = {
            let head = push.head().await?;
            (head.status.as_u16(), head.headers.clone())
        };
        let took = begun.elapsed();
        let at_ms = now_ms().saturating_sub(millis(took / 2));
        let body = match question.body {
            Body::Announced(_) => Bytes::new(),
            Body::None | Body::Whole(_) | Body::Late(..) => push.body(LONGEST).await?,
        };
        Ok(Answer {
            status,
            headers,
            body,
            at_ms,
        })
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, millis)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// A node that is well answers small questions within milliseconds, and a wrong password within two seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// The longest list of projects that is compared.
const LONGEST: usize = 1 << 20;
const AGENT: &str = concat!("pilotage-doctor/", env!("CARGO_PKG_VERSION"));
