//! The admin listener: from a request to its page.

mod body;
mod changes;
pub mod display;
mod events;
mod maintenance;
mod page;
mod pages;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::affinity::shared::Shared;
use crate::edge::connection::Connection;
use crate::edge::gate::Gate;
use crate::edge::maintenance::Maintenance;
use crate::observe::history::History;
use crate::observe::labels::Denial;
use crate::observe::log::Log;
use crate::observe::metrics::Metrics;
use crate::observe::progress::Progress;

use super::access::{Caller, Denied, Intent, admit};
use super::answer::{Answer, Refusal};
use super::route::{Ask, Unfit};
use super::settings::NumbersPage;
use super::tokens::Keeper;
pub use super::views::Views;
use display::{Display, Seat};

/// Everything that can be looked at or changed. Put together by `app`.
#[derive(Debug)]
pub struct Desk {
    pub views: Views,
    pub keeper: Keeper,
    pub numbers_page: NumbersPage,
    pub metrics: Arc<Metrics>,
    pub history: Arc<History>,
    pub progress: Progress,
    pub maintenance: Arc<Maintenance>,
    /// Requests that wait for a node look again when one is given back.
    pub gate: Arc<Gate>,
    pub log: Log,
    pub shared: Shared,
    pub reloads: mpsc::Sender<ReloadOrder>,
    pub display: Arc<Display>,
}

/// An operator wants the file to be read again.
#[derive(Debug)]
pub struct ReloadOrder {
    pub done: oneshot::Sender<Reloaded>,
}

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// The settings count from now on, but for these keys, which need a restart.
    Done(Vec<String>),
    /// These problems keep the settings of before in force.
    Refused(Vec<String>),
}

/// Whoever asks: what he is called in the log.
struct Operator(String);

/// How a request is answered.
enum Reply {
    Whole(Answer),
    /// With what changes, for as long as somebody looks.
    Events(Seat),
}

#[async_trait]
impl HttpServerApp for Desk {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !matches!(session.read_request().await, Ok(true)) {
            return None;
        }
        // Whoever does not want it, or is not believed about where his request ends, is not kept.
        let stays = !*shutdown.borrow() && session.get_keepalive().is_some();
        session.set_keepalive(stays.then_some(KEPT_ALIVE));
        let connection = connection(&session);
        if let Some(connection) = &connection {
            connection.begin();
        }
        let peer = connection.as_ref().map(|connection| connection.peer().ip());
        let fits = connection.as_ref().is_none_or(|one| one.header_fits());
        let reply = if fits {
            self.reply(&mut session, (peer, shutdown)).await
        } else {
            Reply::Whole(too_large(&mut session))
        };
        let written = match reply {
            Reply::Whole(answer) => write(&mut session, answer).await,
            Reply::Events(seat) => self.stream(&mut session, (seat, peer), shutdown).await,
        };
        if let Some(connection) = connection {
            connection.end();
        }
        written.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}

impl Desk {
    async fn reply(
        &self,
        session: &mut ServerSession,
        from: (Option<IpAddr>, &ShutdownWatch),
    ) -> Reply {
        let reply = self.serve(session, from).await;
        let reply = reply.unwrap_or_else(|refusal| Reply::Whole(refusal.into()));
        if !session.is_body_done() {
            // What was not read would be taken for the next request.
            session.set_keepalive(None);
        }
        reply
    }

    async fn serve(
        &self,
        session: &mut ServerSession,
        (peer, shutdown): (Option<IpAddr>, &ShutdownWatch),
    ) -> Result<Reply, Refusal> {
        let request = session.req_header();
        let path = request.uri.path().to_owned();
        let query = request.uri.query().unwrap_or_default().to_owned();
        let ask = Ask::parse(&request.method, &path);
        // A stranger is not told which pages there are.
        let who = self.admit(session, peer, ask.as_ref().ok());
        let who = who.map_err(|denied| self.deny(denied, peer, &path))?;
        let ask = ask.map_err(|unfit| refusal(unfit, &path))?;
        if ask.changes() {
            let body = body::read(session, &path).await?;
            if *shutdown.borrow() {
                // Another process may serve already: here it would count for nobody.
                return Err(ending(&path));
            }
            let answer = self.change(ask, &body, &path, &who).await?;
            self.display.redraw();
            return Ok(Reply::Whole(answer));
        }
        if let Ask::Page(piece) = ask {
            return self.show(piece, session, &path, &who);
        }
        // The clock of tokio, so that a test may hold it.
        let answer = self.look(&ask, &path, &query, Instant::now().into_std())?;
        Ok(Reply::Whole(answer))
    }

    /// Whether whoever asked is still let in: tokens may have changed since.
    fn is_still_let_in(&self, session: &ServerSession, peer: Option<IpAddr>, ask: &Ask) -> bool {
        self.admit(session, peer, Some(ask)).is_ok()
    }

