//! A stand-in for Harbor's core, in a process of its own: what clients of Harbor and a balancer
//! before it can see of the real one, with the registry behind it left real. The recordings in
//! `tests/data` are its specification.
//!
//! It checks tokens, refuses with Harbor's challenges, hands out tokens by role, keeps browser
//! sessions in Redis, reports health per component, and forwards the rest to the registry as an
//! inner user. It has no quota, no garbage collection, no immutable tags, no replication.
//!
//! Its words: the *database* is a folder shared by the nodes, which a test can take away;
//! *switches* are what a test changes while it runs.

mod access;
mod answer;
mod api;
mod config;
mod control;
mod csrf;
mod database;
mod forward;
mod identity;
mod listing;
mod oidc;
mod registry;
mod route;
mod session;
mod token;

use std::path::Path;
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{DATE, HeaderValue, SET_COOKIE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

#[cfg(test)]
pub use self::config::RequestBody;
pub use self::config::{Config, Flavour, Injection, Keeping, Realm, Referrers, Switches};
pub use self::database::{Database, Project};
pub use self::identity::Account;
pub use self::registry::REGISTRY_HTPASSWD;

use self::answer::{Answer, Refusal};
use self::session::Sessions;
use super::signing::Signer;

/// Names the environment variable that turns the test program into a core.
pub const CONFIG_VARIABLE: &str = "PILOTAGE_LAB_CORE";

/// Everything a request needs.
struct Core {
    config: Config,
    switches: RwLock<Switches>,
    database: Database,
    signer: Signer,
    sessions: Sessions,
    registry: forward::Registry,
}

impl Core {
    fn switches(&self) -> RwLockReadGuard<'_, Switches> {
        self.switches.read().unwrap()
    }
}

/// Serves until the process is killed. Never returns while all is well.
pub fn serve_file(config: &Path) {
    let config: Config = serde_json::from_slice(&std::fs::read(config).unwrap()).unwrap();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(serve(config));
}

async fn serve(config: Config) {
    let core = Arc::new(Core {
        switches: RwLock::new(Switches::new(&config)),
        database: Database::at(&config.database),
        signer: Signer::read(&config.key, &config.certificate, config.key_name),
        sessions: Sessions::new(config.redis, &config.redis_prefix, config.sessions),
        registry: forward::Registry::new(config.registry, config.flavour),
        config,
    });
    let control = TcpListener::bind(core.config.control).await.unwrap();
    let listener = TcpListener::bind(core.config.listen).await.unwrap();
    tokio::spawn(control::serve(control, core.clone()));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let core = core.clone();
        tokio::spawn(async move {
            drop(stream.set_nodelay(true));
            let service = service_fn(move |request| {
                let core = core.clone();
                async move { Ok::<_, hyper::Error>(respond(&core, request).await) }
            });
            let serving = http1::Builder::new()
                .title_case_headers(true)
                .serve_connection(TokioIo::new(stream), service);
            // A connection that breaks is the business of who broke it.
            if let Ok(parts) = serving.without_shutdown().await {
                linger(parts.io.into_inner()).await;
            }
        });
    }
}

/// Closes as Go's server does: a close with bytes of a body still unread is a reset, which would
/// take an early answer with it, so the other side gets a moment to read.
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The outer layers, in Harbor's order: slashes, query, request id, injected faults.
async fn respond(core: &Core, mut request: Request<Incoming>) -> Answer {
    route::merge_slashes(&mut request);
    if request
        .uri()
        .query()
        .is_some_and(|query| query.contains(';'))
    {
        return Refusal::bad_request("invalid semicolon separator in query").into();
    }
    let id = request
        .headers()
        .get("x-request-id")
        .cloned()
        .unwrap_or_else(new_request_id);
    let injected = core.switches.write().unwrap().take_injection(&request);
    let mut answer = match injected {
        Some(injection) => injection.carry_out(request).await,
        None => answer_in_session(core, request).await,
    };
    answer.headers_mut().insert("x-request-id", id);
    if core.config.clock != 0 {
        let date = HeaderValue::from_str(&token::http_date(core)).unwrap();
        answer.headers_mut().insert(DATE, date);
    }
    answer
}

/// What is refused before there is a session, then CSRF, the session, and the routes.
async fn answer_in_session(core: &Core, request: Request<Incoming>) -> Answer {
    if core.config.flavour == Flavour::Harbor2
        && let Some(refusal) = refused_early(core, &request)
    {
        return refusal.into();
    }
    let csrf = match csrf::examine(core, &request) {
        Ok(csrf) => csrf,
        Err(refusal) => return *refusal,
    };
    let mut session = core.sessions.open(session::cookie(&request, "sid")).await;
    let mut answer = dispatch(core, request, &mut session).await;
    for cookie in session.set_cookies() {
        answer
            .headers_mut()
            .append(SET_COOKIE, HeaderValue::from_str(&cookie).unwrap());
    }
    csrf.apply(&mut answer);
    answer
}

fn refused_early(core: &Core, request: &Request<Incoming>) -> Option<Refusal> {
    let path = request.uri().path();
    let writes = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let route = route::parse(path);
    if let Some(route::V2::NoProject { repository }) = &route {
        return Some(Refusal::bad_request(&format!(
            "bad request: invalid repository name: {repository}"
        )));
    }
    if writes && core.switches().read_only && !path.starts_with("/service/") && path != "/c/login" {
        return Some(Refusal::read_only());
    }
    let starts_upload =
        request.method() == Method::POST && matches!(route, Some(route::V2::Uploads { .. }));
    let publishes =
        request.method() == Method::PUT && matches!(route, Some(route::V2::Manifest { .. }));
    ((starts_upload || publishes) && core.database.is_down()).then(Refusal::internal)
}

async fn dispatch(
    core: &Core,
    request: Request<Incoming>,
    session: &mut session::Session,
) -> Answer {
    let path = request.uri().path().to_owned();
    if path == "/service/token" {
        token::respond(core, &request).await
    } else if path.starts_with("/service/") {
        answer::empty(hyper::StatusCode::INTERNAL_SERVER_ERROR)
    } else if path.starts_with("/v2/") && core.config.flavour == Flavour::Harbor1 {
        core.registry.forward(request).await
    } else if path.starts_with("/v2/") {
        registry::respond(core, request, session).await
    } else {
        api::respond(core, request, session).await
    }
}

fn new_request_id() -> HeaderValue {
    let (high, low) = (fastrand::u64(..), fastrand::u64(..));
    let id = format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    );
    HeaderValue::from_str(&id).unwrap()
}
