//! One request of a push under way on one node.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::{Instant, Interval, interval, timeout};

use crate::fleet::health::Traffic;
use crate::fleet::node::NodeId;
use crate::upload::driver::{Flight, Reply};
use crate::upstream::Failure;
use crate::upstream::live::Push;

use super::super::snapshot::Snapshot;

/// One request of the push on one node.
pub(super) struct Attempted {
    push: Push,
    node: NodeId,
    snapshot: Arc<Snapshot>,
    /// Kept for all pieces: a new timer for each would wake the runtime each time.
    look: Interval,
}

impl Attempted {
    pub(super) fn new(push: Push, node: NodeId, snapshot: Arc<Snapshot>) -> Self {
        Self {
            push,
            node,
            snapshot,
            look: interval(LOOK),
        }
    }

    /// Waits, but not for a node that is given up meanwhile.
    async fn watch<T>(
        look: &mut Interval,
        (snapshot, node): (&Snapshot, &NodeId),
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = look.tick() => {
                    let now = Instant::now().into_std();
                    if snapshot.fleet.is_given_up(node, Traffic::Push, now) {
                        return Err(Failure::Stalled);
                    }
                }
            }
        }
    }
}

#[async_trait]
impl Flight for Attempted {
    async fn send(&mut self, piece: Bytes) -> Result<(), Failure> {
        let about = (&*self.snapshot, &self.node);
        Self::watch(&mut self.look, about, self.push.send(piece)).await
    }

    async fn end(&mut self) -> Result<(), Failure> {
        self.push.end().await
    }

    async fn head(&mut self) -> Result<(), Failure> {
        let head = async { self.push.head().await.map(|_| ()) };
        Self::watch(&mut self.look, (&self.snapshot, &self.node), head).await
    }

    async fn late_head(&mut self) -> Result<(), Failure> {
        match timeout(LATE, self.push.head()).await {
            Ok(found) => found.map(|_| ()),
            Err(_) => Err(Failure::Broken),
        }
    }

    async fn reply(&mut self) -> Result<Reply, Failure> {
        let head = self.push.head().await?.clone();
        match self.push.body(MAX_REPLY).await {
            Ok(body) => Ok(Reply { head, body }),
            // The head of a success says it all.
            Err(_) if head.status.is_success() => Ok(Reply {
                head,
                body: Bytes::new(),
            }),
            Err(failure) => Err(failure),
        }
    }
}

/// How often a node that owes an answer is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long an answer may take after the node has stopped reading.
const LATE: Duration = Duration::from_millis(300);
/// Errors of registries are a few hundred bytes.
const MAX_REPLY: usize = 256 * 1024;
