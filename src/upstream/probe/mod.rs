//! Asking a node how it is.
//!
//! A probe has connections of its own and is never retried: the next one comes soon enough. It never sends
//! credentials.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, StatusCode, header};
use pingora::connectors::http::Connector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::fleet::health::{Ping, Report, Unreachable};

use super::peer::{Pace, Target};
use super::settings::{ProbeKind, ProbeSettings, Timeouts};

/// What a probe brought home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub report: Report,
    pub redirect: Redirect,
}

/// Whether the node sends its visitors to https.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirect {
    None,
    ToHttps { location: String },
}

/// Asks one node once, at all of its addresses at the same time.
///
/// The node is as well as it is where it answers; addresses where it does not are avoided by requests until it
/// does. `host` is the public name, which the node should believe to be its own.
pub async fn probe(
    connector: &Arc<Connector>,
    target: &Arc<Target>,
    settings: &ProbeSettings,
    host: &str,
) -> Finding {
    let addresses = target.addresses();
    let mut asking = JoinSet::new();
    for address in addresses.iter().copied() {
        let visit = Visit {
            connector: Arc::clone(connector),
            target: Arc::clone(target),
            settings: settings.clone(),
            host: host.to_owned(),
            address,
        };
        asking.spawn(async move { (address, visit.outcome().await) });
    }
    let mut outcomes = asking.join_all().await;
    outcomes.sort_by_key(|(address, _)| *address);
    let (found, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, one)| one.is_ok());
    target.avoid(lost.iter().map(|(address, _)| *address).collect());
    let first = found.into_iter().chain(lost).next();
    let outcome = first.map_or(Err(Unreachable::Unresolved), |(_, outcome)| outcome);
    outcome.unwrap_or_else(|reason| Finding {
        report: Report::Unreachable(reason),
        redirect: Redirect::None,
    })
}

/// One probe at one address.
struct Visit {
    connector: Arc<Connector>,
    target: Arc<Target>,
    settings: ProbeSettings,
    host: String,
    address: SocketAddr,
}

impl Visit {
    async fn outcome(&self) -> Result<Finding, Unreachable> {
        let asking = async {
            match &self.settings.kind {
                ProbeKind::Harbor => self.harbor().await,
                ProbeKind::Registry => {
                    let answer = self.ask(PING).await?;
                    Ok(simple(is_ping(answer.head.status), &answer))
                }
                ProbeKind::Path(path) => {
                    let answer = self.ask(path).await?;
                    Ok(simple(answer.head.status.is_success(), &answer))
                }
            }
        };
        let within = timeout(self.settings.timeout, asking).await;
        within.unwrap_or(Err(Unreachable::TimedOut))
    }

    async fn harbor(&self) -> Result<Finding, Unreachable> {
        let mut health = self.ask(HEALTH).await?;
        if health.head.status == StatusCode::NOT_FOUND {
            // Harbor 1.8 to 1.10 has its document elsewhere.
            health = self.ask(OLD_HEALTH).await?;
        }
        if health.head.status == StatusCode::NOT_FOUND {
            return Ok(Finding {
                report: Report::Unreachable(Unreachable::NoHarbor),
                redirect: Redirect::None,
            });
        }
        if health.head.status != StatusCode::OK {
            return Ok(simple(false, &health));
        }
        let report = Report::from_harbor_json(&health.body).map_err(|_| Unreachable::Unreadable)?;
        let ping = match self.ask(PING).await {
            Ok(answer) if is_ping(answer.head.status) => Ping::Answered,
            Ok(answer) => Ping::Failed(Unreachable::BadAnswer(answer.head.status.as_u16())),
            Err(reason) => Ping::Failed(reason),
        };
        let redirect = Redirect::None;
        Ok(Finding {
            report: report.with_ping(ping),
            redirect,
        })
    }

