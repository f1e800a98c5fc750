//! Probing all nodes, round by round.

use std::sync::Arc;
use std::time::Duration;

use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::edge::lookout::Lookout;
use crate::edge::snapshot::{Place, Snapshot};
use crate::fleet::health::{Observation, PartState, Report, Traffic, Unreachable};
use crate::fleet::view::{Fleet, Rank};
use crate::observe::labels::{Misfit, Probe};
use crate::observe::metrics::Metrics;
use crate::upstream::peer::Learnt;
use crate::upstream::probe::{Redirect, probe};

use super::Parts;
use super::assemble::resolve_one;
use super::handover::HandoverError;
use super::task::jitter;

/// Asks all nodes once, and Redis if there is one, before the first client comes.
pub(super) async fn first_word(parts: &Parts) -> Result<(), HandoverError> {
    let prober = Prober::new(Arc::clone(&parts.lookout), Arc::clone(&parts.metrics));
    let snapshot = parts.snapshot.load_full();
    let health = &parts.running.health;
    let mut rounds = health.up_after.max(health.down_after);
    while rounds > 0 && !proven(&snapshot.fleet) {
        prober.round(&snapshot, Duration::ZERO).await;
        rounds -= 1;
    }
    if !proven(&snapshot.fleet) {
        return Err(HandoverError::NotReady);
    }
    if parts.running.shared.is_some() {
        // It is an improvement, never a condition.
        let up = async {
            while !parts.shared.is_up() {
                sleep(LOOK).await;
            }
        };
        drop(timeout(REDIS, up).await);
    }
    Ok(())
}

/// Whether a node is known to serve pulls. Until it was asked it is only not known not to.
fn proven(fleet: &Fleet) -> bool {
    let candidates = fleet.candidates(Traffic::Pull, Instant::now().into_std(), usize::MAX);
    candidates.iter().any(|candidate| match candidate.rank {
        Rank::Up | Rank::Draining => true,
        Rank::Suspect | Rank::Down => false,
    })
}

/// Asks nodes how they are, with connections of its own.
pub(super) struct Prober {
    connector: Arc<Connector>,
    lookout: Arc<Lookout>,
    metrics: Arc<Metrics>,
}

impl Prober {
    pub(super) fn new(lookout: Arc<Lookout>, metrics: Arc<Metrics>) -> Self {
        let connector = Arc::new(Connector::new(Some(ConnectorOptions::new(KEPT))));
        Self {
            connector,
            lookout,
            metrics,
        }
    }

    /// Probes every node once, all at the same time but for some jitter that grows with `spread`.
    pub(super) async fn round(&self, snapshot: &Arc<Snapshot>, spread: Duration) {
        let mut probes = JoinSet::new();
        for place in &snapshot.targets {
            let (place, snapshot) = (Arc::clone(place), Arc::clone(snapshot));
            let connector = Arc::clone(&self.connector);
            probes.spawn(async move {
                sleep(jitter(spread)).await;
                let host = snapshot.served.first();
                let ask = || probe(&connector, &place.target, &snapshot.probe, host);
                let mut finding = ask().await;
                // A node that wants to be spoken to over TLS is asked again in the way it wants.
                let redirect = finding.redirect.clone();
                if let Redirect::ToHttps { location } = &redirect
                    && place.target.learn_https(location) == Learnt::New
                {
                    finding = ask().await;
                }
                (place, finding, redirect)
            });
        }
        while let Some(done) = probes.join_next().await {
            let Ok((place, finding, redirect)) = done else {
                continue;
            };
            if redirect != Redirect::None {
                self.lookout
                    .misfit(place.node.id(), Misfit::RedirectsToHttps);
            }
            self.take_in(&place, finding.report).await;
        }
        let faults = snapshot.fleet.cluster_faults(Instant::now().into_std());
        self.lookout.cluster_faults(faults);
    }

    async fn take_in(&self, place: &Place, report: Report) {
        let outcome = match &report {
            Report::Unreachable(Unreachable::Unreadable) => Probe::Unreadable,
            Report::Unreachable(_) => Probe::Failed,
            Report::Answered { parts, .. } => {
                let well = parts.iter().all(|part| part.state == PartState::Healthy);
                if well { Probe::Well } else { Probe::Unwell }
            }
        };
        self.metrics.probe_done(place.node.id(), outcome);
        let lost = matches!(report, Report::Unreachable(_));
        self.lookout
            .observe(&place.node, Observation::Probed(report));
        // The node may have moved to another address under the same name.
        if lost
            && place
                .target
                .settings()
                .host
                .parse::<std::net::IpAddr>()
                .is_err()
        {
            resolve_one(place).await;
        }
    }
}

/// Connections that are kept between rounds.
const KEPT: usize = 64;
/// How long Redis is waited for before an upgrade goes on without it.
const REDIS: Duration = Duration::from_secs(2);
/// How often it is looked for in that time.
const LOOK: Duration = Duration::from_millis(20);
