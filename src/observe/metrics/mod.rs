//! The numbers: one typed method for everything that is counted.
//!
//! Whoever counts names no metric and no label: that is declared in `names` and `labels`. Series
//! whose labels are fixed exist from the start, so that a first failure is a rise from zero.

pub(super) mod family;
pub mod numbers;

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Registry, TextEncoder,
};

use super::affinity::AffinityMetrics;
use super::control::ControlNumbers;
use super::guard::GuardNumbers;
use super::labels::{
    Attempt, ConnectionClose, Direction, Handshake, Label, Misfit, Probe, Refusal, Reload,
    RetryReason, SpoolWait, StatusClass, Synthesized, TakeoverKind, TakeoverReason, Task,
    TokenRefusal, Unprotected, Verified, Wait,
};
use super::names;
use super::record::Record;
use super::rescues::{Rescue, Rescues};
use super::shared::SharedNumbers;
use super::tracer::SpanNumbers;
use crate::fleet::health::Standing;
use crate::fleet::node::NodeId;
use family::{
    Counters, counter, counters, float_gauge, float_gauges, gauge, gauges, histogram, histograms,
};

/// Everything that is counted. Made once, in `app`, and passed down.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    first_byte_seconds: HistogramVec,
    refused: IntCounterVec,
    bytes: Counters<Direction>,
    running: IntGauge,
    connections: IntGauge,
    connections_refused: Counters<Refusal>,
    connections_closed: Counters<ConnectionClose>,
    handshakes: Counters<Handshake>,
    certificate_expiry: GaugeVec,
    takeovers: IntCounterVec,
    takeover_seconds: HistogramVec,
    pub(super) rescues: Rescues,
    verified: Counters<Verified>,
    uploads: IntGauge,
    commits: Histogram,
    spooled: IntGauge,
    spool_limit: IntGauge,
    spool_waits: Counters<SpoolWait>,
    replayed: IntCounter,
    unprotected: Counters<Unprotected>,
    synthesized: Counters<Synthesized>,
    pub(super) shared: SharedNumbers,
    pub(super) guard: GuardNumbers,
    pub(super) spans: SpanNumbers,
    pub(super) control: ControlNumbers,
    pub(super) node_up: IntGaugeVec,
    pub(super) component_up: IntGaugeVec,
    pub(super) cluster_fault: IntGaugeVec,
    pub(super) requests_in_flight: IntGaugeVec,
    pub(super) bytes_in_flight: IntGaugeVec,
    transitions: IntCounterVec,
    attempts: IntCounterVec,
    retries: Counters<RetryReason>,
    retry_budget_refused: IntCounter,
    probes: IntCounterVec,
    pub(super) misconfigured: IntGaugeVec,
    pub(super) affinity: AffinityMetrics,
    waits: Counters<Wait>,
    tokens_refused: Counters<TokenRefusal>,
    reloads: Counters<Reload>,
    last_reload: Gauge,
    task_success: GaugeVec,
    log_dropped: IntCounter,
}

