//! The requests that ended last, for whoever asks what became of one.
//!
//! Nothing is kept that an access record does not show, but the steps in between. Requests that something went
//! wrong with are kept apart, so that a busy registry does not push them out within seconds.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::labels::{Label, Outcome};
use super::record::{Record, bounded};
use super::steps::Steps;
use crate::fleet::node::NodeId;

/// The requests that ended last.
#[derive(Debug)]
pub struct History {
    limit: AtomicUsize,
    shelves: Mutex<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    all: VecDeque<Arc<Remembered>>,
    notable: VecDeque<Arc<Remembered>>,
}

/// Which of the requests are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that were rescued or failed.
    Notable,
    All,
}

/// One request that has ended.
#[derive(Debug, Clone, Serialize)]
pub struct Remembered {
    pub request_id: String,
    /// Seconds since 1970.
    pub ended: u64,
    pub client: IpAddr,
    pub method: String,
    pub route: &'static str,
    pub repo: Option<String>,
    pub reference: Option<String>,
    pub session: Option<String>,
    pub node: Option<NodeId>,
    pub first_node: Option<NodeId>,
    pub attempts: u32,
    pub takeovers: u32,
    pub lost_ms: u64,
    pub replayed_bytes: u64,
    pub unprotected: Option<&'static str>,
    pub synthesized: Option<&'static str>,
    pub status: u16,
    pub fault: Option<&'static str>,
    pub outcome: &'static str,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub total_ms: u64,
    #[serde(flatten)]
    pub steps: Steps,
}

impl History {
    /// Remembers so many requests, and as many of the notable ones.
    pub fn new(limit: usize) -> Self {
        Self {
            limit: AtomicUsize::new(limit),
            shelves: Mutex::default(),
        }
    }

    /// Remembers so many from now on.
    pub fn resize(&self, limit: usize) {
        let mut shelves = self.lock();
        self.limit.store(limit, Ordering::Relaxed);
        let Shelves { all, notable } = &mut *shelves;
        for shelf in [all, notable] {
            while shelf.len() > limit {
                shelf.pop_front();
            }
            shelf.shrink_to(limit);
        }
    }

    /// For the steps of a request that begins now; nothing where nobody could ask for them afterwards.
    pub fn begin(&self) -> Option<Steps> {
        (self.limit.load(Ordering::Relaxed) > 0).then(Steps::default)
    }

    /// A request has ended, at this second since 1970.
    pub fn remember(&self, record: &Record<'_>, ended: u64, steps: Steps) {
        if self.limit.load(Ordering::Relaxed) == 0 {
            return;
        }
        let one = Arc::new(Remembered::new(record, ended, steps));
        let mut shelves = self.lock();
        // Every request comes by here: all that can be done without the others waiting is done before.
        let limit = self.limit.load(Ordering::Relaxed);
        if is_notable(record) {
            put(&mut shelves.notable, limit, Arc::clone(&one));
        }
        let forgotten = put(&mut shelves.all, limit, one);
        drop(shelves);
        drop(forgotten);
    }

    /// The request with this id, the latest if there were several.
    pub fn find(&self, request_id: &str) -> Option<Arc<Remembered>> {
        let shelves = self.lock();
        let both = shelves.all.iter().rev().chain(shelves.notable.iter().rev());
        let mut named = both.filter(|one| one.request_id == request_id);
        named.next().map(Arc::clone)
    }

