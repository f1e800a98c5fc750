//! An exchange with a node that we carry ourselves, byte by byte.
//!
//! The proxy library's own path cannot go on with another node once an answer has begun; these exchanges can be
//! dropped and replaced at any byte. They have a pool of connections of their own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, RetryType};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Failure;
use super::peer::{Pace, Target};
use super::settings::Timeouts;

/// Connections to nodes for exchanges of our own.
#[derive(Clone)]
pub struct Live {
    connector: Arc<Connector>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

/// A node's answer: its head, and its body as it comes.
#[derive(Debug)]
pub struct Answer {
    pub head: ResponseHeader,
    pub body: Body,
}

/// The rest of an answer. Dropping it before its end closes the connection.
pub struct Body {
    session: HttpSession,
    peer: HttpPeer,
    connector: Arc<Connector>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl Live {
    /// An empty pool that keeps up to `kept` idle connections.
    pub fn new(kept: usize) -> Self {
        Self {
            connector: Arc::new(Connector::new(Some(ConnectorOptions::new(kept)))),
        }
    }

    /// Asks a node for something that has no request body.
    ///
    /// A pooled connection that the node had closed meanwhile is replaced by a new one, once.
    pub async fn fetch(
        &self,
        target: &Target,
        timeouts: &Timeouts,
        request: RequestHeader,
    ) -> Result<Answer, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let peer = target
                .peer(timeouts, Pace::Read)
                .ok_or(Failure::Unreachable)?;
            let connected = self.connector.get_http_session(&peer).await;
            let (mut session, reused) = connected.map_err(|error| unconnected(&error))?;
            target
                .verify(session.digest())
                .map_err(|_| Failure::Unverified)?;
            session.set_read_timeout(Some(timeouts.read));
            session.set_write_timeout(Some(timeouts.write));
            match begin(&mut session, &request).await {
                Ok(head) => {
                    let connector = Arc::clone(&self.connector);
                    return Ok(Answer {
                        head,
                        body: Body {
                            session,
                            peer,
                            connector,
                        },
                    });
                }
                Err(error) if reused && tries <= STALE && is_stale(&error) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
    }
}

impl Live {
    /// Fetches a part of what storage keeps under an address that a node gave out. Credentials never go there.
    ///
    /// Over https the certificate is verified with the system's authorities.
    pub async fn fetch_url(
        &self,
        url: &str,
        range: Option<String>,
        timeouts: &Timeouts,
    ) -> Result<Answer, Failure> {
        let uri: http::Uri = url.parse().map_err(|_| Failure::Broken)?;
        let host = uri
            .host()
            .ok_or(Failure::Broken)?
            .trim_matches(['[', ']'])
            .to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(Failure::Broken),
        };
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let found = timeout(timeouts.connect, lookup_host((host.as_str(), port))).await;
        let address = found
            .ok()
            .and_then(Result::ok)
            .and_then(|mut all| all.next());
        let mut peer = HttpPeer::new(address.ok_or(Failure::Unreachable)?, tls, host);
        peer.options.connection_timeout = Some(timeouts.connect);
        peer.options.total_connection_timeout = Some(timeouts.connect);
        let path = uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        let request = || -> pingora::Result<RequestHeader> {
            let mut request = RequestHeader::build("GET", path.as_bytes(), Some(3))?;
            request.insert_header(http::header::HOST, authority)?;
            request.insert_header(http::header::ACCEPT_ENCODING, "identity")?;
            if let Some(range) = &range {
                request.insert_header(http::header::RANGE, range)?;
            }
            Ok(request)
        };
        let request = request().map_err(|_| Failure::Broken)?;
        let connected = self.connector.get_http_session(&peer).await;
        let (mut session, _) = connected.map_err(|error| unconnected(&error))?;
        session.set_read_timeout(Some(timeouts.read));
        session.set_write_timeout(Some(timeouts.write));
        let head = begin(&mut session, &request)
            .await
            .map_err(|error| failure(&error))?;
        let connector = Arc::clone(&self.connector);
        Ok(Answer {
            head,
            body: Body {
                session,
                peer,
                connector,
            },
        })
    }
}

async fn begin(
    session: &mut HttpSession,
    request: &RequestHeader,
) -> pingora::Result<ResponseHeader> {
    session
        .write_request_header(Box::new(request.clone()))
        .await?;
    session.finish_request_body().await?;
    loop {
        session.read_response_header().await?;
        let head = session.response_header().cloned();
        let head = head.ok_or_else(|| Error::new(ErrorType::InvalidHTTPHeader))?;
        if !head.status.is_informational() {
            return Ok(head);
        }
    }
}

impl Live {
    /// Sends the head of a request whose body follows, on a connection of its own.
    ///
    /// A body cannot be sent twice, so no connection that the node may have closed is used.
    pub async fn begin(
        &self,
        target: &Target,
        timeouts: &Timeouts,
        pace: Pace,
        request: RequestHeader,
    ) -> Result<Push, Failure> {
        let mut peer = target.peer(timeouts, pace).ok_or(Failure::Unreachable)?;
        peer.group_key = peer.group_key.wrapping_add(FRESH);
        let connected = self.connector.get_http_session(&peer).await;
        let (mut session, _) = connected.map_err(|error| unconnected(&error))?;
        target
            .verify(session.digest())
            .map_err(|_| Failure::Unverified)?;
        session.set_read_timeout(None);
        session.set_write_timeout(Some(timeouts.write));
        let begun = session.write_request_header(Box::new(request)).await;
        begun.map_err(|error| failure(&error))?;
        Ok(Push {
            session,
            patience: peer.options.read_timeout,
            head: None,
        })
    }
}

/// A request whose body is being sent. Dropping it closes the connection.
pub struct Push {
    session: HttpSession,
    /// How long the answer may take, once the body is complete: before, it is the client who takes time.
    patience: Option<Duration>,
    head: Option<ResponseHeader>,
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").finish_non_exhaustive()
    }
}

