//! What other instances know of a request, and what they are told.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::Instant;

use crate::affinity::standing::{Standing, standing};
use crate::affinity::token::Upload;
use crate::fleet::node::NodeId;
use crate::registry::name::RepositoryName;
use crate::upload::driver::Ended;
use crate::upload::elsewhere::{BeginsAgain, News};
use crate::upload::transfer::Transfer;

use super::super::answer;
use super::super::exchange::{Exchange, Lag};
use super::super::fault::Fault;
use super::Edge;
use super::arrive::unix_seconds;
use super::carry::content;
use super::push::described;

impl Edge {
    /// How the client's address stands to what other instances know. Asked only by an instance that has not seen
    /// the upload; without an answer the address is believed.
    pub(super) async fn compare(&self, exchange: &Exchange, client: &Upload) -> Standing {
        let Some(token) = self.shared.find_upload(&client.session).await.found() else {
            return Standing::Current;
        };
        let snapshot = &exchange.snapshot;
        let known = snapshot.sealer.open(
            &token,
            &client.repository,
            &client.session,
            unix_seconds(),
            snapshot.upload_lifetime,
        );
        known.map_or(Standing::Current, |known| standing(client, known))
    }

    /// Tells the others where the upload lives, if a takeover has moved it.
    pub(super) async fn tell_moved(
        &self,
        exchange: &Exchange,
        (upload, transfer): (&Upload, &Transfer),
        ended: &Ended,
    ) {
        match News::of(ended, exchange.takeovers, transfer) {
            News::None => return,
            News::Over => return self.shared.forget_upload(&upload.session),
            News::Moved => {}
        }
        let now = described(&upload.repository, &upload.session, transfer);
        if let Some(token) = token(exchange, &now) {
            let lifetime = exchange.snapshot.upload_lifetime.min(REMEMBERED);
            self.shared
                .move_upload(&upload.session, &token, lifetime)
                .await;
        }
    }

    /// Notes who took a digest or a tag, here and for all.
    pub(super) fn note(&self, repository: &RepositoryName, reference: &str, node: &NodeId) {
        let now = Instant::now().into_std();
        self.recent.note(repository, reference, node, now);
        let lifetime = self.recent.lifetime();
        self.shared
            .note_write(repository, reference, node, lifetime);
    }

    /// Who took what this request is about through another instance, when a node has just said that it has not
    /// got it. Each request asks once.
    pub(super) async fn writer(
        &self,
        exchange: &mut Exchange,
        method: &Method,
        status: StatusCode,
    ) -> Option<NodeId> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if status != StatusCode::NOT_FOUND || !reads || exchange.lag != Lag::Unasked {
            return None;
        }
        let route = exchange.arrival.as_ref().map(|one| &one.target.route)?;
        let (repository, reference) = (route.repository()?, content(route)?);
        let now = Instant::now().into_std();
        if self.recent.find(repository, &reference, now).is_some() {
            return None;
        }
        let found = self.shared.find_write(repository, &reference).await;
        exchange.lag = Lag::Asked;
        let writer = found.found()?;
        let other = exchange.last_node.as_ref() != Some(&writer);
        (other && exchange.snapshot.place(&writer).is_some()).then_some(writer)
    }

    /// Tells the client that its upload is lost, so that it begins again.
    pub(super) async fn tell_lost(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<bool> {
        let fault = match lost_upload(&session.req_header().headers) {
            Fault::LostUpload => exchange.fault.unwrap_or(Fault::LostUpload),
            fault => fault,
        };
        answer::tell(session, exchange, fault).await?;
        answer::drain(session).await;
        Ok(true)
    }

    /// A node says that something is not there: if another instance knows who has just taken it, that one is
    /// asked before the client hears of it.
    pub(super) async fn doubt(
        &self,
        session: &Session,
        head: &ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let method = session.req_header().method.clone();
        let Some(writer) = self.writer(exchange, &method, head.status).await else {
            return Ok(());
        };
        exchange.lag = Lag::Elsewhere(writer);
        Err(Error::new_up(ErrorType::InvalidHTTPHeader))
    }
}

/// All that another instance has to know of an upload, for nobody else to read.
pub(super) fn token(exchange: &Exchange, upload: &Upload) -> Option<String> {
    let mut nonce = [0; 12];
    fill(&mut nonce)?;
    Some(exchange.snapshot.sealer.seal(upload, nonce))
}

/// A nonce must never repeat under one key, so it does not come from the fast generator.
fn fill(nonce: &mut [u8]) -> Option<()> {
    use ring::rand::SecureRandom;
    ring::rand::SystemRandom::new().fill(nonce).ok()
}

/// What a client reads of an upload whose bytes are with another instance, and whose session is gone.
fn lost_upload(headers: &HeaderMap) -> Fault {
    let agent = headers.get(header::USER_AGENT);
    let agent = agent.and_then(|value| value.to_str().ok()).unwrap_or("");
    match BeginsAgain::of(agent) {
        BeginsAgain::WhenUnknown => Fault::UnknownUpload,
        BeginsAgain::WhenUnavailable => Fault::LostUpload,
    }
}

/// How long others remember where a takeover led: clients repeat an address within seconds or not at all.
const REMEMBERED: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_reads_what_makes_it_begin_again() {
        for (agent, expected) in [
            ("docker/20.10.24+dfsg1 go/go1.19", Fault::UnknownUpload),
            ("skopeo/1.9.3", Fault::LostUpload),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, agent.parse().unwrap());
            assert_eq!(lost_upload(&headers), expected, "{agent}");
        }
        assert_eq!(lost_upload(&HeaderMap::new()), Fault::LostUpload);
    }
}
