//! Draws the page: gathers what is on it, and keeps the last drawing for whoever comes at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::edge::snapshot::Snapshot;
use crate::edge::tls::CertificateStore;
use crate::fleet::health::Traffic;
use crate::fleet::node::{NodeId, NodeSummary};
use crate::fleet::view::{Fleet, Rank};
use crate::observe::history::{Remembered, Which};
use crate::observe::labels::Label as _;
use crate::observe::metrics::Metrics;
use crate::observe::metrics::numbers::Numbers;
use crate::observe::progress::Progress;
use crate::observe::rescues::Rescue;
use crate::observe::status::{Unready, readiness};

use super::super::page::Drawing;
use super::super::page::alarm::{Signs, alarms};
use super::super::page::board::{
    About, Announced, Board, NodeRow, RescueRow, Scope, Traffic as Totals, TransferRow,
};
use super::super::page::pulse::{Look, Pulse};
use super::{Desk, Reloaded, unix_seconds};

/// What the page needs beside the desk.
#[derive(Debug)]
pub struct Display {
    snapshot: Arc<ArcSwap<Snapshot>>,
    certificates: Arc<CertificateStore>,
    metrics: Arc<Metrics>,
    progress: Progress,
    started: Instant,
    pulse: Mutex<Pulse>,
    drawn: Mutex<Option<(Instant, Arc<Drawing>)>>,
    /// Why the last reload was refused.
    refused: Mutex<Vec<String>>,
    seats: Arc<Semaphore>,
}

/// A place among those who are told of changes.
#[derive(Debug)]
pub(super) struct Seat(
    #[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit,
);

impl Display {
    /// A page about all this, for a process that begins now.
    pub fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        certificates: Arc<CertificateStore>,
        (metrics, progress): (Arc<Metrics>, Progress),
    ) -> Self {
        Self {
            snapshot,
            certificates,
            metrics,
            progress,
            started: Instant::now(),
            pulse: Mutex::default(),
            drawn: Mutex::default(),
            refused: Mutex::default(),
            seats: Arc::new(Semaphore::new(SEATS)),
        }
    }

    /// Something came of a reload.
    pub fn reloaded(&self, outcome: &Reloaded) {
        *lock(&self.refused) = match outcome {
            Reloaded::Done(_) => Vec::new(),
            Reloaded::Refused(problems) => problems.clone(),
        };
    }

    /// Looks at the counters every second, for ever.
    pub async fn follow(self: Arc<Self>) {
        let mut ticks = interval(SECOND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let look = Look {
                at: Instant::now().into_std(),
                numbers: self.metrics.numbers(),
                carried: self.progress.carried(),
            };
            lock(&self.pulse).take(look);
        }
    }

    /// Somebody has changed something: the next drawing shows it.
    pub(super) fn redraw(&self) {
        *lock(&self.drawn) = None;
    }

    /// A place among those who are told of changes, if one is left.
    pub(super) fn seat(&self) -> Option<Seat> {
        let seat = Arc::clone(&self.seats).try_acquire_owned();
        seat.ok().map(Seat)
    }
}

impl Desk {
    /// The page as it is now, or was within the last second.
    pub(super) fn drawing(&self) -> Arc<Drawing> {
        let now = Instant::now();
        let mut drawn = lock(&self.display.drawn);
        if let Some((at, drawing)) = &*drawn
            && now.duration_since(*at) < FRESH
        {
            return Arc::clone(drawing);
        }
        let drawing = Arc::new(Drawing::of(&self.board(now)));
        *drawn = Some((now, Arc::clone(&drawing)));
        drawing
    }

    fn board(&self, now: Instant) -> Board {
        let (fleet, unix, moment) = (self.views.fleet(), unix_seconds(), now.into_std());
        let numbers = self.metrics.numbers();
        let about = self.about(&fleet, now, unix);
        let nodes = fleet.nodes().iter();
        let nodes = nodes.map(|node| (node.summary(moment), self.views.misfits(node.id())));
        let nodes: Vec<_> = nodes.collect();
        let signs = Signs {
            unready: about.unready,
            cluster_faults: fleet.cluster_faults(moment),
            signing_keys: self.views.signing_keys(),
            certificates: self.certificates(),
            redis: about.redis,
            reload_refused: lock(&self.display.refused).clone(),
            spooled: numbers.spooled,
            spool_limit: numbers.spool_limit,
            log_dropped: numbers.log_dropped,
        };
        let alarms = alarms(&nodes, &signs, unix);
        let (transfers, further_transfers) = self.transfers(now);
        let rescues = self
            .metrics
            .rescued()
            .into_iter()
            .map(|rescue| rescue_row(rescue, now));
        Board {
            notices: self.notices(unix),
            alarms,
            traffic: self.totals(&numbers),
            nodes: self.node_rows(&fleet, nodes, now),
            transfers,
            further_transfers,
            rescues: rescues.collect(),
            failures: self.failures(),
            instances: self.views.readiness().instances(),
            about,
        }
    }

