//! The hooks of the proxy library, each a few lines: the walk of a request through the rooms.
//!
//! What happens where: `arrive` reads and plans, `placing` chooses nodes, `carry` judges failures,
//! `pull` carries blobs over the loss of nodes, `browser` keeps sessions of browsers where they are,
//! `opinion` asks a second node when one refuses what another may accept, `depart` writes the record.

mod arrive;
mod browser;
mod carry;
mod client;
mod delete;
mod depart;
mod dress;
mod flight;
mod guard;
mod hints;
mod issued;
mod loss;
mod nodes;
mod opinion;
mod placing;
mod publish;
mod pull;
mod push;
mod respond;
mod sharing;
mod status;
mod trail;
mod unmask;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};
use tokio::time::{Instant, sleep};

use crate::affinity::recent::Recent;
use crate::affinity::shared::Shared;
use crate::affinity::ties::Ties;
use crate::guard::Guard;
use crate::observe::history::History;
use crate::observe::log::Log;
use crate::observe::metrics::Metrics;
use crate::observe::progress::Progress;
use crate::observe::tracer::Tracer;
use crate::placement::budget::Budget;
use crate::spool::file::Spools;
use crate::upload::transfer::Transfers;
use crate::upstream::live::Live;

pub(super) use self::browser::Browser;
pub(super) use self::carry::content;
pub(super) use self::opinion::Doubt;

use super::exchange::Exchange;
use super::gate::Gate;
use super::lookout::Lookout;
use super::maintenance::Maintenance;
use super::shown::Shown;
use super::snapshot::Snapshot;

pub use self::unmask::Unmasked;

/// Everything that outlives a request.
#[derive(Debug)]
pub struct Edge {
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    pub recent: Recent,
    pub ties: Arc<Ties>,
    pub budget: Budget,
    pub gate: Arc<Gate>,
    pub lookout: Arc<Lookout>,
    pub metrics: Arc<Metrics>,
    pub log: Log,
    pub tracer: Tracer,
    /// Requests that ended, for whoever asks.
    pub history: Arc<History>,
    /// Transfers that are under way.
    pub progress: Progress,
    pub maintenance: Arc<Maintenance>,
    /// Exchanges that we carry ourselves.
    pub live: Live,
    pub spools: Spools,
    pub transfers: Arc<Transfers>,
    /// What other instances know.
    pub shared: Shared,
    pub unmasked: Unmasked,
    /// What clients did so far.
    pub guard: Arc<Guard>,
    /// Requests that are under way.
    pub running: Arc<AtomicUsize>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        let shown = Shown::begin(self.history.begin());
        Exchange::new(self.snapshot.load_full(), Instant::now(), shown)
    }

    async fn early_request_filter(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<()> {
        self.begin(session, exchange);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        self.arrive(session, exchange).await
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<Box<HttpPeer>> {
        self.next_peer(exchange).await
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: std::os::unix::io::RawFd,
        digest: Option<&Digest>,
        exchange: &mut Exchange,
    ) -> Result<()> {
        Self::connected(digest, exchange)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Exchange,
        error: Box<Error>,
    ) -> Box<Error> {
        self.not_connected(exchange, error)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        exchange: &mut Exchange,
        reused: bool,
    ) -> Box<Error> {
        self.broken(session, exchange, error, reused)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        Self::dress(session, request, exchange)
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let size = body.as_ref().map_or(0, Bytes::len);
        self.pass_in(body, end_of_stream, exchange);
        let rest = self.rest_after(size, exchange);
        if !rest.is_zero() {
            sleep(rest).await;
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if !answer.status.is_informational() {
            exchange.trail.hears(answer.status.as_u16());
        }
        self.unmask(session, answer, exchange).await?;
        self.doubt(session, answer, exchange).await?;
        exchange.farewell(session);
        if answer.status.is_informational() {
            return Ok(());
        }
        self.consult(session, answer, exchange)?;
        self.deleted(session, answer, exchange)?;
        self.answered(session, answer, exchange)?;
        // Before the client knows and can try again; of a token its body tells more.
        if exchange.guarded.heard.is_none() {
            self.settle(exchange);
            self.tell_instances(exchange).await;
        }
        Self::expect_token(answer, exchange);
        self.browsed(session, answer, exchange).await
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> Result<Option<std::time::Duration>> {
        exchange.guarded.hear(body.as_ref());
        if end_of_stream {
            self.heard(exchange);
        }
        self.look_at_issued(body.as_ref(), end_of_stream, exchange);
        self.pass_out(body, end_of_stream, exchange);
        let rest = self.rest_after(body.as_ref().map_or(0, Bytes::len), exchange);
        Ok((!rest.is_zero()).then_some(rest))
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Exchange,
    ) -> FailToProxy {
        self.give_up(session, error, exchange).await
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Exchange) {
        self.depart(session, error, exchange);
        self.tell_instances(exchange).await;
    }

    /// We write our own lines, without what a client put into its request.
    fn suppress_error_log(&self, _session: &Session, _: &Exchange, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _: &Exchange,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, _session: &Session, exchange: &Exchange) -> String {
        exchange.request_id.clone()
    }
}
