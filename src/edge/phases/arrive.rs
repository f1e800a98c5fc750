//! A request comes in: who sent it, what it is, what to do with it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pingora::Result;
use pingora::proxy::Session;

use crate::affinity::token::TokenError;
use crate::observe::labels::TokenRefusal;
use crate::observe::progress::Way;
use crate::registry::route::{Route, Target};
use crate::registry::session::SessionId;
use crate::rewrite::Scheme;
use crate::rewrite::forwarded::{Trust, client_address};

use super::super::answer;
use super::super::connection::Connection;
use super::super::exchange::{Arrived, BodyState, Exchange, Running, request_id, uuid};
use super::super::fault::Fault;
use super::super::maintenance;
use super::super::oddity;
use super::super::plan::{self, Plan, Request, decide};
use super::super::scan::Finding;
use super::Edge;
use super::guard::Admission;
use super::trail::trust;

impl Edge {
    /// Finds the connection, sets the timers of the stream, names the request.
    pub(super) fn begin(&self, session: &mut Session, exchange: &mut Exchange) {
        exchange.running = Some((self.metrics.request_started(), Running::new(&self.running)));
        let digest = session
            .digest()
            .and_then(|digest| digest.proxy_digest.as_ref());
        let about = digest.and_then(|digest| digest.user_data.as_ref());
        let connection = about
            .and_then(|about| about.downcast_ref::<Arc<Connection>>())
            .cloned();
        let limits = &exchange.snapshot.limits;
        let retired = connection
            .as_ref()
            .is_some_and(|connection| connection.retired());
        session.set_keepalive((!retired).then_some(limits.idle_timeout.as_secs()));
        session.set_read_timeout(Some(limits.client_timeout));
        session.set_write_timeout(Some(limits.client_timeout));
        session.set_total_drain_timeout(Some(DRAIN));
        if let Some(connection) = &connection {
            connection.begin();
            if !session.is_body_done() {
                connection.begin_body();
                exchange.upload = BodyState::Coming;
            }
        }
        exchange.connection = connection;
        let given = session.req_header().headers.get("x-request-id");
        exchange.request_id = request_id(given, fastrand::u128(..));
        exchange.trail = self.trail(&session.req_header().headers, exchange);
    }

