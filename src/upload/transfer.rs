//! Uploads as this balancer knows them, from their first bytes to their commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::affinity::token::Upload;
use crate::fleet::node::NodeId;
use crate::registry::session::SessionId;
use crate::spool::file::Spool;

use super::takeover::Session;

/// One upload, over all its requests.
#[derive(Debug)]
pub struct Transfer {
    /// Everything the client has sent, while it can be kept.
    pub spool: Option<Spool>,
    pub node: NodeId,
    /// The node's own path and query for the session. Never shown.
    pub location: String,
    pub session: Session,
    /// Bytes that the client knows to be stored.
    pub acknowledged: u64,
    /// A node took the client's credentials in this upload.
    pub authorized: bool,
    /// How often another node took over.
    pub takeovers: u32,
}

/// All uploads that run through this balancer.
#[derive(Debug, Default)]
pub struct Transfers {
    running: Mutex<HashMap<SessionId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    transfer: Shared,
    touched: Instant,
}

/// A transfer that one request at a time may change.
pub type Shared = Arc<tokio::sync::Mutex<Transfer>>;

impl Transfer {
    /// The upload as its token describes it, with an empty spool.
    pub fn begin(upload: &Upload, spool: Spool) -> Self {
        Self {
            spool: Some(spool),
            node: upload.node.clone(),
            location: upload.location.clone(),
            session: Session::Clean,
            acknowledged: 0,
            authorized: true,
            takeovers: 0,
        }
    }

    /// Prepares for a request whose token knows `offset` bytes and `location`.
    ///
    /// A client that comes back with an older address goes on where that address stands, in a new session.
    pub async fn rewind(&mut self, upload: &Upload) {
        if upload.offset != self.acknowledged || upload.location != self.location {
            self.session = Session::Spent;
        }
        self.acknowledged = upload.offset;
        if let Some(spool) = &mut self.spool
            && spool.truncate(upload.offset).await.is_err()
        {
            self.spool = None;
        }
        if self
            .spool
            .as_ref()
            .is_some_and(|spool| spool.length() != upload.offset)
        {
            // It never had what the address stands for.
            self.spool = None;
        }
    }
}

impl Transfers {
    /// The running upload of this name.
    pub fn find(&self, session: &SessionId, now: Instant) -> Option<Shared> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = running.get_mut(session)?;
        entry.touched = now;
        Some(Arc::clone(&entry.transfer))
    }

    /// The running upload of this name; one that is not known yet is begun.
    pub fn enter(
        &self,
        session: &SessionId,
        now: Instant,
        begin: impl FnOnce() -> Transfer,
    ) -> Shared {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Entry {
            transfer: Arc::new(tokio::sync::Mutex::new(begin())),
            touched: now,
        };
        let entry = running.entry(session.clone()).or_insert_with(new);
        entry.touched = now;
        Arc::clone(&entry.transfer)
    }

    /// The upload is committed, cancelled or given up: what was kept of it goes.
    pub fn forget(&self, session: &SessionId) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(session);
    }

    /// Forgets uploads that no request has touched for `limit` and none is using; says how many.
    pub fn sweep(&self, now: Instant, limit: Duration) -> usize {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let before = running.len();
        running.retain(|_, entry| {
            Arc::strong_count(&entry.transfer) > 1
                || now.saturating_duration_since(entry.touched) < limit
        });
        before - running.len()
    }

    /// How many uploads run.
    pub fn count(&self) -> usize {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}
