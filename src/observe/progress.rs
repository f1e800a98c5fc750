//! The pushes and pulls that are under way, and how far each has come.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use crate::fleet::node::NodeId;

/// All transfers that are under way. Its bound is that of the requests under way.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<Running>>);

#[derive(Debug, Default)]
struct Running {
    next: u64,
    transfers: BTreeMap<u64, Arc<Transfer>>,
    /// Bytes that each node has carried of transfers that are over, or that went on elsewhere.
    carried: BTreeMap<NodeId, u64>,
}

/// What is known of a transfer when it begins.
#[derive(Debug, Clone)]
pub struct Beginning {
    pub request_id: String,
    pub direction: Way,
    pub method: String,
    pub client: IpAddr,
    pub repo: Option<String>,
    pub reference: Option<String>,
    /// The public id of the upload.
    pub session: Option<String>,
    /// Bytes that earlier requests have carried.
    pub done: u64,
    pub started: Instant,
}

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    Push,
    Pull,
}

/// One transfer that is under way.
#[derive(Debug)]
pub struct Transfer {
    about: Beginning,
    done: AtomicU64,
    carrier: Mutex<Carrier>,
    /// Zero as long as it is not known.
    total: AtomicU64,
    takeovers: AtomicU32,
}

/// Who carries a transfer, and who did before.
#[derive(Debug, Default)]
struct Carrier {
    node: Option<NodeId>,
    /// Bytes that had passed when this one began.
    from: u64,
    before: BTreeMap<NodeId, u64>,
}

/// Keeps a transfer among those that are under way until it is dropped.
#[derive(Debug)]
#[must_use = "the transfer is over when this is dropped"]
pub struct Underway {
    transfer: Arc<Transfer>,
    number: u64,
    all: Progress,
}

/// One transfer as operators see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TransferSummary {
    pub request_id: String,
    pub direction: Way,
    pub method: String,
    pub client: String,
    pub repo: Option<String>,
    pub reference: Option<String>,
    pub session: Option<String>,
    pub node: Option<NodeId>,
    pub takeovers: u32,
    /// Bytes so far; of a push also those of its earlier requests.
    pub bytes: u64,
    /// Bytes in all, as far as it is known.
    pub total: Option<u64>,
    pub seconds: f64,
}

impl Progress {
    /// A transfer begins.
    pub fn begin(&self, about: Beginning) -> Underway {
        let transfer = Arc::new(Transfer {
            done: AtomicU64::new(about.done),
            carrier: Mutex::new(Carrier {
                from: about.done,
                ..Carrier::default()
            }),
            about,
            total: AtomicU64::new(0),
            takeovers: AtomicU32::new(0),
        });
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = running.next;
        running.next += 1;
        running.transfers.insert(number, Arc::clone(&transfer));
        Underway {
            transfer,
            number,
            all: self.clone(),
        }
    }

    /// All of them, those that began first before the others.
    pub fn summaries(&self, now: Instant) -> Vec<TransferSummary> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> = running.transfers.values().cloned().collect();
        drop(running);
        all.iter().map(|one| one.summary(now)).collect()
    }

    /// Bytes of transfers that each node has carried so far.
    pub fn carried(&self) -> BTreeMap<NodeId, u64> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, mut carried) = (running.transfers.values(), running.carried.clone());
        for transfer in all {
            transfer.add_carried(&mut carried);
        }
        carried
    }
}

impl Transfer {
    /// Bytes have passed.
    pub fn passed(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// It is known how many there are, beside those of earlier requests.
    pub fn expect(&self, bytes: u64) {
        let total = self.about.done.saturating_add(bytes);
        self.total.store(total, Ordering::Relaxed);
    }

    /// This node carries it from now on.
    pub fn on(&self, node: &NodeId) {
        let mut carrier = self.carrier();
        carrier.settle(self.done.load(Ordering::Relaxed));
        carrier.node = Some(node.clone());
    }

    /// Another node went on with it.
    pub fn taken_over(&self) {
        self.takeovers.fetch_add(1, Ordering::Relaxed);
    }

    fn add_carried(&self, carried: &mut BTreeMap<NodeId, u64>) {
        let mut carrier = self.carrier();
        carrier.settle(self.done.load(Ordering::Relaxed));
        for (node, bytes) in &carrier.before {
            *carried.entry(node.clone()).or_default() += bytes;
        }
    }

    fn carrier(&self) -> MutexGuard<'_, Carrier> {
        self.carrier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn summary(&self, now: Instant) -> TransferSummary {
        let total = self.total.load(Ordering::Relaxed);
        let about = &self.about;
        TransferSummary {
            request_id: about.request_id.clone(),
            direction: about.direction,
            method: about.method.clone(),
            client: about.client.to_string(),
            repo: about.repo.clone(),
            reference: about.reference.clone(),
            session: about.session.clone(),
            node: self.carrier().node.clone(),
            takeovers: self.takeovers.load(Ordering::Relaxed),
            bytes: self.done.load(Ordering::Relaxed),
            total: (total > 0).then_some(total),
            seconds: now.saturating_duration_since(about.started).as_secs_f64(),
        }
    }
}

impl Carrier {
    /// What has passed since the last time counts for whoever carries it now.
    fn settle(&mut self, done: u64) {
        if let Some(node) = &self.node {
            let more = done.saturating_sub(self.from);
            *self.before.entry(node.clone()).or_default() += more;
            self.from = done;
        }
    }
}

impl Underway {
    /// The transfer, for whoever carries its bytes.
    pub fn transfer(&self) -> &Arc<Transfer> {
        &self.transfer
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut running = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.transfers.remove(&self.number);
        self.transfer.add_carried(&mut running.carried);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_transfer_is_shown_with_its_progress_until_it_is_over() {
        let progress = Progress::default();
        let started = tokio::time::Instant::now().into_std();
        let underway = progress.begin(Beginning {
            request_id: "0f3".to_owned(),
            direction: Way::Push,
            method: "PATCH".to_owned(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            repo: Some("lab/app".to_owned()),
            reference: None,
            session: None,
            done: 100,
            started,
        });
        let transfer = underway.transfer();
        let look = || {
            progress
                .summaries(started + Duration::from_secs(3))
                .remove(0)
        };
        assert_eq!((look().bytes, look().total), (100, None));
        transfer.expect(50);
        transfer.passed(20);
        transfer.on(&NodeId::parse("harbor-1").unwrap());
        transfer.taken_over();
        let shown = look();
        assert_eq!((shown.bytes, shown.total), (120, Some(150)));
        assert_eq!(shown.takeovers, 1);
        assert_eq!(shown.node.unwrap().as_str(), "harbor-1");
        assert!((shown.seconds - 3.0).abs() < 0.001);
        let carried = |node: &str| {
            let carried = progress.carried();
            carried.get(&NodeId::parse(node).unwrap()).copied()
        };
        assert_eq!(
            carried("harbor-1"),
            Some(20),
            "earlier requests carried the rest"
        );
        transfer.on(&NodeId::parse("harbor-2").unwrap());
        transfer.passed(7);
        drop(underway);
        assert!(progress.summaries(started).is_empty());
        assert_eq!(
            (carried("harbor-1"), carried("harbor-2")),
            (Some(20), Some(7))
        );
    }
}
