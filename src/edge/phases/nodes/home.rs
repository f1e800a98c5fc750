//! The node that has the session of an upload, or one that can go on in its place.

use std::sync::Arc;

use http::Method;
use tokio::time::Instant;

use crate::affinity::settings::Storage;
use crate::fleet::node::NodeId;
use crate::observe::labels::TakeoverReason;
use crate::upload::driver::Nodes as _;
use crate::upload::takeover::Protection;
use crate::upstream::Failure;
use crate::upstream::peer::Pace;

use super::super::super::exchange::Current;
use super::super::Edge;
use super::super::flight::Attempted;
use super::Pusher;

impl Pusher<'_> {
    /// Sends the head of the client's own request to the session as it is.
    ///
    /// A node that cannot be reached has got nothing of the request. Where all nodes see one storage, another one
    /// goes on with the same session, which has exactly the bytes that were acknowledged.
    pub(super) async fn go_on(&mut self) -> Result<Attempted, Failure> {
        let (method, path, length) = (self.base.method.clone(), self.path(), self.length);
        let pace = if method == Method::PATCH {
            Pace::Read
        } else {
            Pace::Commit
        };
        self.leave_refuser();
        loop {
            let current = self.home().await?;
            let place = Arc::clone(&current.place);
            let request = self.request(method.clone(), &path, length);
            let request = request.ok_or(Failure::NoNode)?;
            match self.begin(current, request, pace).await {
                Ok(flight) => {
                    if *place.node.id() != self.node {
                        self.reason = TakeoverReason::ConnectFailed;
                        self.moved(&place, self.location.clone());
                    }
                    return Ok(flight);
                }
                Err(failure @ (Failure::Unreachable | Failure::Unverified))
                    if self.shares_storage() =>
                {
                    self.lost(failure);
                    self.earn_retry().await?;
                    self.exchange.detach();
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The node that has the session, as soon as it has room. Where it is given up, others are asked at once.
    async fn home(&mut self) -> Result<Current, Failure> {
        let relay = self.exchange.relay.as_mut();
        if let Some(upload) = relay.and_then(|relay| relay.upload.as_mut()) {
            upload.node.clone_from(&self.node);
        }
        let current = self.next_place().await?;
        if *current.place.node.id() == self.node || self.shares_storage() {
            Ok(current)
        } else {
            Err(Failure::Unreachable)
        }
    }

    /// Goes on with the session on a node that accepts the client's token, where its own is known not to.
    ///
    /// Whoever has all the bytes need not: a new session on another node is surer than one in a storage that is
    /// said to be shared.
    fn leave_refuser(&mut self) {
        if self.protection == Protection::Kept || !self.shares_storage() {
            return;
        }
        let taker = self.taker_elsewhere();
        let place = taker.and_then(|id| self.exchange.snapshot.place(&id).cloned());
        if let Some(place) = place {
            self.reason = TakeoverReason::Unauthorized;
            self.moved(&place, self.location.clone());
        }
    }

    /// A node that is known to accept the client's token, if the one that has the session is known not to.
    pub(super) fn taker_elsewhere(&self) -> Option<NodeId> {
        let token = self.exchange.token?;
        let now = Instant::now().into_std();
        let takers = self.edge.ties.issuers.acceptors(token.key, now);
        if takers.contains(&self.node) {
            return None;
        }
        Edge::usable(self.exchange, |id| takers.contains(id))
    }

    fn shares_storage(&self) -> bool {
        match self.exchange.snapshot.storage {
            Storage::Shared => true,
            Storage::Apart => false,
        }
    }
}
