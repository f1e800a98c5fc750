//! How well one node is, for each kind of traffic.
//!
//! [`Health`] takes what probes found and what requests met, and says what the node is worth.
//! Probes decide; requests only warn: they make a node suspect, or take it down until probes bring
//! it back, but never bring it up. A client that leaves is no observation at all.

mod component;
mod lane;
mod report;

use std::time::{Duration, Instant};

use serde::Serialize;

pub use self::component::{Component, Effect, Reach, Traffic, effect};
pub use self::lane::{Appeal, Standing};
pub use self::report::{Part, PartState, Ping, Report, ReportError, Signal, Unreachable, Why};

use self::lane::Lane;

/// When a node counts as well or sick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Good probes in a row that bring a node back.
    pub up_after: u32,
    /// Bad probes in a row that take a node down.
    pub down_after: u32,
    /// Failed requests within `passive_window` that take a node down.
    pub passive_down_after: u32,
    pub passive_window: Duration,
    /// How long the share of a node that comes back grows from a tenth to the whole.
    pub slow_start: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            up_after: 2,
            down_after: 3,
            passive_down_after: 5,
            passive_window: Duration::from_secs(10),
            slow_start: Duration::from_secs(30),
        }
    }
}

/// Something that was learnt about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    Probed(Report),
    /// No connection could be made for a request.
    ConnectFailed,
    /// The connection broke while a request or its answer was under way.
    Died(Traffic),
    /// An answer of 5xx that the registry did not write itself.
    BadGateway(Traffic),
    /// No progress within the time allowed.
    Stalled(Traffic),
    /// A whole answer that says nothing against the node.
    Served(Traffic),
}

/// What an observation changed: something to log and to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The node's standing changed, in the same way for all the kinds of traffic listed.
    Standing {
        traffic: Vec<Traffic>,
        from: Standing,
        to: Standing,
        why: Why,
    },
    /// A component began to fail, or its error changed kind.
    Failed {
        component: Component,
        name: String,
        error: String,
    },
    /// A component works again.
    Recovered { component: Component, name: String },
}

/// What is known of one node's health.
#[derive(Debug)]
pub struct Health {
    settings: Settings,
    /// In the order of [`Traffic::ALL`].
    lanes: [Lane; Traffic::ALL.len()],
    /// As the latest probe that was answered listed them.
    parts: Vec<KnownPart>,
    latest: Option<(Instant, Answer)>,
}

/// Whether the latest probe was answered at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Given,
    Missing,
}

#[derive(Debug)]
struct KnownPart {
    part: Part,
    since: Instant,
    /// Reports in a row that call it unhealthy.
    failing: u32,
}

impl Health {
    /// A node about which nothing is known: suspect, so that it can serve before its first probe.
    pub fn new(settings: Settings, now: Instant) -> Self {
        let lanes = Traffic::ALL.map(|_| Lane::new(now));
        Self {
            settings,
            lanes,
            parts: Vec::new(),
            latest: None,
        }
    }

