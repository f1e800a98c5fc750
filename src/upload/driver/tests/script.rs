//! Nodes and clients that do what a test tells them, and insist on being asked in this order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::super::*;

/// What the loop is expected to ask for, and what comes of it.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Forward(Plan),
    Open(Result<(), Failure>),
    Replay(Framing, Plan),
    /// A replay framed in whatever way.
    AnyReplay(Plan),
    Seek(Sought),
    /// The digest that the client names.
    Compare([u8; 32]),
}

/// How one request on one node goes.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    head: Head,
    /// So many bytes are taken; the write behind them fails.
    breaks: Option<usize>,
}

/// When the head of an answer comes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Head {
    /// As soon as so many bytes came.
    After(usize, u16),
    /// Once the body has ended.
    AtEnd(u16),
    /// Only seen after a write has failed.
    Late(u16),
    /// The connection ends without one.
    Never,
}

impl Plan {
    pub(super) fn answers(head: Head) -> Self {
        Self { head, breaks: None }
    }

    pub(super) fn breaking_at(mut self, bytes: usize) -> Self {
        self.breaks = Some(bytes);
        self
    }
}

/// All nodes.
#[derive(Debug)]
pub(super) struct Script {
    calls: VecDeque<Call>,
    sent: Vec<Arc<Mutex<Vec<u8>>>>,
    named: [u8; 32],
    pub(super) lost: Vec<Failure>,
    pub(super) unprotected: Vec<Full>,
    pub(super) replayed: u64,
    pub(super) waited: Vec<Waited>,
}

impl Script {
    pub(super) fn new(calls: Vec<Call>) -> Self {
        Self {
            calls: calls.into(),
            sent: Vec::new(),
            named: [0; 32],
            lost: Vec::new(),
            unprotected: Vec::new(),
            replayed: 0,
            waited: Vec::new(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        let left = |call: &&Call| !matches!(call, Call::Compare(_));
        self.calls.iter().find(left).is_none()
    }

    /// What the flight of this number was sent.
    pub(super) fn sent(&self, flight: usize) -> &[u8] {
        self.sent[flight].lock().unwrap().clone().leak()
    }

    fn launch(&mut self, plan: Plan) -> Scripted {
        let sent = Arc::default();
        self.sent.push(Arc::clone(&sent));
        Scripted {
            plan,
            sent,
            ended: false,
        }
    }

    fn next(&mut self) -> Call {
        let next = self.calls.pop_front();
        let next = next.expect("something more is asked for than was expected");
        match next {
            Call::Compare(named) => {
                self.named = named;
                self.next()
            }
            other => other,
        }
    }
}

#[async_trait]
impl Nodes for Script {
    type Flight = Scripted;

    async fn forward(&mut self) -> Result<Scripted, Failure> {
        match self.next() {
            Call::Forward(plan) => Ok(self.launch(plan)),
            other => panic!("forwarded instead of {other:?}"),
        }
    }

    async fn open(&mut self) -> Result<Opening, Failure> {
        match self.next() {
            Call::Open(opened) => opened.map(|()| Opening::Opened),
            other => panic!("opened instead of {other:?}"),
        }
    }

    async fn replay(&mut self, framing: Framing) -> Result<Scripted, Failure> {
        match self.next() {
            Call::Replay(expected, plan) => {
                assert_eq!(framing, expected);
                Ok(self.launch(plan))
            }
            Call::AnyReplay(plan) => Ok(self.launch(plan)),
            other => panic!("replayed instead of {other:?}"),
        }
    }

    async fn seek(&mut self, _length: u64) -> Sought {
        match self.next() {
            Call::Seek(sought) => sought,
            other => panic!("sought instead of {other:?}"),
        }
    }

    fn classify(&mut self, reply: &Reply) -> Answer {
        match reply.head.status.as_u16() {
            201 => Answer::Created,
            202 => Answer::Accepted,
            400 => Answer::DigestInvalid,
            401 => Answer::Unauthorized,
            500.. => Answer::Trouble,
            _ => Answer::Final,
        }
    }

    fn compare(&self, sha256: [u8; 32]) -> Hashed {
        let named = match self.calls.front() {
            Some(Call::Compare(named)) => *named,
            _ => self.named,
        };
        if sha256 == named {
            Hashed::Right
        } else {
            Hashed::Wrong
        }
    }

    fn lost(&mut self, failure: Failure) {
        self.lost.push(failure);
    }

    fn unprotected(&mut self, why: Full) {
        self.unprotected.push(why);
    }

    fn waited(&mut self, waited: Waited) {
        self.waited.push(waited);
    }

    fn replayed(&mut self, bytes: u64) {
        self.replayed += bytes;
    }
}

/// One request on one node.
#[derive(Debug)]
pub(super) struct Scripted {
    plan: Plan,
    sent: Arc<Mutex<Vec<u8>>>,
    ended: bool,
}

#[async_trait]
impl Flight for Scripted {
    async fn send(&mut self, piece: Bytes) -> Result<(), Failure> {
        let mut sent = self.sent.lock().unwrap();
        let room = match self.plan.breaks {
            Some(breaks) => breaks - sent.len(),
            None => piece.len(),
        };
        sent.extend_from_slice(&piece[..room.min(piece.len())]);
        if room < piece.len() {
            return Err(Failure::Broken);
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Failure> {
        self.ended = true;
        Ok(())
    }

    async fn head(&mut self) -> Result<(), Failure> {
        let sent = self.sent.lock().unwrap().len();
        match self.plan.head {
            Head::After(bytes, _) if sent >= bytes => Ok(()),
            Head::AtEnd(_) if self.ended => Ok(()),
            _ if self.ended => Err(Failure::Broken),
            _ => std::future::pending().await,
        }
    }

    async fn late_head(&mut self) -> Result<(), Failure> {
        match self.plan.head {
            Head::Late(_) => Ok(()),
            Head::After(..) | Head::AtEnd(_) | Head::Never => Err(Failure::Broken),
        }
    }

    async fn reply(&mut self) -> Result<Reply, Failure> {
        let status = match self.plan.head {
            Head::After(_, status) | Head::AtEnd(status) | Head::Late(status) => status,
            Head::Never => return Err(Failure::Broken),
        };
        let head = ResponseHeader::build(status, None).unwrap();
        Ok(Reply {
            head,
            body: Bytes::new(),
        })
    }
}

/// What the client does next.
#[derive(Debug, Clone)]
pub(super) enum Given {
    Bytes(Bytes),
    End,
    Left,
    Silence,
}

/// The client.
#[derive(Debug)]
pub(super) struct Client(VecDeque<Given>);

impl Client {
    pub(super) fn new(given: Vec<Given>) -> Self {
        Self(given.into())
    }
}

#[async_trait]
impl Source for Client {
    async fn read(&mut self) -> Result<Option<Bytes>, ClientLeft> {
        if let Some(Given::Silence) = self.0.front() {
            return std::future::pending().await;
        }
        match self.0.pop_front().expect("nobody reads behind the end") {
            Given::Bytes(piece) => Ok(Some(piece)),
            Given::End => Ok(None),
            Given::Left => Err(ClientLeft),
            Given::Silence => unreachable!("kept above"),
        }
    }
}