impl Push {
    /// Sends more of the body.
    pub async fn send(&mut self, piece: Bytes) -> Result<(), Failure> {
        let sent = self.session.write_request_body(piece, false).await;
        sent.map_err(|error| failure(&error))
    }

    /// Ends the body.
    pub async fn end(&mut self) -> Result<(), Failure> {
        self.session.set_read_timeout(self.patience);
        self.session
            .finish_request_body()
            .await
            .map_err(|error| failure(&error))
    }

    /// Waits for the head of the final answer. Dropping the future loses nothing.
    pub async fn head(&mut self) -> Result<&ResponseHeader, Failure> {
        while self.head.is_none() {
            self.session
                .read_response_header()
                .await
                .map_err(|error| failure(&error))?;
            let head = self
                .session
                .response_header()
                .cloned()
                .ok_or(Failure::Broken)?;
            if !head.status.is_informational() {
                self.session.set_read_timeout(self.patience);
                self.head = Some(head);
            }
        }
        self.head.as_ref().ok_or(Failure::Broken)
    }

    /// The body of the answer, up to `limit` bytes; what is longer is cut off.
    pub async fn body(&mut self, limit: usize) -> Result<Bytes, Failure> {
        let mut body = Vec::new();
        while body.len() < limit {
            match self.session.read_response_body().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break,
                Err(error) => return Err(failure(&error)),
            }
        }
        body.truncate(limit);
        Ok(body.into())
    }
}

impl Body {
    /// The next bytes; `None` at the proper end of the body.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self.session.read_response_body().await {
            Ok(Some(piece)) => Ok(Some(piece)),
            Ok(None) => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    /// All of it, up to `limit` bytes; what is longer is cut off.
    pub async fn gather(&mut self, limit: usize) -> Result<Bytes, Failure> {
        let mut body = Vec::new();
        while body.len() < limit {
            match self.next().await? {
                Some(piece) => body.extend_from_slice(&piece),
                None => break,
            }
        }
        body.truncate(limit);
        Ok(body.into())
    }

    /// Gives the connection back to the pool, if the body was read to its end.
    pub async fn release(mut self) {
        if self.session.response_done() {
            let idle = self.peer.options.idle_timeout;
            self.connector
                .release_http_session(self.session, &self.peer, idle)
                .await;
        }
    }
}

fn is_stale(error: &Error) -> bool {
    matches!(error.retry, RetryType::ReusedOnly)
}

fn unconnected(error: &Error) -> Failure {
    match error.etype() {
        ErrorType::InvalidCert | ErrorType::TLSHandshakeFailure => Failure::Unverified,
        _ => Failure::Unreachable,
    }
}

fn failure(error: &Error) -> Failure {
    match error.etype() {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => Failure::Stalled,
        _ => Failure::Broken,
    }
}

/// How many stale connections one request may meet before it is the node's fault.
const STALE: usize = 3;
/// Keeps the pool of ordinary exchanges apart from connections for bodies.
const FRESH: u64 = 0x5eed;