    /// Goes on with other thresholds; what is known stays.
    pub fn adopt(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Takes in one observation and says what it changed.
    pub fn observe(&mut self, observation: Observation, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        match observation {
            Observation::Probed(report) => self.probed(report, now, &mut changes),
            Observation::ConnectFailed => {
                for lane in &mut self.lanes {
                    lane.met(Signal::ConnectFailed, &self.settings, now);
                }
            }
            Observation::Died(traffic) => self.met(traffic, Signal::Died, now),
            Observation::BadGateway(traffic) => self.met(traffic, Signal::BadGateway, now),
            Observation::Stalled(traffic) => self.met(traffic, Signal::Stalled, now),
            Observation::Served(traffic) => {
                let (lane, settings) = self.lane_mut(traffic);
                lane.served(settings, now);
            }
        }
        self.tell(now, &mut changes);
        debug_assert!(self.lanes.iter().all(|lane| {
            let percent = lane.percent(&self.settings, now);
            (10..=100).contains(&percent)
        }));
        changes
    }

    /// What the node is worth for `traffic`.
    pub fn standing(&self, traffic: Traffic, now: Instant) -> Standing {
        self.lane(traffic).standing(&self.settings, now)
    }

    /// The part of its weight the node gets, 10 to 100.
    pub fn percent(&self, traffic: Traffic, now: Instant) -> u32 {
        self.lane(traffic).percent(&self.settings, now)
    }

    /// What speaks for the node in case it is down.
    pub fn appeal(&self, traffic: Traffic) -> Appeal {
        self.lane(traffic).appeal()
    }

    /// What the latest probe says of a component; nothing when it was not answered.
    pub fn component(&self, component: Component) -> ComponentState {
        match self.latest {
            None | Some((_, Answer::Missing)) => return ComponentState::Unknown,
            Some((_, Answer::Given)) => {}
        }
        let failing = self
            .failing()
            .filter(|known| known.part.component == component);
        match failing.map(|known| known.failing).max() {
            None => ComponentState::Healthy,
            Some(reports) if reports >= self.settings.down_after => ComponentState::Failed,
            Some(_) => ComponentState::Failing,
        }
    }

    /// Everything, in the form in which operators see it.
    pub fn summary(&self, now: Instant) -> Summary {
        let traffic = Traffic::ALL
            .into_iter()
            .zip(&self.lanes)
            .map(|(traffic, lane)| {
                let standing = lane.standing(&self.settings, now);
                TrafficSummary {
                    traffic,
                    standing: standing.as_str(),
                    share_percent: lane.percent(&self.settings, now),
                    for_seconds: now.duration_since(lane.since()).as_secs(),
                    why: lane.why().to_string(),
                }
            });
        let current = matches!(self.latest, Some((_, Answer::Given)));
        let components = self.parts.iter().map(|known| ComponentSummary {
            name: known.part.name.clone(),
            component: known.part.component,
            healthy: known.part.state == PartState::Healthy,
            current,
            for_seconds: now.duration_since(known.since).as_secs(),
            error: match &known.part.state {
                PartState::Healthy => None,
                PartState::Unhealthy { error } => Some(error.clone()),
            },
        });
        Summary {
            traffic: traffic.collect(),
            components: components.collect(),
            probed_seconds_ago: self.latest.map(|(at, _)| now.duration_since(at).as_secs()),
        }
    }

    fn probed(&mut self, report: Report, now: Instant, changes: &mut Vec<Change>) {
        for (traffic, lane) in Traffic::ALL.into_iter().zip(&mut self.lanes) {
            lane.probed(report.judge(traffic), &self.settings, now);
        }
        match report {
            Report::Unreachable(_) => self.latest = Some((now, Answer::Missing)),
            Report::Answered { parts, .. } => {
                self.latest = Some((now, Answer::Given));
                self.learn(parts, now, changes);
            }
        }
    }

    fn learn(&mut self, parts: Vec<Part>, now: Instant, changes: &mut Vec<Change>) {
        let mut before = std::mem::take(&mut self.parts);
        for part in parts {
            let old = before.iter().position(|known| known.part.name == part.name);
            let old = old.map(|index| before.swap_remove(index));
            let unhealthy = part.state != PartState::Healthy;
            let (mut since, mut failing) = (now, 0);
            let mut was = (part.component, false);
            if let Some(old) = old {
                was = (old.part.component, old.part.state != PartState::Healthy);
                if was == (part.component, unhealthy) {
                    (since, failing) = (old.since, old.failing);
                }
            }
            let name = part.name.clone();
            match &part.state {
                PartState::Unhealthy { error } if was != (part.component, true) => {
                    let error = error.clone();
                    changes.push(Change::Failed {
                        component: part.component,
                        name,
                        error,
                    });
                }
                PartState::Healthy if was.1 => {
                    changes.push(Change::Recovered {
                        component: was.0,
                        name,
                    });
                }
                PartState::Healthy | PartState::Unhealthy { .. } => {}
            }
            let failing = if unhealthy {
                failing.saturating_add(1)
            } else {
                0
            };
            self.parts.push(KnownPart {
                part,
                since,
                failing,
            });
        }
    }

    fn met(&mut self, traffic: Traffic, signal: Signal, now: Instant) {
        let (lane, settings) = self.lane_mut(traffic);
        lane.met(signal, settings, now);
    }

    /// Collects what changed, one entry for all kinds of traffic that changed alike.
    fn tell(&mut self, now: Instant, changes: &mut Vec<Change>) {
        let first = changes.len();
        for (kind, lane) in Traffic::ALL.into_iter().zip(&mut self.lanes) {
            let Some(news) = lane.news(&self.settings, now) else {
                continue;
            };
            let alike = changes
                .iter_mut()
                .skip(first)
                .find_map(|change| match change {
                    Change::Standing {
                        traffic,
                        from,
                        to,
                        why,
                    } => ((*from, *to) == (news.0, news.1) && *why == news.2).then_some(traffic),
                    Change::Failed { .. } | Change::Recovered { .. } => None,
                });
            if let Some(traffic) = alike {
                traffic.push(kind);
            } else {
                let (from, to, why) = news;
                changes.push(Change::Standing {
                    traffic: vec![kind],
                    from,
                    to,
                    why,
                });
            }
        }
    }

    fn failing(&self) -> impl Iterator<Item = &KnownPart> {
        self.parts
            .iter()
            .filter(|known| known.part.state != PartState::Healthy)
    }

    fn lane(&self, traffic: Traffic) -> &Lane {
        let [pull, push, token, api, ui] = &self.lanes;
        match traffic {
            Traffic::Pull => pull,
            Traffic::Push => push,
            Traffic::Token => token,
            Traffic::Api => api,
            Traffic::Ui => ui,
        }
    }

    fn lane_mut(&mut self, traffic: Traffic) -> (&mut Lane, &Settings) {
        let [pull, push, token, api, ui] = &mut self.lanes;
        let lane = match traffic {
            Traffic::Pull => pull,
            Traffic::Push => push,
            Traffic::Token => token,
            Traffic::Api => api,
            Traffic::Ui => ui,
        };
        (lane, &self.settings)
    }
}

/// What the latest probe says of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentState {
    /// There was no answer to read it from.
    Unknown,
    /// Well, or not mentioned.
    Healthy,
    /// Unhealthy for fewer reports than it takes to believe it.
    Failing,
    /// Unhealthy for as many reports as it takes.
    Failed,
}

/// One node's health as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub traffic: Vec<TrafficSummary>,
    pub components: Vec<ComponentSummary>,
    pub probed_seconds_ago: Option<u64>,
}

/// The standing for one kind of traffic, since when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrafficSummary {
    pub traffic: Traffic,
    pub standing: &'static str,
    pub share_percent: u32,
    pub for_seconds: u64,
    pub why: String,
}

/// One component as the node last described it. The error may name inner addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComponentSummary {
    pub name: String,
    pub component: Component,
    pub healthy: bool,
    /// Whether the node said so when it was asked last. It may have fallen silent since.
    pub current: bool,
    pub for_seconds: u64,
    pub error: Option<String>,
}

#[cfg(test)]
mod tests;
