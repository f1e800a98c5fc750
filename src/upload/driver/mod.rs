//! The loop round the machine: does what it says and tells it what happened.
//!
//! Generic over the client and the nodes, so that tests can script both. Bytes are kept before they are sent: a
//! node never has a byte that another could not be given.

mod body;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::ResponseHeader;

use crate::spool::ledger::Full;
use crate::upstream::Failure;

use super::takeover::{Action, Answer, Event, Hashed, Refusal, Sent, Sought, Takeover};

pub use self::body::{Body, ClientLeft, Room, Source, Waited};

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
    /// Bytes from here on are not kept, or those that were cannot be read.
    fn unprotected(&mut self, why: Full);
    /// The client was kept waiting for room.
    fn waited(&mut self, waited: Waited);
    /// So many kept bytes were sent once more.
    fn replayed(&mut self, bytes: u64);
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
    Pass(Box<Reply>, Asked),
    /// The client gets our word that it is done.
    Acknowledge,
    /// The client gets our error, or the last answer of a node if there was one.
    Refuse(Refusal, Option<Box<Reply>>),
    ClientLeft,
}

/// Who asked what a node answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The client: its own request, on the session as it was.
    Client,
    /// We, while another node took over.
    Us,
}

/// What became of one request on one node.
enum Sending {
    Answered(Sent, Box<Reply>),
    Lost(Sent, Failure),
    Unprotected(Full),
    ClientLeft,
}

/// Carries one request of the client to its end, over as many nodes as the machine allows.
pub async fn carry<N: Nodes, S: Source>(
    (mut machine, mut action): (Takeover, Action),
    nodes: &mut N,
    body: &mut Body<'_, S>,
) -> Ended {
    let mut last: Option<(Box<Reply>, Asked)> = None;
    let mut renewed = body.received;
    loop {
        let asked = match action {
            Action::Forward => Asked::Client,
            _ => Asked::Us,
        };
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
                Ok(Opening::Refused(reply)) => Step::Reply(Sent::Wholly, reply),
                Err(failure) => lost(nodes, Sent::Partly, failure),
            },
            Action::Seek => Step::Tell(Event::Sought(nodes.seek(body.received).await)),
            Action::Hash => hash(nodes, body).await,
            Action::Pass => {
                return match last {
                    Some((reply, asked)) => Ended::Pass(reply, asked),
                    None => Ended::Refuse(Refusal::Lost, None),
                };
            }
            Action::Acknowledge => return Ended::Acknowledge,
            Action::Refuse(refusal) => {
                return Ended::Refuse(refusal, last.map(|(reply, _)| reply));
            }
        };
        if body.received.saturating_sub(renewed) >= ENOUGH {
            renewed = body.received;
            machine.renew();
        }
        action = match event {
            Step::Tell(event) => machine.step(event),
            Step::Reply(sent, reply) => {
                let answer = nodes.classify(&reply);
                last = Some((reply, asked));
                let event = heard(answer, sent);
                if matches!(event, Event::Lost(_)) {
                    nodes.lost(Failure::Broken);
                }
                machine.step(event)
            }
            Step::ClientLeft => return Ended::ClientLeft,
        };
    }
}

/// A success that comes before the end of the body is none: what follows was not stored.
fn heard(answer: Answer, sent: Sent) -> Event {
    match (answer, sent) {
        (Answer::Accepted, Sent::Partly) => Event::Lost(Sent::Partly),
        // Something is there under that name; whether it is the client's can be asked.
        (Answer::Created, Sent::Partly) => Event::Lost(Sent::Wholly),
        (answer, Sent::Partly | Sent::Wholly) => Event::Answered(answer),
    }
}

async fn hash<N: Nodes, S: Source>(nodes: &mut N, body: &mut Body<'_, S>) -> Step {
    let hashed = match &mut *body.spool {
        Some(spool) => spool.sha256().await,
        None => Err(Full::Failed),
    };
    match hashed {
        Ok(sha256) => Step::Tell(Event::Hashed(nodes.compare(sha256))),
        Err(why) => unprotected(why, nodes, body),
    }
}

/// What is kept turned out to be no longer whole.
fn unprotected<N: Nodes, S: Source>(why: Full, nodes: &mut N, body: &mut Body<'_, S>) -> Step {
    if body.spool.take().is_some() {
        nodes.unprotected(why);
    }
    Step::Tell(Event::Unprotected)
}

/// What an action led to.
enum Step {
    Tell(Event),
    Reply(Sent, Box<Reply>),
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
        Sending::Answered(sent, reply) => Step::Reply(sent, reply),
        Sending::Lost(sent, failure) => lost(nodes, sent, failure),
        Sending::Unprotected(why) => unprotected(why, nodes, body),
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
        let piece = match body.kept(cursor).await {
            Ok(piece) => piece,
            Err(why) => return Sending::Unprotected(why),
        };
        let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        cursor += size;
        nodes.replayed(size);
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
            read = body.next() => read,
        };
        if let Some(waited) = body.waited() {
            nodes.waited(waited);
        }
        let piece = match read {
            Err(ClientLeft) => return Sending::ClientLeft,
            // It promised more.
            Ok(None) if body.announced.is_some() => return Sending::ClientLeft,
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
        body.ended = body
            .announced
            .is_some_and(|announced| announced <= body.received);
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
        Ok(reply) => Sending::Answered(sent, Box::new(reply)),
        Err(failure) => Sending::Lost(sent, failure),
    }
}

/// New bytes of the client that make a lost node worth as many tries as the first one.
const ENOUGH: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