    fn admit(
        &self,
        session: &ServerSession,
        peer: Option<IpAddr>,
        ask: Option<&Ask>,
    ) -> Result<Operator, Denied> {
        let open = match ask {
            Some(Ask::Numbers) => self.numbers_page == NumbersPage::Everybody,
            Some(ask) => ask.is_probe(),
            None => false,
        };
        if open {
            return Ok(Operator(String::new()));
        }
        let caller = Caller {
            peer: peer
                .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
                .to_canonical(),
            headers: &session.req_header().headers,
            certificate: certificate(session),
        };
        let intent = if ask.is_some_and(Ask::changes) {
            Intent::Change
        } else {
            Intent::Read
        };
        admit(&self.keeper.load(), &caller, intent).map(Operator)
    }

    fn deny(&self, denied: Denied, peer: Option<IpAddr>, path: &str) -> Refusal {
        self.metrics.operator_denied(match denied {
            Denied::Unknown | Denied::WrongToken => Denial::Credential,
            Denied::ForeignHost | Denied::ForeignPage | Denied::NotJson => Denial::Site,
        });
        if denied == Denied::WrongToken {
            tracing::warn!(
                client = peer.map(tracing::field::display),
                "a wrong token was shown to the admin listener"
            );
        }
        let (status, what, remedy) = match denied {
            Denied::Unknown => (
                StatusCode::UNAUTHORIZED,
                "no credential was shown",
                "send Authorization: Bearer with a token of admin.token_file (in a browser it is the \
                 password), or show a certificate of admin.client_ca_file",
            ),
            Denied::WrongToken => (
                StatusCode::UNAUTHORIZED,
                "the token is not one of admin.token_file",
                "send a token of that file; after a change of it, reload",
            ),
            Denied::ForeignHost => (
                StatusCode::MISDIRECTED_REQUEST,
                "the Host header is neither an address nor localhost",
                "ask by address, or set admin.token_file: with a token any name will do",
            ),
            Denied::ForeignPage => (
                StatusCode::FORBIDDEN,
                "a page of another site sent this",
                "send it from a program, or from a page of this listener",
            ),
            Denied::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a change has to be JSON",
                "send Content-Type: application/json",
            ),
        };
        let refusal = Refusal::new(status, what, path, remedy);
        if status == StatusCode::UNAUTHORIZED {
            return refusal.with(WWW_AUTHENTICATE.as_str(), challenge(path));
        }
        refusal
    }
}

fn too_large(session: &mut ServerSession) -> Answer {
    session.set_keepalive(None);
    let path = session.req_header().uri.path();
    let (what, remedy) = (
        "the header is too large",
        "send less; limits.header_size says how much",
    );
    Refusal::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        what,
        path,
        remedy,
    )
    .into()
}

fn ending(path: &str) -> Refusal {
    let (what, remedy) = (
        "nothing is changed on a connection that has to end",
        "ask again",
    );
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what, path, remedy)
}

fn refusal(unfit: Unfit, path: &str) -> Refusal {
    match unfit {
        Unfit::NoSuchPage => {
            let remedy = "/v1/openapi.json lists all pages; for probes and numbers: /livez /readyz /metrics /nodes";
            Refusal::new(StatusCode::NOT_FOUND, "there is no such page", path, remedy)
        }
        Unfit::Method(methods) => {
            let methods = methods.join(", ");
            let remedy = format!("this page knows {methods}");
            let what = "the page does not know the method";
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, what, path, remedy)
                .with(ALLOW.as_str(), methods)
        }
    }
}

/// Programs show a token as it is; a browser asks for a name as well, and any will do.
fn challenge(path: &str) -> &'static str {
    match Ask::parse(&Method::GET, path) {
        Ok(Ask::Page(_)) => "Basic realm=\"pilotage\", charset=\"UTF-8\"",
        Ok(_) | Err(_) => "Bearer realm=\"pilotage\"",
    }
}

async fn write(session: &mut ServerSession, answer: Answer) -> pingora::Result<()> {
    let mut head = ResponseHeader::build(answer.status, Some(6))?;
    head.insert_header(CONTENT_TYPE, answer.kind)?;
    head.insert_header(CONTENT_LENGTH, answer.body.len())?;
    head.insert_header(CACHE_CONTROL, "no-store")?;
    head.insert_header("X-Content-Type-Options", "nosniff")?;
    for (name, value) in answer.headers {
        head.insert_header(name, value)?;
    }
    let silent = session.req_header().method == Method::HEAD || answer.body.is_empty();
    session.write_response_header(Box::new(head)).await?;
    if !silent {
        session
            .write_response_body(answer.body.into(), true)
            .await?;
    }
    Ok(())
}

fn connection(session: &ServerSession) -> Option<Arc<Connection>> {
    let digest = session.digest()?.proxy_digest.as_ref()?;
    let about = digest.user_data.as_ref()?;
    about.downcast_ref::<Arc<Connection>>().cloned()
}

/// What a certificate of the client is called, which was checked when the connection was made.
fn certificate(session: &ServerSession) -> Option<String> {
    let digest = session.digest()?.ssl_digest.as_ref()?;
    if digest.cert_digest.is_empty() {
        return None;
    }
    let start = digest.cert_digest.iter().take(8);
    let fingerprint = start.fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    Some(match &digest.organization {
        Some(organization) => format!("{organization} sha256:{fingerprint}"),
        None => format!("sha256:{fingerprint}"),
    })
}

/// Seconds since 1970.
fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Seconds that a connection waits for another question.
const KEPT_ALIVE: u64 = 60;
