//! A blob is carried to the client over as many nodes as it takes.
//!
//! The machine of the download room decides; here its actions meet sockets.

mod present;

use http::{HeaderMap, Method, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::{Instant, sleep};

use crate::download::facts::Facts;
use crate::download::goal::{ClientRange, Goal};
use crate::download::proof::Proof;
use crate::download::takeover::{Action, AskRange, Event, Lost, RelayLength, Takeover};
use crate::observe::labels::{Attempt, Direction, RetryReason};
use crate::registry::digest::Digest;
use crate::upstream::Failure;
use crate::upstream::live::Answer;
use crate::upstream::verdict::{SharedFault, Verdict, judge};

use super::super::answer;
use super::super::exchange::{Ended, Exchange};
use super::super::fault::{Fault, NodeTrouble};
use super::Edge;
use super::loss::{begun, fault, reason};
use super::unmask::message;
use present::Present;

/// The answer to a range that no byte of the blob fits.
const UNFIT: StatusCode = StatusCode::RANGE_NOT_SATISFIABLE;

/// Bytes for the client that make a lost node worth as many tries as the first one.
const ENOUGH: u64 = 1024 * 1024;

impl Edge {
    /// Carries the blob. `Ok(true)` when the client has an answer that ended properly.
    pub(super) async fn pull(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        digest: Digest,
    ) -> Result<bool> {
        let range = ClientRange::read(&session.req_header().headers);
        let attempts = exchange.snapshot.retry.attempts;
        let goal = Goal { digest, range };
        exchange.proof = Proof::begin(&goal, exchange.snapshot.takeover.verify);
        let (mut machine, mut action) = Takeover::new(goal, attempts);
        let mut present = None;
        let mut lost_node = None;
        let mut renewed = 0;
        loop {
            let event = match action {
                Action::Ask { range } => self.ask(session, exchange, range, &mut present).await,
                Action::Follow { range } => self.follow(exchange, range, &mut present).await,
                Action::Start { length } => {
                    lost_node = None;
                    begun(exchange);
                    if let Some(transfer) = exchange.shown.transfer() {
                        transfer.expect(length);
                    }
                    let head = self.head(session, exchange, present.as_ref(), Some(length))?;
                    write(session, exchange, head).await?;
                    next(session, &mut present).await
                }
                Action::Relay { length } => {
                    let told = match length {
                        RelayLength::AsTold => None,
                        RelayLength::Untold => Some(0),
                    };
                    self.relay(session, exchange, present.as_ref(), told)
                        .await?;
                    next(session, &mut present).await
                }
                Action::Resume => {
                    self.taken_over(exchange, lost_node.take());
                    next(session, &mut present).await
                }
                Action::Pass { skip, take } => {
                    self.pass(session, exchange, present.as_ref(), (skip, take))
                        .await?;
                    next(session, &mut present).await
                }
                Action::Finish { skip, take } => {
                    let part = (skip, take);
                    return self.pass_last(session, exchange, present, part).await;
                }
                Action::Refuse(lost) => {
                    let fault = exchange.fault.unwrap_or(fault(lost));
                    answer::tell(session, exchange, fault).await?;
                    return Ok(true);
                }
                Action::Cut(lost) => {
                    exchange.fault = Some(fault(lost));
                    return Err(Error::new_up(ErrorType::ConnectionClosed));
                }
                Action::Leave => return Err(Error::new_down(ErrorType::ConnectionClosed)),
            };
            // A node that cuts off the text of a refused range is not sick: registries announce too much.
            let refused = present.as_ref().is_some_and(|one| one.head.status == UNFIT);
            if let Event::Failed(lost) = &event
                && !refused
            {
                let node = exchange.last_node.clone();
                lost_node = lost_node.or_else(|| Some((node?, reason(*lost))));
                self.lose(exchange, *lost);
            }
            renew(&mut machine, &mut renewed);
            action = machine.step(event);
        }
    }

    /// Asks the next node, as long as none can be connected to.
    async fn ask(
        &self,
        session: &Session,
        exchange: &mut Exchange,
        range: AskRange,
        present: &mut Option<Present>,
    ) -> Event {
        *present = None;
        if matches!(range, AskRange::From { .. }) {
            // The client has waited for nothing yet: its patience begins now.
            exchange.patience = None;
            exchange.rounds = 0;
        }
        let again = exchange.asked > 0 && !exchange.next.is_empty();
        if again && !self.may_retry(RetryReason::Lost) {
            return Event::Failed(Lost::NoNode);
        }
        loop {
            let current = match self.next_place(exchange).await {
                Ok(current) => current,
                Err(fault) => {
                    exchange.fault = Some(fault);
                    return Event::Failed(Lost::NoNode);
                }
            };
            let place = std::sync::Arc::clone(&current.place);
            Self::take(exchange, current);
            let Ok(mut request) = Self::own_request(session, exchange) else {
                exchange.fault = Some(Fault::Ours);
                return Event::Failed(Lost::NoNode);
            };
            if want(&mut request, range).is_err() {
                return Event::Failed(Lost::NoNode);
            }
            let fetched = self
                .live
                .fetch(&place.target, &exchange.snapshot.timeouts, request)
                .await;
            match fetched {
                Ok(answer) => {
                    let asks = (&Method::GET, &session.req_header().headers);
                    let status = answer.head.status;
                    exchange.trail.hears(status.as_u16());
                    if self.doubts(asks, (status, &answer.head.headers), exchange) {
                        continue;
                    }
                    let method = session.req_header().method.clone();
                    if let Some(writer) = self.writer(exchange, &method, status).await {
                        exchange.current = None;
                        exchange.next.push(writer);
                        continue;
                    }
                    return Self::opened(session, exchange, answer, present).await;
                }
                Err(Failure::Unreachable | Failure::NoNode) => {
                    self.blame(exchange, NodeTrouble::Unreachable, Attempt::ConnectFailed);
                }
                Err(Failure::Unverified) => {
                    self.blame(exchange, NodeTrouble::Unverified, Attempt::ConnectFailed);
                }
                Err(Failure::Broken) => return Event::Failed(Lost::Broken),
                Err(Failure::Stalled) => return Event::Failed(Lost::Stalled),
            }
        }
    }

    async fn opened(
        session: &Session,
        exchange: &mut Exchange,
        mut answer: Answer,
        present: &mut Option<Present>,
    ) -> Event {
        let message = match message(&mut answer).await {
            Ok(message) => message,
            Err(Failure::Stalled) => return Event::Failed(Lost::Stalled),
            Err(_) => return Event::Failed(Lost::Broken),
        };
        let (status, headers) = (answer.head.status, &answer.head.headers);
        if let Some(arrival) = &exchange.arrival {
            let route = &arrival.target.route;
            let method = &session.req_header().method;
            match judge(route, method, status, headers, message.as_deref()) {
                Verdict::NodeFault(_) | Verdict::RedirectsToHttps => {
                    return Event::Failed(Lost::BadAnswer);
                }
                Verdict::SharedFault(SharedFault::Database) => {
                    return Event::Failed(Lost::Shared);
                }
                Verdict::Served | Verdict::SharedFault(SharedFault::Unknown) => {}
            }
        }
        let facts = Facts::read(status, headers);
        *present = Some(Present::new(answer, message));
        Event::Opened(facts)
    }

    /// Fetches the rest from where a node redirects to: storage, which knows the blob by the address alone.
    async fn follow(
        &self,
        exchange: &Exchange,
        range: AskRange,
        present: &mut Option<Present>,
    ) -> Event {
        let before = present.take();
        let location = before
            .as_ref()
            .and_then(|one| one.head.headers.get(header::LOCATION));
        let Some(location) = location.and_then(|value| value.to_str().ok()) else {
            return Event::Failed(Lost::BadAnswer);
        };
        let range = range_value(range);
        let fetched = self
            .live
            .fetch_url(location, range, &exchange.snapshot.timeouts)
            .await;
        match fetched {
            Ok(answer) => {
                let facts = Facts::read(answer.head.status, &answer.head.headers);
                *present = Some(Present::new(answer, None));
                Event::Opened(facts)
            }
            Err(_) => Event::Failed(Lost::BadAnswer),
        }
    }

    /// Passes the last bytes and ends the answer.
    async fn pass_last(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        present: Option<Present>,
        part: (u64, u64),
    ) -> Result<bool> {
        let last = present.as_ref().map(|present| present.cut(part));
        self.prove(exchange, &last.unwrap_or_default())?;
        self.pass(session, exchange, present.as_ref(), part).await?;
        let ended = session.write_response_body(None, true).await;
        ended.map_err(Error::into_down)?;
        exchange.ended = Ended::Whole;
        if let Some(present) = present {
            present.release().await;
        }
        Ok(true)
    }

    /// The head of the answer that begins, as the client reads it.
    fn head(
        &self,
        session: &Session,
        exchange: &mut Exchange,
        present: Option<&Present>,
        length: Option<u64>,
    ) -> Result<ResponseHeader> {
        let present = present.ok_or_else(|| Error::new_in(ErrorType::InternalError))?;
        let mut head = present.head.clone();
        head.set_version(http::Version::HTTP_11);
        self.answered(session, &mut head, exchange)?;
        if let Some(length) = length {
            head.remove_header(&header::TRANSFER_ENCODING);
            head.insert_header(header::CONTENT_LENGTH, length)?;
        }
        Ok(head)
    }

    async fn relay(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        present: Option<&Present>,
        untold: Option<u64>,
    ) -> Result<()> {
        let mut head = self.head(session, exchange, present, None)?;
        if untold.is_some() {
            head.remove_header(&header::CONTENT_LENGTH);
        }
        if !has_length(&head.headers) && may_have_body(&head) {
            head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        write(session, exchange, head).await
    }

    async fn pass(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        present: Option<&Present>,
        part: (u64, u64),
    ) -> Result<()> {
        let Some(piece) = present.map(|present| present.cut(part)) else {
            return Ok(());
        };
        if piece.is_empty() {
            return Ok(());
        }
        if let Some(proof) = &mut exchange.proof {
            proof.update(&piece);
        }
        let size = part.1;
        exchange.progress = Instant::now();
        exchange.bytes_out += size;
        exchange.shown.passed(size);
        self.metrics.carried(Direction::Out, size);
        if let Some(current) = &mut exchange.current {
            current.passed(size);
        }
        let written = session.write_response_body(Some(piece), false).await;
        written.map_err(Error::into_down)?;
        let rest = self.rest(&exchange.guarded.payers, size);
        if !rest.is_zero() {
            sleep(rest).await;
        }
        Ok(())
    }
}

async fn write(session: &mut Session, exchange: &Exchange, head: ResponseHeader) -> Result<()> {
    exchange.farewell(session);
    let written = session.write_response_header(Box::new(head), false).await;
    written.map_err(Error::into_down)
}

/// Gives the download all its tries again when enough has come since it had them last.
fn renew(machine: &mut Takeover, renewed: &mut u64) {
    if machine.passed().saturating_sub(*renewed) >= ENOUGH {
        *renewed = machine.passed();
        machine.renew();
    }
}

/// The next bytes of the present answer.
async fn next(session: &mut Session, present: &mut Option<Present>) -> Event {
    match present {
        Some(present) => present.next(session).await,
        None => Event::Failed(Lost::Broken),
    }
}

fn want(request: &mut RequestHeader, range: AskRange) -> Result<()> {
    let Some(value) = range_value(range) else {
        return Ok(());
    };
    for name in [
        header::IF_RANGE,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
    ] {
        request.remove_header(&name);
    }
    request.insert_header(header::RANGE, value)?;
    request.insert_header(header::ACCEPT_ENCODING, "identity")
}

fn range_value(range: AskRange) -> Option<String> {
    match range {
        AskRange::AsClient => None,
        AskRange::From { first, last } => Some(format!("bytes={first}-{last}")),
    }
}

fn has_length(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING)
}

fn may_have_body(head: &ResponseHeader) -> bool {
    !matches!(head.status.as_u16(), 100..=199 | 204 | 304)
}
