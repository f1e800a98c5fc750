//! Uploads as this balancer knows them, from their first bytes to their commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::affinity::token::Upload;
use crate::fleet::node::NodeId;
use crate::registry::session::SessionId;
use crate::spool::file::Spool;

use super::driver::{Asked, Ended};
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
    /// The most that was ever acknowledged here: who knows of more has been elsewhere.
    furthest: u64,
    /// A node took the client's credentials in this upload.
    pub authorized: bool,
    /// How often another node took over.
    pub takeovers: u32,
}

/// What one request of the client came to, beside its end.
#[derive(Debug)]
pub struct Carried {
    pub spool: Option<Spool>,
    /// The node session as it was before.
    pub before: Session,
    /// The node that has the session now, and its own path and query for it.
    pub node: NodeId,
    pub location: String,
    /// Bytes of the upload, with those of this request.
    pub received: u64,
    pub takeovers: u32,
    /// How many nodes were asked.
    pub asked: u32,
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
            furthest: 0,
            authorized: true,
            takeovers: 0,
        }
    }

    /// Prepares for a request whose token knows `offset` bytes and `location`.
    ///
    /// A client that comes back with an older address goes on where that address stands, in a new session; from
    /// the start it does so with a `fresh` spool, whatever became of the first. One that comes with more than
    /// was acknowledged here has been with another balancer meanwhile, whose word counts, but not its bytes.
    pub async fn rewind(&mut self, upload: &Upload, fresh: impl FnOnce() -> Spool) {
        if self.is_behind(upload) {
            self.node = upload.node.clone();
            self.location.clone_from(&upload.location);
            self.session = Session::Clean;
            self.spool = None;
        } else if upload.offset != self.acknowledged || upload.location != self.location {
            self.session = Session::Spent;
        }
        self.acknowledge(upload.offset);
        if upload.offset == 0 {
            let _ = self.spool.get_or_insert_with(fresh);
        }
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

    /// Lends what is kept to a request, and tells how the node session was before it. Until the node has answered,
    /// that session holds nobody knows what.
    pub fn lend(&mut self) -> (Option<Spool>, Session) {
        let before = std::mem::replace(&mut self.session, Session::Spent);
        (self.spool.take(), before)
    }

    /// Takes in what became of a request.
    pub fn settle(&mut self, ended: &Ended, carried: Carried) {
        let start = self.acknowledged;
        let received = carried.received;
        self.spool = carried.spool;
        self.node = carried.node;
        self.location = carried.location;
        self.takeovers += carried.takeovers;
        if carried.asked == 0 {
            self.session = carried.before;
        }
        match ended {
            Ended::Acknowledge => self.go_on(received),
            Ended::Pass(reply, Asked::Client) => match reply.head.status {
                StatusCode::ACCEPTED => {
                    self.authorized = true;
                    self.go_on(received);
                }
                // Nothing was sent that the session did not have: a refusal leaves it as it was.
                status if status.is_client_error() && received == start => {
                    self.session = Session::Clean;
                }
                _ => {}
            },
            Ended::Pass(_, Asked::Us) | Ended::Refuse(..) | Ended::ClientLeft => {}
        }
    }

    fn go_on(&mut self, received: u64) {
        self.session = Session::Clean;
        self.acknowledge(received);
    }

    /// The client knows that `bytes` are stored.
    fn acknowledge(&mut self, bytes: u64) {
        self.acknowledged = bytes;
        self.furthest = self.furthest.max(bytes);
    }

    /// Whether the client has been further elsewhere.
    pub fn is_behind(&self, upload: &Upload) -> bool {
        upload.offset > self.furthest
    }

    /// Whether we know better than any node how far the upload has come.
    pub fn is_ours_to_tell(&self) -> bool {
        self.spool.is_some() && (self.takeovers > 0 || self.session == Session::Spent)
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

    /// The running upload of this name; one that is not known yet is begun, as long as there is room.
    pub fn enter(
        &self,
        session: &SessionId,
        now: Instant,
        begin: impl FnOnce() -> Transfer,
    ) -> Option<Shared> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.len() >= MOST_RUNNING && !running.contains_key(session) {
            return None;
        }
        let new = || Entry {
            transfer: Arc::new(tokio::sync::Mutex::new(begin())),
            touched: now,
        };
        let entry = running.entry(session.clone()).or_insert_with(new);
        entry.touched = now;
        Some(Arc::clone(&entry.transfer))
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

/// Each costs a few hundred bytes beside what is kept, and clients may leave as many as they like behind.
const MOST_RUNNING: usize = 50_000;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pingora::http::ResponseHeader;

    use super::super::driver::Reply;
    use super::*;
    use crate::registry::name::RepositoryName;
    use crate::spool::file::Spools;
    use crate::spool::settings::SpoolSettings;

    fn spools() -> Spools {
        Spools::new(&SpoolSettings::of(1 << 20))
    }

    fn address(offset: u64, location: &str) -> Upload {
        Upload {
            repository: RepositoryName::parse("lab/app").unwrap(),
            session: SessionId::parse("0f3c").unwrap(),
            node: NodeId::parse("node-1").unwrap(),
            location: location.to_owned(),
            offset,
            issued: 0,
        }
    }

    /// An upload of so many bytes, all of them acknowledged under the location `/b`.
    async fn running(bytes: &'static [u8]) -> Transfer {
        let mut transfer = Transfer::begin(&address(0, "/a"), spools().open());
        let (spool, _) = transfer.lend();
        let mut spool = spool.unwrap();
        spool.append(Bytes::from_static(bytes)).await.unwrap();
        transfer.settle(&passed(202), carried(&transfer, Some(spool), bytes.len()));
        transfer
    }

    fn passed(status: u16) -> Ended {
        let head = ResponseHeader::build(status, None).unwrap();
        let body = Bytes::new();
        Ended::Pass(Box::new(Reply { head, body }), Asked::Client)
    }

    fn carried(transfer: &Transfer, spool: Option<Spool>, received: usize) -> Carried {
        Carried {
            spool,
            before: Session::Clean,
            node: transfer.node.clone(),
            location: "/b".to_owned(),
            received: u64::try_from(received).unwrap(),
            takeovers: 0,
            asked: 1,
        }
    }

    /// What is kept and how the session is after a client came with this address.
    async fn after(offset: u64, location: &str) -> (Option<u64>, Session) {
        let mut transfer = running(b"0123456789").await;
        let fresh = || spools().open();
        transfer.rewind(&address(offset, location), fresh).await;
        assert_eq!(transfer.acknowledged, offset);
        (transfer.spool.map(|spool| spool.length()), transfer.session)
    }

    #[tokio::test]
    async fn a_client_goes_on_where_its_address_stands() {
        assert_eq!(after(10, "/b").await, (Some(10), Session::Clean));
        assert_eq!(
            after(0, "/a").await,
            (Some(0), Session::Spent),
            "from the start"
        );
        assert_eq!(
            after(4, "/c").await,
            (Some(4), Session::Spent),
            "an older one"
        );
        assert_eq!(
            after(10, "/c").await,
            (Some(10), Session::Spent),
            "another session"
        );
        assert_eq!(
            after(12, "/c").await,
            (None, Session::Clean),
            "it was elsewhere"
        );
    }

    #[tokio::test]
    async fn a_client_that_starts_again_is_kept_again() {
        let mut transfer = running(b"0123456789").await;
        transfer.spool = None;
        let fresh = || spools().open();
        transfer.rewind(&address(10, "/b"), fresh).await;
        assert!(transfer.spool.is_none(), "the beginning is missing");
        transfer.rewind(&address(0, "/a"), fresh).await;
        assert_eq!(transfer.spool.as_ref().unwrap().length(), 0);
        assert_eq!(transfer.session, Session::Spent);
    }

    #[tokio::test]
    async fn a_session_stays_clean_only_if_nothing_went_into_it_that_was_not_accepted() {
        let refused = |received, asked| (passed(403), received, asked);
        let cases = [
            ((passed(202), 20, 1), Session::Clean),
            ((Ended::Acknowledge, 20, 3), Session::Clean),
            (refused(10, 1), Session::Clean),
            (refused(11, 1), Session::Spent),
            ((passed(500), 10, 1), Session::Spent),
            ((Ended::ClientLeft, 10, 1), Session::Spent),
            // No node has heard of the request.
            ((Ended::ClientLeft, 12, 0), Session::Clean),
        ];
        for ((ended, received, asked), expected) in cases {
            let mut transfer = running(b"0123456789").await;
            let (spool, before) = transfer.lend();
            assert_eq!((before, transfer.session), (Session::Clean, Session::Spent));
            let mut carried = carried(&transfer, spool, received);
            carried.asked = asked;
            transfer.settle(&ended, carried);
            assert_eq!(transfer.session, expected, "{ended:?}");
        }
        let mut transfer = running(b"0123456789").await;
        let (spool, _) = transfer.lend();
        let Ended::Pass(reply, _) = passed(403) else {
            unreachable!()
        };
        let by_another = Ended::Pass(reply, Asked::Us);
        transfer.settle(&by_another, carried(&transfer, spool, 10));
        assert_eq!(transfer.session, Session::Spent, "another node's word");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_is_known_until_it_ends_or_nobody_goes_on_with_it() {
        let transfers = Transfers::default();
        let begin = || Transfer::begin(&address(0, "/a"), spools().open());
        let id = |number: usize| SessionId::parse(&number.to_string()).unwrap();
        let now = tokio::time::Instant::now().into_std();
        for number in 0..MOST_RUNNING {
            assert!(transfers.enter(&id(number), now, begin).is_some());
        }
        assert!(
            transfers.enter(&id(MOST_RUNNING), now, begin).is_none(),
            "no more room"
        );
        assert!(
            transfers.enter(&id(7), now, begin).is_some(),
            "known already"
        );
        transfers.forget(&id(7));
        assert!(transfers.find(&id(7), now).is_none());
        let used = transfers.find(&id(8), now);
        let later = now + Duration::from_secs(10);
        assert!(transfers.find(&id(9), later).is_some());
        let swept = transfers.sweep(later, Duration::from_secs(5));
        assert_eq!((swept, transfers.count()), (MOST_RUNNING - 3, 2));
        drop(used);
    }
}