impl Metrics {
    /// All metrics at zero. The version is the one that runs.
    pub fn new(version: &str) -> Self {
        let registry = Registry::new();
        let build = gauges(&registry, &names::APP_BUILD);
        build.with_label_values(&[version]).set(1);
        let task_success = float_gauges(&registry, &names::APP_TASK_LAST_SUCCESS);
        for task in Task::NAMES {
            task_success.with_label_values(&[task]).set(0.0);
        }
        let takeovers = counters(&registry, &names::EDGE_TAKEOVERS);
        for kind in TakeoverKind::NAMES {
            for reason in TakeoverReason::NAMES {
                drop(takeovers.with_label_values(&[kind, reason]));
            }
        }
        Self {
            requests: counters(&registry, &names::EDGE_REQUESTS),
            request_seconds: histograms(&registry, &names::EDGE_REQUEST_SECONDS),
            first_byte_seconds: histograms(&registry, &names::EDGE_FIRST_BYTE_SECONDS),
            refused: counters(&registry, &names::EDGE_REFUSED),
            bytes: Counters::new(&registry, &names::EDGE_BYTES),
            running: gauge(&registry, &names::EDGE_RUNNING_REQUESTS),
            connections: gauge(&registry, &names::EDGE_CONNECTIONS),
            connections_refused: Counters::new(&registry, &names::EDGE_CONNECTIONS_REFUSED),
            connections_closed: Counters::new(&registry, &names::EDGE_CONNECTIONS_CLOSED),
            handshakes: Counters::new(&registry, &names::EDGE_TLS_HANDSHAKES),
            certificate_expiry: float_gauges(&registry, &names::EDGE_CERTIFICATE_EXPIRY),
            takeovers,
            takeover_seconds: histograms(&registry, &names::EDGE_TAKEOVER_SECONDS),
            rescues: Rescues::default(),
            verified: Counters::new(&registry, &names::DOWNLOAD_VERIFIED),
            uploads: gauge(&registry, &names::UPLOAD_RUNNING),
            commits: histogram(&registry, &names::UPLOAD_COMMIT_SECONDS),
            spooled: gauge(&registry, &names::SPOOL_BYTES),
            spool_limit: gauge(&registry, &names::SPOOL_LIMIT),
            spool_waits: Counters::new(&registry, &names::SPOOL_WAITS),
            replayed: counter(&registry, &names::UPLOAD_REPLAYED_BYTES),
            unprotected: Counters::new(&registry, &names::UPLOAD_UNPROTECTED),
            synthesized: Counters::new(&registry, &names::UPLOAD_SYNTHESIZED),
            shared: SharedNumbers::new(&registry),
            guard: GuardNumbers::new(&registry),
            spans: SpanNumbers::new(&registry),
            control: ControlNumbers::new(&registry),
            node_up: gauges(&registry, &names::FLEET_NODE_UP),
            component_up: gauges(&registry, &names::FLEET_COMPONENT_UP),
            cluster_fault: gauges(&registry, &names::FLEET_CLUSTER_FAULT),
            requests_in_flight: gauges(&registry, &names::FLEET_REQUESTS_IN_FLIGHT),
            bytes_in_flight: gauges(&registry, &names::FLEET_BYTES_IN_FLIGHT),
            transitions: counters(&registry, &names::FLEET_TRANSITIONS),
            attempts: counters(&registry, &names::UPSTREAM_ATTEMPTS),
            retries: Counters::new(&registry, &names::UPSTREAM_RETRIES),
            retry_budget_refused: counter(&registry, &names::UPSTREAM_RETRY_BUDGET_REFUSED),
            probes: counters(&registry, &names::UPSTREAM_PROBES),
            misconfigured: gauges(&registry, &names::UPSTREAM_MISCONFIGURED),
            affinity: AffinityMetrics::new(&registry),
            waits: Counters::new(&registry, &names::PLACEMENT_WAITS),
            tokens_refused: Counters::new(&registry, &names::AFFINITY_TOKENS_REFUSED),
            reloads: Counters::new(&registry, &names::CONFIG_RELOADS),
            last_reload: float_gauge(&registry, &names::CONFIG_LAST_RELOAD_SUCCESS),
            task_success,
            log_dropped: counter(&registry, &names::OBSERVE_LOG_DROPPED),
            registry,
        }
    }

    /// A request begins; it runs until the guard is dropped.
    pub fn request_started(&self) -> Open {
        Open::new(&self.running)
    }

    /// A request ended. Its bytes are not counted here but as they flow, by [`Metrics::carried`].
    pub fn request_done(&self, record: &Record<'_>) {
        let status = StatusClass::of(record.status);
        let ended = [record.route, record.outcome.as_str(), status.as_str()];
        self.requests.with_label_values(&ended).inc();
        let route = [record.route];
        self.request_seconds
            .with_label_values(&route)
            .observe(record.total.as_secs_f64());
        if let Some(first_byte) = record.first_byte {
            let seconds = first_byte.as_secs_f64();
            self.first_byte_seconds
                .with_label_values(&route)
                .observe(seconds);
        }
        if let Some(fault) = record.fault {
            self.refused.with_label_values(&[fault]).inc();
        }
    }

    /// Bytes of a body came from a client or went to one.
    pub fn carried(&self, direction: Direction, bytes: u64) {
        self.bytes.of(direction).inc_by(bytes);
    }

    /// A client's connection was taken; it is open until the guard is dropped.
    pub fn connection_opened(&self) -> Open {
        Open::new(&self.connections)
    }

    /// A client's connection was closed unserved.
    pub fn connection_refused(&self, reason: Refusal) {
        self.connections_refused.of(reason).inc();
    }

    /// A client's connection reached a limit of time.
    pub fn connection_closed(&self, reason: ConnectionClose) {
        self.connections_closed.of(reason).inc();
    }

    /// A TLS handshake with a client ended.
    pub fn handshake(&self, outcome: Handshake) {
        self.handshakes.of(outcome).inc();
    }

