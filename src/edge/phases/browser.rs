//! Sessions of browsers: which node a request goes to for its session's sake, and what answers tell of sessions.
//!
//! Registry traffic never comes here. A request that brings credentials of its own is none of a browser's either.

use http::{HeaderMap, Method, StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use tokio::time::Instant;

use crate::affinity::browser::{Given, Leaving, Mark, News, Noted, Tie, given, read, stays, value};
use crate::affinity::settings::SessionMode;
use crate::fleet::node::NodeId;
use crate::fleet::view::Candidate;
use crate::observe::labels::{Label as _, SessionLookup, SessionMove};
use crate::placement::rendezvous::SoftKey;
use crate::registry::route::Route;

use super::super::exchange::Exchange;
use super::Edge;

/// What a request of a browser is drawn by, where each node knows its own sessions only.
#[derive(Debug)]
pub(in super::super) struct Browser {
    /// Under which the session may have been noted; none while there is no session.
    marks: Vec<Mark>,
    /// The node that knows the session.
    node: Option<NodeId>,
    /// What draws it to a node as long as none is known to have it.
    key: SoftKey,
    /// Why it does not stay where it is.
    leaving: Option<Leaving>,
    need: Need,
}

/// Whether a request needs its session: pages and pictures come from any node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Session,
    Nothing,
}

impl Browser {
    /// The node that the request is bound to, unless nobody new is sent there.
    pub(super) fn bound(&mut self, candidates: &[Candidate]) -> Option<NodeId> {
        let node = self.node.as_ref()?;
        let found = candidates.iter().find(|candidate| candidate.id == *node);
        self.leaving = stays(found.map(|found| found.rank)).err();
        match self.leaving {
            None => Some(node.clone()),
            Some(_) => None,
        }
    }

    pub(super) fn key(&self) -> SoftKey {
        self.key
    }
}

impl Edge {
    /// Looks for the session that a request belongs to.
    pub(super) async fn recognise(&self, session: &Session, exchange: &mut Exchange) {
        let snapshot = &exchange.snapshot;
        let settings = &snapshot.sessions;
        let (SessionMode::Pinned, Some(arrival)) = (settings.mode, &exchange.arrival) else {
            return;
        };
        let headers = &session.req_header().headers;
        let need = match arrival.target.route {
            Route::Api(_) | Route::Login(_) => Need::Session,
            Route::Ui(_) => Need::Nothing,
            _ => return,
        };
        if headers.contains_key(header::AUTHORIZATION) {
            return;
        }
        let Some(cookie) = read(headers, &settings.cookies) else {
            // The first requests of a page come at one time and each gets a session: one node shall make them all.
            exchange.browser = Some(Browser {
                marks: Vec::new(),
                node: None,
                key: SoftKey::of_client(arrival.client),
                leaving: None,
                need,
            });
            return;
        };
        let marks: Vec<Mark> = snapshot.marker.marks(cookie).collect();
        let own = settings
            .own_cookie
            .as_ref()
            .and_then(|name| value(headers, name));
        let nodes = || snapshot.fleet.nodes().iter().map(|node| node.id());
        let told = own.and_then(|own| snapshot.marker.held_by(cookie, own, nodes()));
        let now = Instant::now().into_std();
        let known = || self.ties.sessions.find(marks.iter().copied(), now);
        let (node, found) = match told {
            Some(node) => (Some(node), SessionLookup::OwnCookie),
            None => match known() {
                Some(node) => (Some(node), SessionLookup::Local),
                None => match self.shared.find_session(cookie).await.found() {
                    Some(node) => (Some(node), SessionLookup::Redis),
                    None => (None, SessionLookup::None),
                },
            },
        };
        self.metrics.session_looked_up(found);
        exchange.browser = Some(Browser {
            key: SoftKey::drawn_by(marks.first().map_or(0, |mark| mark.draw())),
            marks,
            node,
            leaving: None,
            need,
        });
    }

    /// Takes in what an answer tells of the session.
    pub(super) async fn browsed(
        &self,
        session: &Session,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let (Some(arrival), Some(current)) = (&exchange.arrival, &exchange.current) else {
            return Ok(());
        };
        let (route, node) = (&arrival.target.route, current.place.node.id().clone());
        let headers = &session.req_header().headers;
        match exchange.snapshot.sessions.mode {
            SessionMode::Shared => {
                let method = &session.req_header().method;
                self.witness((method, route), headers, head, (exchange, &node));
                Ok(())
            }
            SessionMode::Pinned => {
                let Some(browser) = exchange.browser.take() else {
                    return Ok(());
                };
                self.pin(browser, headers, head, (exchange, &node)).await
            }
        }
    }

