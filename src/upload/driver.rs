//! The loop round the machine: does what it says and tells it what happened.
//!
//! Generic over the client and the nodes, so that tests can script both. Bytes are kept before they are sent: a
//! node never has a byte that another could not be given.

use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::ResponseHeader;

use crate::spool::file::Spool;
use crate::spool::ledger::Full;
use crate::upstream::Failure;

use super::takeover::{Action, Answer, Event, Hashed, Refusal, Sent, Sought, Takeover};

/// The client's side: the body of its request.
#[async_trait]
pub trait Source: Send {
    /// The next bytes; `None` at the end. Dropping the future loses nothing.
    async fn read(&mut self) -> Result<Option<Bytes>, ClientLeft>;
}

/// The client went away or stopped sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLeft;

/// The nodes' side: whichever node is next, asked on the client's behalf.
#[async_trait]
pub trait Nodes: Send {
    type Flight: Flight;

    /// Sends the head of the client's own request to the session as it is.
    async fn forward(&mut self) -> Result<Self::Flight, Failure>;
    /// Opens a session on another node; what is replayed goes there.
    async fn open(&mut self) -> Result<Opening, Failure>;
    /// Sends the head of a replay to the session that was opened last.
    async fn replay(&mut self, framing: Framing) -> Result<Self::Flight, Failure>;
    /// Asks some node whether the blob is there with `length` bytes.
    async fn seek(&mut self, length: u64) -> Sought;
    /// What an answer means.
    fn classify(&mut self, reply: &Reply) -> Answer;
    /// Compares a digest with the one that the client named.
    fn compare(&self, sha256: [u8; 32]) -> Hashed;
    /// The node of the latest flight was lost.
    fn lost(&mut self, failure: Failure);
    /// Bytes from here on are not kept.
    fn unprotected(&mut self, why: Full);
}

/// One request on one node.
#[async_trait]
pub trait Flight: Send {
    async fn send(&mut self, piece: Bytes) -> Result<(), Failure>;
    /// Ends the request's body.
    async fn end(&mut self) -> Result<(), Failure>;
    /// Waits until the head of the answer is there. Dropping the future loses nothing.
    async fn head(&mut self) -> Result<(), Failure>;
    /// The same after a write failed: a node that answers early stops reading.
    async fn late_head(&mut self) -> Result<(), Failure>;
    /// The whole answer, once its head is there.
    async fn reply(&mut self) -> Result<Reply, Failure>;
}

/// An answer with its (small) body.
#[derive(Debug, Clone)]
pub struct Reply {
    pub head: ResponseHeader,
    pub body: Bytes,
}

/// What came of opening a session.
#[derive(Debug)]
pub enum Opening {
    Opened,
    Refused(Box<Reply>),
}

/// How a replay is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A PATCH; the length is known when the whole body is.
    Patch { length: Option<u64> },
    /// A PUT with everything: the only form whose size every node books rightly.
    Put { length: u64 },
    /// A PUT without a body.
    Commit,
}

/// How a request of a push ended.
#[derive(Debug)]
pub enum Ended {
    /// The client gets this answer.
    Pass(Box<Reply>),
    /// The client gets our word that it is done.
    Acknowledge,
    /// The client gets our error, or the last answer of a node if there was one.
    Refuse(Refusal, Option<Box<Reply>>),
    ClientLeft,
}

/// The body of the client's request, kept as it comes.
#[derive(Debug)]
pub struct Body<'a, S> {
    source: &'a mut S,
    spool: &'a mut Option<Spool>,
    /// Where this request's bytes begin.
    start: u64,
    /// Where they end so far.
    received: u64,
    /// Where they will end, if the client said so.
    announced: Option<u64>,
    ended: bool,
}

impl<'a, S: Source> Body<'a, S> {
    /// A body that begins at byte `start` of the upload and has `length` bytes, if that is known.
    pub fn new(
        source: &'a mut S,
        spool: &'a mut Option<Spool>,
        start: u64,
        length: Option<u64>,
    ) -> Self {
        let announced = length.map(|length| start.saturating_add(length));
        Self {
            source,
            spool,
            start,
            received: start,
            announced,
            ended: length == Some(0),
        }
    }

    /// Bytes of the upload so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    async fn keep(&mut self, piece: &Bytes) -> Result<(), Full> {
        let Some(spool) = self.spool.as_mut() else {
            return Ok(());
        };
        let kept = spool.append(piece.clone()).await;
        if kept.is_err() {
            *self.spool = None;
        }
        kept
    }
}

/// What became of one request on one node.
enum Sending {
    Answered(Box<Reply>),
    Lost(Sent, Failure),
    Unprotected,
    ClientLeft,
}

