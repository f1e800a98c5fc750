//! What can be looked at: readiness, metrics, and the nodes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::StatusCode;

use crate::fleet::node::NodeId;
use crate::fleet::view::Fleet;
use crate::observe::findings::{Findings, SigningKey};
use crate::observe::labels::SharedState;
use crate::observe::metrics::Metrics;
use crate::observe::status::{NodeEntry, NodesPage, Readiness, readiness};

use super::answer::Answer;

/// What can be looked at.
pub struct Views {
    metrics: Arc<Metrics>,
    fleet: Box<dyn Fn() -> Arc<Fleet> + Send + Sync>,
    readiness: Arc<Readiness>,
    findings: Arc<Findings>,
    /// One scrape at a time: see [`Metrics::show_fleet`].
    scraping: Mutex<()>,
}

impl Views {
    /// Pages about these numbers, the fleet as it is when a page is asked for, and this process.
    pub fn new(
        metrics: Arc<Metrics>,
        fleet: impl Fn() -> Arc<Fleet> + Send + Sync + 'static,
        readiness: Arc<Readiness>,
        findings: Arc<Findings>,
    ) -> Self {
        Self {
            metrics,
            fleet: Box::new(fleet),
            readiness,
            findings,
            scraping: Mutex::new(()),
        }
    }

    pub(super) fn readyz(&self, now: Instant) -> Answer {
        match readiness(self.readiness.stage(), &(self.fleet)(), now) {
            Ok(()) => Answer::text(
                StatusCode::OK,
                match self.readiness.shared() {
                    SharedState::Off | SharedState::Up => "ready\n",
                    // Nothing fails without it, but somebody may want to know.
                    SharedState::Away => "ready, without redis\n",
                },
            ),
            Err(unready) => Answer::text(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("{}\n", unready.as_str()),
            ),
        }
    }

    pub(super) fn metrics(&self, now: Instant) -> Answer {
        let one = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        self.metrics.show_fleet(&(self.fleet)(), now);
        let text = self.metrics.page();
        drop(one);
        match text {
            Ok(text) => Answer::raw(METRICS_TEXT, text.into_bytes()),
            Err(error) => Answer::failed(&error),
        }
    }

    /// All nodes, with the message of a maintenance that is in force.
    pub(super) fn nodes(&self, now: Instant, maintenance: Option<String>) -> Answer {
        let rescued = self.metrics.last_rescues(now);
        let fleet = self.fleet();
        let page = NodesPage::new(&self.readiness, &fleet, rescued, &self.findings, now);
        Answer::json(&page.during(maintenance))
    }

    /// One node, as it stands among the others.
    pub(super) fn node(&self, name: &str, now: Instant) -> Option<Answer> {
        let fleet = self.fleet();
        let node = fleet
            .nodes()
            .iter()
            .find(|node| node.id().as_str() == name)?;
        Some(Answer::json(&NodeEntry::new(node, &self.findings, now)))
    }

    /// What does not suit about a node.
    pub(super) fn misfits(&self, node: &NodeId) -> Vec<&'static str> {
        self.findings.of(node)
    }

    /// The keys that nodes sign tokens with.
    pub(super) fn signing_keys(&self) -> Vec<SigningKey> {
        self.findings.keys()
    }

    pub(super) fn fleet(&self) -> Arc<Fleet> {
        (self.fleet)()
    }

    pub(super) fn readiness(&self) -> &Readiness {
        &self.readiness
    }
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views")
            .field("readiness", &self.readiness)
            .finish_non_exhaustive()
    }
}

/// The content type by which Prometheus knows its own text form.
const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests;
