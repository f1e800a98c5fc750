//! The node that has the session of an upload, or one that can go on in its place.

use std::sync::Arc;

use http::Method;

use crate::affinity::settings::Storage;
use crate::observe::labels::TakeoverReason;
use crate::upload::driver::Nodes as _;
use crate::upstream::Failure;
use crate::upstream::peer::Pace;

use super::super::super::snapshot::Place;
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
        loop {
            let place = self.home().await?;
            let request = self.request(method.clone(), &path, length);
            let request = request.ok_or(Failure::NoNode)?;
            match self.begin(Arc::clone(&place), request, pace).await {
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
    async fn home(&mut self) -> Result<Arc<Place>, Failure> {
        let relay = self.exchange.relay.as_mut();
        if let Some(upload) = relay.and_then(|relay| relay.upload.as_mut()) {
            upload.node.clone_from(&self.node);
        }
        let place = self.next_place().await?;
        if *place.node.id() == self.node || self.shares_storage() {
            Ok(place)
        } else {
            Err(Failure::Unreachable)
        }
    }

    fn shares_storage(&self) -> bool {
        match self.exchange.snapshot.storage {
            Storage::Shared => true,
            Storage::Apart => false,
        }
    }
}