/// Carries one request of the client to its end, over as many nodes as the machine allows.
pub async fn carry<N: Nodes, S: Source>(
    (mut machine, mut action): (Takeover, Action),
    nodes: &mut N,
    body: &mut Body<'_, S>,
) -> Ended {
    let mut last = None;
    let mut renewed = body.received;
    loop {
        let event = match action {
            Action::Forward => {
                let flight = nodes.forward().await;
                let from = body.start;
                launch(flight, from, &mut machine, nodes, body).await
            }
            Action::ReplayPatch => {
                let length = if body.ended {
                    Some(body.received)
                } else {
                    body.announced
                };
                let flight = nodes.replay(Framing::Patch { length }).await;
                launch(flight, 0, &mut machine, nodes, body).await
            }
            Action::ReplayPut => {
                let length = body.announced.unwrap_or(body.received);
                let flight = nodes.replay(Framing::Put { length }).await;
                launch(flight, 0, &mut machine, nodes, body).await
            }
            Action::Commit => {
                let flight = nodes.replay(Framing::Commit).await;
                let from = body.received;
                launch(flight, from, &mut machine, nodes, body).await
            }
            Action::Open => match nodes.open().await {
                Ok(Opening::Opened) => Step::Tell(Event::Opened),
                Ok(Opening::Refused(reply)) => Step::Reply(reply),
                Err(failure) => lost(nodes, Sent::Partly, failure),
            },
            Action::Seek => Step::Tell(Event::Sought(nodes.seek(body.received).await)),
            Action::Hash => match &mut *body.spool {
                Some(spool) => match spool.sha256().await {
                    Ok(sha256) => Step::Tell(Event::Hashed(nodes.compare(sha256))),
                    Err(_) => Step::Tell(Event::Unprotected),
                },
                None => Step::Tell(Event::Unprotected),
            },
            Action::Pass => {
                return last.map_or(Ended::Refuse(Refusal::Lost, None), Ended::Pass);
            }
            Action::Acknowledge => return Ended::Acknowledge,
            Action::Refuse(refusal) => return Ended::Refuse(refusal, last),
        };
        if body.received.saturating_sub(renewed) >= ENOUGH {
            renewed = body.received;
            machine.renew();
        }
        action = match event {
            Step::Tell(event) => machine.step(event),
            Step::Reply(reply) => {
                let answer = nodes.classify(&reply);
                last = Some(reply);
                machine.step(Event::Answered(answer))
            }
            Step::ClientLeft => return Ended::ClientLeft,
        };
    }
}

/// What an action led to.
enum Step {
    Tell(Event),
    Reply(Box<Reply>),
    ClientLeft,
}

fn lost<N: Nodes>(nodes: &mut N, sent: Sent, failure: Failure) -> Step {
    if failure == Failure::NoNode {
        return Step::Tell(Event::NoNode);
    }
    nodes.lost(failure);
    Step::Tell(Event::Lost(sent))
}

async fn launch<N: Nodes, S: Source>(
    flight: Result<N::Flight, Failure>,
    from: u64,
    machine: &mut Takeover,
    nodes: &mut N,
    body: &mut Body<'_, S>,
) -> Step {
    let mut flight = match flight {
        Ok(flight) => flight,
        Err(failure) => return lost(nodes, Sent::Partly, failure),
    };
    match send(&mut flight, from, machine, nodes, body).await {
        Sending::Answered(reply) => Step::Reply(reply),
        Sending::Lost(sent, failure) => lost(nodes, sent, failure),
        Sending::Unprotected => Step::Tell(Event::Unprotected),
        Sending::ClientLeft => Step::ClientLeft,
    }
}

/// Sends what is kept from byte `from` on, then what the client still sends, and waits for the answer.
async fn send<N: Nodes, S: Source>(
    flight: &mut N::Flight,
    from: u64,
    machine: &mut Takeover,
    nodes: &mut N,
    body: &mut Body<'_, S>,
) -> Sending {
    let mut cursor = from;
    while cursor < body.received {
        let Some(spool) = &mut *body.spool else {
            return Sending::Unprotected;
        };
        let piece = match spool.read(cursor).await {
            Ok(piece) if !piece.is_empty() => piece,
            Ok(_) | Err(_) => return Sending::Unprotected,
        };
        cursor += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if let Err(failure) = flight.send(piece).await {
            return late(flight, failure).await;
        }
    }
    while !body.ended {
        let read = tokio::select! {
            // An answer before the end of the body is the node's last word: it reads no further.
            biased;
            head = flight.head() => return match head {
                Ok(()) => reply(flight, Sent::Partly).await,
                Err(failure) => Sending::Lost(Sent::Partly, failure),
            },
            read = body.source.read() => read,
        };
        let piece = match read {
            Err(ClientLeft) => return Sending::ClientLeft,
            Ok(None) => {
                body.ended = true;
                break;
            }
            Ok(Some(piece)) if piece.is_empty() => continue,
            Ok(Some(piece)) => piece,
        };
        if let Err(why) = body.keep(&piece).await {
            machine.unprotect();
            nodes.unprotected(why);
        }
        body.received += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        body.ended = body.announced == Some(body.received);
        if let Err(failure) = flight.send(piece).await {
            return late(flight, failure).await;
        }
    }
    if let Err(failure) = flight.end().await {
        return late(flight, failure).await;
    }
    match flight.head().await {
        Ok(()) => reply(flight, Sent::Wholly).await,
        Err(failure) => Sending::Lost(Sent::Wholly, failure),
    }
}

async fn late<F: Flight>(flight: &mut F, failure: Failure) -> Sending {
    match flight.late_head().await {
        Ok(()) => reply(flight, Sent::Partly).await,
        Err(_) => Sending::Lost(Sent::Partly, failure),
    }
}

async fn reply<F: Flight>(flight: &mut F, sent: Sent) -> Sending {
    match flight.reply().await {
        Ok(reply) => Sending::Answered(Box::new(reply)),
        Err(failure) => Sending::Lost(sent, failure),
    }
}

/// New bytes of the client that make a lost node worth as many tries as the first one.
const ENOUGH: u64 = 1024 * 1024;