    fn about(&self, fleet: &Fleet, now: Instant, unix: u64) -> About {
        let stage = self.views.readiness().stage();
        let ready = readiness(stage, fleet, now.into_std());
        About {
            version: env!("CARGO_PKG_VERSION"),
            names: self.display.snapshot.load().public.names.clone(),
            unready: ready.err().map(Unready::as_str),
            redis: self.views.readiness().shared().as_str(),
            uptime_seconds: now.duration_since(self.display.started).as_secs(),
            now: unix,
        }
    }

    fn notices(&self, unix: u64) -> Vec<Announced> {
        let own = self
            .maintenance
            .own()
            .map(|notice| (notice, Scope::Instance));
        let shared = self
            .maintenance
            .shared(unix)
            .map(|notice| (notice, Scope::All));
        let both = own.into_iter().chain(shared);
        both.map(|(notice, scope)| Announced { notice, scope })
            .collect()
    }

    fn certificates(&self) -> Vec<(String, i64)> {
        let served = self.display.certificates.about().into_iter();
        let named = served.map(|one| {
            let name = one.names.into_iter().next();
            (
                name.unwrap_or_else(|| one.chain_file.display().to_string()),
                one.expires,
            )
        });
        named.collect()
    }

    fn totals(&self, numbers: &Numbers) -> Totals {
        Totals {
            rates: lock(&self.display.pulse).rates(),
            running: numbers.running,
            connections: numbers.connections,
            spooled: numbers.spooled,
            spool_limit: numbers.spool_limit,
            takeovers: numbers.takeovers,
            unprotected: numbers.unprotected,
        }
    }

    fn node_rows(
        &self,
        fleet: &Fleet,
        nodes: Vec<(NodeSummary, Vec<&'static str>)>,
        now: Instant,
    ) -> Vec<NodeRow> {
        let candidates = fleet.candidates(Traffic::Pull, now.into_std(), usize::MAX);
        let taking = candidates
            .iter()
            .filter(|one| matches!(one.rank, Rank::Up | Rank::Suspect));
        let taking: Vec<&NodeId> = taking.map(|one| &one.id).collect();
        let pulse = lock(&self.display.pulse);
        let row = |(node, misfits): (NodeSummary, _)| NodeRow {
            rates: pulse.of_node(&node.id),
            others: taking
                .iter()
                .filter(|id| ***id != node.id)
                .map(|id| (*id).clone())
                .collect(),
            node,
            misfits,
        };
        nodes.into_iter().map(row).collect()
    }

    /// As many transfers as there is room for, and how many there are beside them.
    fn transfers(&self, now: Instant) -> (Vec<TransferRow>, usize) {
        let mut all = self.progress.summaries(now.into_std());
        let further = all.len().saturating_sub(SHOWN);
        all.truncate(SHOWN);
        let looked = all.iter().map(|one| (one.request_id.as_str(), one.bytes));
        let speeds = lock(&self.display.pulse).speeds(now.into_std(), looked);
        let rows = all.into_iter().map(|transfer| TransferRow {
            speed: speeds.get(&transfer.request_id).copied(),
            transfer,
        });
        (rows.collect(), further)
    }

    fn failures(&self) -> Vec<Arc<Remembered>> {
        let mut failures = self.history.latest(Which::Notable, LOOKED_AT);
        failures.retain(|one| one.fault.is_some() || one.status >= 500);
        failures.truncate(FAILURES);
        failures
    }
}

fn rescue_row(rescue: Rescue, now: Instant) -> RescueRow {
    RescueRow {
        seconds_ago: now
            .into_std()
            .saturating_duration_since(rescue.at)
            .as_secs(),
        kind: rescue.kind.as_str(),
        repo: rescue.repo,
        from: rescue.from,
        to: rescue.to,
        reason: rescue.reason.as_str(),
        request_id: rescue.request_id,
    }
}

fn lock<T>(cell: &Mutex<T>) -> MutexGuard<'_, T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often counters are looked at.
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// How long a drawing is shown to others: shorter than a tick, so that each tick has a new one.
const FRESH: Duration = Duration::from_millis(900);
/// Pages that are kept fresh at one time: a team, and some screens on the wall.
const SEATS: usize = 32;
/// Transfers on the page.
const SHOWN: usize = 50;
/// Failed requests on the page, and how many notable ones are looked through for them.
const FAILURES: usize = 20;
const LOOKED_AT: usize = 200;