    /// So many of the latest, newest first.
    pub fn latest(&self, which: Which, count: usize) -> Vec<Arc<Remembered>> {
        let shelves = self.lock();
        let shelf = match which {
            Which::Notable => &shelves.notable,
            Which::All => &shelves.all,
        };
        shelf.iter().rev().take(count).map(Arc::clone).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn new(record: &Record<'_>, ended: u64, steps: Steps) -> Self {
        let text = |value: &str| {
            let (kept, cut) = bounded(value);
            [kept, cut].concat()
        };
        let millis =
            |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            request_id: text(record.request_id),
            ended,
            client: record.client,
            method: text(record.method),
            route: record.route,
            repo: record.repo.map(text),
            reference: record.reference.map(text),
            session: record.session.map(text),
            node: record.node.cloned(),
            first_node: record.first_node.cloned(),
            attempts: record.attempt,
            takeovers: record.takeovers,
            lost_ms: millis(record.rescued.lost),
            replayed_bytes: record.rescued.replayed,
            unprotected: record.rescued.unprotected.map(Label::as_str),
            synthesized: record.rescued.synthesized.map(Label::as_str),
            status: record.status,
            fault: record.fault,
            outcome: record.outcome.as_str(),
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            total_ms: millis(record.total),
            steps,
        }
    }
}

/// Whether somebody may come and ask: it was rescued, or it failed. Clients leave all the time.
fn is_notable(record: &Record<'_>) -> bool {
    let rescued = record.takeovers > 0 || record.attempt > 1;
    let failed = match record.outcome {
        Outcome::Refused | Outcome::Cut => record.status >= 500 || record.status == 0,
        Outcome::Answered | Outcome::TakenOver | Outcome::ClientLeft => false,
    };
    rescued || failed
}

/// Gives what makes room.
fn put(
    shelf: &mut VecDeque<Arc<Remembered>>,
    limit: usize,
    one: Arc<Remembered>,
) -> Option<Arc<Remembered>> {
    if limit == 0 {
        return Some(one);
    }
    let forgotten = (shelf.len() >= limit).then(|| shelf.pop_front());
    shelf.push_back(one);
    forgotten.flatten()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn record(id: &str) -> Record<'_> {
        Record {
            request_id: id,
            method: "GET",
            route: "blob",
            repo: Some("lab/app"),
            attempt: 1,
            status: 200,
            outcome: Outcome::Answered,
            ..Record::unread(IpAddr::V4(Ipv4Addr::LOCALHOST), Duration::from_millis(5))
        }
    }

    fn ids(history: &History, which: Which) -> Vec<String> {
        let all = history.latest(which, 10);
        all.iter().map(|one| one.request_id.clone()).collect()
    }

    #[test]
    fn a_rescue_is_remembered_longer_than_what_went_well() {
        let history = History::new(2);
        let rescued = Record {
            takeovers: 1,
            ..record("rescued")
        };
        history.remember(&rescued, 1, Steps::default());
        for id in ["a", "b", "c"] {
            history.remember(&record(id), 2, Steps::default());
        }
        assert_eq!(ids(&history, Which::All), ["c", "b"]);
        assert_eq!(ids(&history, Which::Notable), ["rescued"]);
        assert_eq!(history.find("rescued").unwrap().takeovers, 1);
        assert!(history.find("a").is_none());
    }

    #[test]
    fn a_limit_of_nothing_remembers_nothing_and_a_lower_one_forgets() {
        let history = History::new(3);
        for id in ["a", "b", "c"] {
            history.remember(&record(id), 2, Steps::default());
        }
        history.resize(1);
        assert_eq!(ids(&history, Which::All), ["c"]);
        assert!(history.begin().is_some());
        history.resize(0);
        assert!(history.begin().is_none(), "no request keeps its steps");
        history.remember(&record("d"), 2, Steps::default());
        assert!(ids(&history, Which::All).is_empty());
    }

    #[test]
    fn a_refusal_that_is_the_clients_own_fault_is_not_notable() {
        let history = History::new(5);
        for (status, notable) in [(404, false), (429, false), (503, true), (0, true)] {
            let refused = Record {
                status,
                outcome: Outcome::Refused,
                ..record("x")
            };
            assert_eq!(is_notable(&refused), notable, "{status}");
        }
        let twice = Record {
            attempt: 2,
            ..record("y")
        };
        history.remember(&twice, 1, Steps::default());
        assert_eq!(ids(&history, Which::Notable), ["y"]);
    }
}
