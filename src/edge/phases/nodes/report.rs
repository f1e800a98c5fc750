//! What befalls a push is told: to the fleet, the log, the metrics and the record.

use tokio::time::Instant;

use crate::observe::labels::{Attempt, Label as _, SpoolWait, TakeoverReason, Unprotected};
use crate::spool::ledger::Full;
use crate::upload::driver::{Room, Waited};
use crate::upstream::Failure;

use super::super::super::fault::NodeTrouble;
use super::Pusher;

impl Pusher<'_> {
    /// The node that has the request failed it.
    pub(super) fn fail(&mut self, reason: TakeoverReason) {
        self.reason = reason;
        // While bytes flowed nothing was lost: the session may be hours old.
        self.exchange.lost.begins(Instant::now().into_std());
        let current = self.exchange.current.as_ref();
        let node = current.map_or(&self.node, |current| current.place.node.id());
        let node = node.clone();
        self.exchange.shun(&node);
    }

    /// The node of the latest flight was lost.
    pub(super) fn tell_lost(&mut self, failure: Failure) {
        let (trouble, attempt, reason) = match failure {
            Failure::NoNode => return,
            Failure::Unreachable => (
                NodeTrouble::Unreachable,
                Attempt::ConnectFailed,
                TakeoverReason::ConnectFailed,
            ),
            Failure::Unverified => (
                NodeTrouble::Unverified,
                Attempt::ConnectFailed,
                TakeoverReason::ConnectFailed,
            ),
            Failure::Broken => (
                NodeTrouble::Broken,
                Attempt::LostMidway,
                TakeoverReason::Lost,
            ),
            Failure::Stalled => (
                NodeTrouble::Stalled,
                Attempt::Stalled,
                TakeoverReason::Stalled,
            ),
        };
        self.fail(reason);
        self.edge.blame(self.exchange, trouble, attempt);
    }

    /// Bytes from here on are not kept, or those that were cannot be read.
    pub(super) fn tell_unprotected(&mut self, why: Full) {
        let (id, reason) = (&self.exchange.request_id, why.as_str());
        tracing::warn!(request_id = id, reason, "upload goes on unprotected");
        let why = match why {
            Full::Upload => Unprotected::UploadLimit,
            Full::Total => Unprotected::TotalLimit,
            Full::Disk => Unprotected::DiskShare,
            Full::Failed => Unprotected::DiskFailed,
        };
        self.exchange.rescued.unprotected = Some(why);
        self.edge.metrics.upload_unprotected(why);
    }

    /// The client was kept waiting for room.
    pub(super) fn tell_waited(&self, waited: Waited) {
        let outcome = match waited.outcome {
            Room::Found => SpoolWait::Room,
            Room::Missing => SpoolWait::Timeout,
        };
        self.edge.metrics.spool_waited(outcome);
        let (id, outcome) = (&self.exchange.request_id, outcome.as_str());
        let elapsed_ms = u64::try_from(waited.time.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            request_id = id,
            outcome,
            elapsed_ms,
            "push waited for room in the spool"
        );
    }
}