    /// Pinned sessions: notes the session on the node that answered, and says so if that is another than before.
    async fn pin(
        &self,
        browser: Browser,
        headers: &HeaderMap,
        head: &mut ResponseHeader,
        (exchange, node): (&Exchange, &NodeId),
    ) -> Result<()> {
        let (settings, marker) = (&exchange.snapshot.sessions, &exchange.snapshot.marker);
        let now = Instant::now().into_std();
        let mut own = None;
        let mut cleared = false;
        for given in given(&head.headers, &settings.cookies) {
            match given {
                Given::Set(cookie) => {
                    self.ties.sessions.note(marker.mark(cookie), node, now);
                    // Known to all before the browser can use it.
                    let tied = self.shared.tie_session(cookie, node, settings.lifetime);
                    tied.await;
                    own = Some(marker.holder(cookie, node));
                }
                Given::Cleared => cleared = true,
            }
        }
        if let (Some(mark), Need::Session) = (browser.marks.first(), browser.need) {
            let Noted { before, news } = self.ties.sessions.note(*mark, node, now);
            let before = before.or(browser.node);
            if let Some(before) = before.filter(|before| before != node) {
                self.moved(exchange, (&before, node), browser.leaving);
            }
            let cookie = read(headers, &settings.cookies);
            if let (Some(cookie), News::Tell) = (cookie, news) {
                self.shared.keep_session(cookie, node, settings.lifetime);
            }
            let told = settings
                .own_cookie
                .as_ref()
                .map(|name| value(headers, name));
            if let (Some(cookie), Some(told), None) = (cookie, told, &own) {
                let right = marker.holder(cookie, node);
                own = Some(right).filter(|right| told != Some(right.as_bytes()));
            }
        }
        if cleared {
            self.ties.sessions.forget(browser.marks.into_iter(), now);
            if let Some(cookie) = read(headers, &settings.cookies) {
                self.shared.forget_session(cookie);
            }
        }
        self.metrics.sessions(self.ties.sessions.count());
        if let (Some(name), Some(own)) = (&settings.own_cookie, own) {
            let line = format!("{name}={own}; Path=/; HttpOnly; Secure; SameSite=Lax");
            head.append_header(header::SET_COOKIE, line)?;
        }
        Ok(())
    }

    fn moved(&self, exchange: &Exchange, (from, to): (&NodeId, &NodeId), why: Option<Leaving>) {
        let reason = match why {
            Some(Leaving::Gone) => SessionMove::Gone,
            Some(Leaving::Draining) => SessionMove::Draining,
            Some(Leaving::Down) => SessionMove::Down,
            None => SessionMove::Failed,
        };
        self.metrics.session_moved(reason);
        let client = exchange.arrival.as_ref().map(|arrival| arrival.client);
        tracing::info!(
            request_id = exchange.request_id,
            client = client.map(tracing::field::display),
            %from,
            %to,
            reason = reason.as_str(),
            "session of a browser ended on its node"
        );
    }

    /// Shared sessions: remembers who was seen to know a session, so that a node that does not is found.
    fn witness(
        &self,
        (method, route): (&Method, &Route),
        headers: &HeaderMap,
        head: &ResponseHeader,
        (exchange, node): (&Exchange, &NodeId),
    ) {
        let (settings, marker) = (&exchange.snapshot.sessions, &exchange.snapshot.marker);
        let now = Instant::now().into_std();
        let cookie = || read(headers, &settings.cookies);
        match route {
            Route::Login(path) if path.as_str() == LOGIN && head.status == StatusCode::OK => {
                for given in given(&head.headers, &settings.cookies) {
                    if let Given::Set(cookie) = given {
                        self.ties.sessions.note(marker.mark(cookie), node, now);
                    }
                }
            }
            Route::Login(path) if LOGOUTS.contains(&path.as_str()) => {
                if let Some(cookie) = cookie() {
                    self.ties.sessions.forget(marker.marks(cookie), now);
                }
            }
            Route::Api(_)
                if names_user(route)
                    && *method == Method::GET
                    && head.status == StatusCode::OK
                    && !headers.contains_key(header::AUTHORIZATION) =>
            {
                let Some(cookie) = cookie() else {
                    return;
                };
                let before = self
                    .ties
                    .sessions
                    .note(marker.mark(cookie), node, now)
                    .before;
                if let Some(before) = before {
                    self.tell_apart(exchange, (node, &before), Tie::Shared);
                }
            }
            _ => return,
        }
        self.metrics.sessions(self.ties.sessions.count());
    }
}

/// Whether the answer to a request of this kind names who is logged in.
pub(super) fn names_user(route: &Route) -> bool {
    matches!(route, Route::Api(path) if path.as_str().ends_with(CURRENT_USER))
}

/// Where Harbor's pages send a name and a password.
const LOGIN: &str = "/c/login";
/// Where they end a session.
const LOGOUTS: [&str; 2] = ["/c/log_out", "/c/oidc/logout"];
/// What they ask to know who is logged in: the surest sign of a session that is known.
const CURRENT_USER: &str = "/users/current";