    /// These certificates are served from now on: the first name of each, and when it ends.
    pub fn certificates_served<'a>(&self, ends: impl Iterator<Item = (&'a str, SystemTime)>) {
        self.certificate_expiry.reset();
        for (name, end) in ends {
            self.certificate_expiry
                .with_label_values(&[name])
                .set(seconds(end));
        }
    }

    /// A node's standing changed, for one or more kinds of traffic alike; `to` is what it is now.
    pub fn node_changed(&self, node: &NodeId, to: Standing) {
        self.transitions
            .with_label_values(&[node.as_str(), to.as_str()])
            .inc();
    }

    /// An exchange with a node ended.
    pub fn attempt_done(&self, node: &NodeId, outcome: Attempt) {
        self.attempts
            .with_label_values(&[node.as_str(), outcome.as_str()])
            .inc();
    }

    /// A request goes to another node.
    pub fn retried(&self, reason: RetryReason) {
        self.retries.of(reason).inc();
    }

    /// Another node goes on with what one had begun.
    pub fn taken_over(&self, rescue: Rescue) {
        self.takeovers
            .with_label_values(&[rescue.kind.as_str(), rescue.reason.as_str()])
            .inc();
        self.rescues.note(rescue);
    }

    /// A transfer that others went on with is over; it stood still for so long.
    pub fn takeover_took(&self, kind: TakeoverKind, lost: Duration) {
        self.takeover_seconds
            .with_label_values(&[kind.as_str()])
            .observe(lost.as_secs_f64());
    }

    /// The bytes of a pull were compared with their digest.
    pub fn download_verified(&self, outcome: Verified) {
        self.verified.of(outcome).inc();
    }

    /// So many uploads run now.
    pub fn uploads(&self, running: usize) {
        self.uploads.set(i64::try_from(running).unwrap_or(i64::MAX));
    }

    /// So many bytes of all uploads are kept.
    pub fn spooled(&self, kept: u64) {
        self.spooled.set(i64::try_from(kept).unwrap_or(i64::MAX));
    }

    /// So many bytes of all uploads may be kept.
    pub fn spool_limited(&self, limit: u64) {
        self.spool_limit
            .set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    /// A push was stored, so long after its last byte.
    pub fn committed(&self, after: Duration) {
        self.commits.observe(after.as_secs_f64());
    }

    /// A push was held up until there was room to keep it, or until it had waited long enough.
    pub fn spool_waited(&self, outcome: SpoolWait) {
        self.spool_waits.of(outcome).inc();
    }

    /// Kept bytes were sent once more.
    pub fn upload_replayed(&self, bytes: u64) {
        self.replayed.inc_by(bytes);
    }

    /// An upload goes on and would not survive its node.
    pub fn upload_unprotected(&self, why: Unprotected) {
        self.unprotected.of(why).inc();
    }

    /// A client was told of its upload in our own words.
    pub fn upload_synthesized(&self, status: Synthesized) {
        self.synthesized.of(status).inc();
    }

    /// A retry was left out because of the budget.
    pub fn retry_budget_refused(&self) {
        self.retry_budget_refused.inc();
    }

    /// A probe of a node ended.
    pub fn probe_done(&self, node: &NodeId, outcome: Probe) {
        self.probes
            .with_label_values(&[node.as_str(), outcome.as_str()])
            .inc();
    }

    /// A node shows a setting that does not suit it. It stays so until [`Metrics::nodes_replaced`].
    pub fn misfit_found(&self, node: &NodeId, misfit: Misfit) {
        self.misconfigured
            .with_label_values(&[node.as_str(), misfit.as_str()])
            .set(1);
    }

    /// The configured nodes changed: what was found wrong with them is looked for again.
    pub fn nodes_replaced(&self) {
        self.misconfigured.reset();
    }

    /// A request that had to wait for a node waits no longer.
    pub fn wait_done(&self, outcome: Wait) {
        self.waits.of(outcome).inc();
    }

    /// The address of an upload was not honoured.
    pub fn token_refused(&self, reason: TokenRefusal) {
        self.tokens_refused.of(reason).inc();
    }

    /// A reload of the configuration ended.
    pub fn reload_done(&self, outcome: Reload, at: SystemTime) {
        self.reloads.of(outcome).inc();
        match outcome {
            Reload::Done => self.last_reload.set(seconds(at)),
            Reload::Refused => {}
        }
    }

    /// A background task did its work.
    pub fn task_succeeded(&self, task: Task, at: SystemTime) {
        self.task_success
            .with_label_values(&[task.as_str()])
            .set(seconds(at));
    }

    /// A log line was dropped.
    pub fn log_dropped(&self) {
        self.log_dropped.inc();
    }

    /// The whole page in Prometheus' text form.
    pub fn page(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// One more in a gauge for as long as this lives.
#[derive(Debug)]
#[must_use = "the gauge falls again when this is dropped"]
pub struct Open(IntGauge);

impl Open {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs_f64()
}