    async fn ask(&self, path: &str) -> Result<Answer, Unreachable> {
        let timeouts = Timeouts {
            connect: self.settings.timeout,
            write: self.settings.timeout,
            read: self.settings.timeout,
            commit: self.settings.timeout,
            idle: self.settings.interval * 3,
        };
        let peer = self.target.peer_at(self.address, &timeouts, Pace::Read);
        let request = request(&self.host, path).map_err(|error| reason(&error))?;
        let (mut session, _) = self
            .connector
            .get_http_session(&peer)
            .await
            .map_err(|error| reason(&error))?;
        self.target
            .verify(session.digest())
            .map_err(|_| Unreachable::Tls)?;
        let answer = async {
            session.write_request_header(Box::new(request)).await?;
            session.finish_request_body().await?;
            session.read_response_header().await?;
            let head = session.response_header().cloned();
            let head = head.ok_or_else(|| Error::new(ErrorType::InvalidHTTPHeader))?;
            let mut body = Vec::new();
            while let Some(piece) = session.read_response_body().await? {
                if body.len() + piece.len() > MAX_BODY {
                    return Ok(None);
                }
                body.extend_from_slice(&piece);
            }
            Ok(Some(Answer { head, body }))
        };
        let answer = answer.await.map_err(|error: Box<Error>| reason(&error))?;
        let answer = answer.ok_or(Unreachable::Unreadable)?;
        self.connector
            .release_http_session(session, &peer, Some(timeouts.idle))
            .await;
        Ok(answer)
    }
}

/// Without credentials a healthy registry answers 401; an open one 200.
fn is_ping(status: StatusCode) -> bool {
    matches!(status, StatusCode::OK | StatusCode::UNAUTHORIZED)
}

/// What one answer says of a node that has no components.
fn simple(good: bool, answer: &Answer) -> Finding {
    let report = if good {
        Report::Answered {
            parts: Vec::new(),
            ping: Ping::Answered,
        }
    } else {
        Report::Unreachable(Unreachable::BadAnswer(answer.head.status.as_u16()))
    };
    Finding {
        report,
        redirect: redirect(answer),
    }
}

struct Answer {
    head: ResponseHeader,
    body: Vec<u8>,
}

fn redirect(answer: &Answer) -> Redirect {
    let moved = matches!(
        answer.head.status,
        StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT
    );
    let location = answer.head.headers.get(header::LOCATION);
    let location = location.and_then(|value| value.to_str().ok());
    match location.filter(|text| moved && text.starts_with("https://")) {
        Some(location) => Redirect::ToHttps {
            location: location.to_owned(),
        },
        None => Redirect::None,
    }
}

fn request(host: &str, path: &str) -> pingora::Result<RequestHeader> {
    let mut request = RequestHeader::build(Method::GET, path.as_bytes(), Some(6))?;
    request.insert_header(header::HOST, host)?;
    request.insert_header(
        header::USER_AGENT,
        concat!("pilotage/", env!("CARGO_PKG_VERSION")),
    )?;
    request.insert_header(header::ACCEPT, "application/json")?;
    request.insert_header("X-Forwarded-Proto", "https")?;
    Ok(request)
}

fn reason(error: &Error) -> Unreachable {
    match error.etype() {
        ErrorType::ConnectRefused => Unreachable::Refused,
        ErrorType::ConnectTimedout
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout => Unreachable::TimedOut,
        ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::HandshakeError => {
            Unreachable::Tls
        }
        ErrorType::InvalidHTTPHeader => Unreachable::Unreadable,
        ErrorType::ConnectError | ErrorType::ConnectNoRoute | ErrorType::SocketError => {
            Unreachable::Refused
        }
        _ => Unreachable::Closed,
    }
}

const HEALTH: &str = "/api/v2.0/health";
const OLD_HEALTH: &str = "/api/health";
const PING: &str = "/v2/";
/// Harbor's health document is about a kilobyte.
const MAX_BODY: usize = 64 * 1024;

#[cfg(test)]
mod tests;