    /// Reads the header, decides, and answers what needs no node. `true` when the answer has been written.
    pub(super) async fn arrive(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<bool> {
        let arrived = match Self::read(session, exchange) {
            Ok(arrived) => arrived,
            Err(fault) => return refuse(session, exchange, fault).await,
        };
        let snapshot = Arc::clone(&exchange.snapshot);
        let request = Request {
            method: &session.req_header().method,
            target: &arrived.target,
            scheme: arrived.scheme,
            now: unix_seconds(),
        };
        let plan = decide(request, &snapshot.sealer, snapshot.upload_lifetime);
        let authority = snapshot
            .served
            .https_authority(&arrived.authority, snapshot.https_port);
        let begins =
            goes_to_a_node(&plan) && maintenance::begins(&arrived.target.route, request.method);
        exchange.arrival = Some(arrived);
        if begins && let Some(notice) = self.maintenance.in_force(unix_seconds()) {
            exchange.shown.notice = Some(notice);
            return refuse(session, exchange, Fault::Maintenance).await;
        }
        self.look_at_token(&session.req_header().headers, exchange);
        if goes_to_a_node(&plan) {
            match self.admit(session, exchange).await? {
                Admission::Go => {}
                Admission::Answered => return Ok(true),
                Admission::Refuse(fault) => return refuse(session, exchange, fault).await,
            }
        }
        self.carry_out(session, exchange, plan, &authority).await
    }

    async fn carry_out(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        plan: Plan,
        authority: &str,
    ) -> Result<bool> {
        match plan {
            Plan::Relay(relay) => {
                exchange.relay = Some(relay);
                self.open_budget();
                self.recognise(session, exchange).await;
                self.relay_upload(session, exchange).await
            }
            Plan::Upload(relay) => {
                self.open_budget();
                let upload = relay.upload.clone();
                exchange.relay = Some(relay);
                self.show(session, exchange, Way::Push);
                match upload {
                    Some(upload) => self.push(session, exchange, upload).await,
                    None => Ok(false),
                }
            }
            Plan::Publish(relay) => {
                exchange.relay = Some(relay);
                self.open_budget();
                self.show(session, exchange, Way::Push);
                self.publish(session, exchange).await
            }
            Plan::Download(relay, digest) => {
                exchange.relay = Some(relay);
                self.open_budget();
                self.show(session, exchange, Way::Pull);
                self.pull(session, exchange, digest).await
            }
            Plan::Answer(fault) => refuse(session, exchange, fault).await,
            Plan::Forget(error) => {
                self.metrics.token_refused(refusal(error));
                refuse(session, exchange, Fault::UnknownUpload).await
            }
            Plan::Redirect => {
                answer::redirect(session, exchange, authority).await?;
                Ok(true)
            }
        }
    }

    fn read(session: &Session, exchange: &Exchange) -> std::result::Result<Arrived, Fault> {
        let request = session.req_header();
        let connection = exchange.connection.as_ref().ok_or(Fault::Ours)?;
        let finding = if session.is_http2() {
            Finding::Clean
        } else {
            connection.finding()
        };
        let authority =
            oddity::authority(&request.headers, &request.uri, finding).map_err(Fault::Header)?;
        let raw = std::str::from_utf8(request.raw_path()).map_err(|_| Fault::Client)?;
        let target = Target::parse(plan::origin_form(raw)).map_err(Fault::Target)?;
        let snapshot = &exchange.snapshot;
        let served = match connection.scheme {
            Scheme::Https => snapshot
                .served
                .serves(authority, Scheme::Https, connection.local),
            Scheme::Http => snapshot.served.knows_host(authority),
        };
        // Challenges are asked for under any name that points here.
        if !served && !matches!(target.route, Route::Acme(_)) {
            return Err(Fault::WrongHost);
        }
        let peer = connection.peer.ip().to_canonical();
        let trusted = |address| trust(snapshot, address) == Trust::Trusted;
        let session = match &target.route {
            Route::Upload(_, session) => Some(session.clone()),
            Route::UploadStart(_) => SessionId::parse(&uuid(fastrand::u128(..))),
            _ => None,
        };
        Ok(Arrived {
            authority: authority.to_owned(),
            client: client_address(&request.headers, peer, trusted),
            trust: trust(snapshot, peer),
            scheme: connection.scheme,
            port: connection.local.port(),
            session,
            target,
        })
    }

    /// Operators see the transfer until it is over.
    fn show(&self, session: &Session, exchange: &mut Exchange, way: Way) {
        let method = &session.req_header().method;
        exchange.under_way(&self.progress, (method, way));
    }

    fn open_budget(&self) {
        self.budget
            .on_request(tokio::time::Instant::now().into_std());
    }
}

async fn refuse(session: &mut Session, exchange: &mut Exchange, fault: Fault) -> Result<bool> {
    answer::tell(session, exchange, fault).await?;
    answer::drain(session).await;
    Ok(true)
}

/// What we answer ourselves costs no node anything.
fn goes_to_a_node(plan: &Plan) -> bool {
    match plan {
        Plan::Relay(_) | Plan::Upload(_) | Plan::Publish(_) | Plan::Download(..) => true,
        Plan::Answer(_) | Plan::Forget(_) | Plan::Redirect => false,
    }
}

fn refusal(error: TokenError) -> TokenRefusal {
    match error {
        TokenError::Malformed => TokenRefusal::Malformed,
        TokenError::Forged => TokenRefusal::Forged,
        TokenError::Foreign => TokenRefusal::Foreign,
        TokenError::Expired => TokenRefusal::Expired,
    }
}

/// Seconds since 1970.
pub(super) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// How long the rest of a body is read away after an early answer, so that the client can read the answer.
const DRAIN: Duration = Duration::from_secs(3);
