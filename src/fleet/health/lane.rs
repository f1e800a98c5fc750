//! One node's standing for one kind of traffic.

use std::time::{Duration, Instant};

use super::Settings;
use super::report::{Signal, Verdict, Why};

/// The state of one kind of traffic on one node.
///
/// * *Suspect* at birth. The first probe, if it is good, makes it up at once; later it takes
///   `up_after` good ones.
/// * *Up*, until a bad or degraded probe or a failed connect makes it suspect at once.
/// * *Down* after `down_after` bad probes in a row, or when requests meet too much trouble.
///   `up_after` probes that are not bad bring it back, with a share that starts small and grows.
#[derive(Debug)]
pub(super) struct Lane {
    state: State,
    since: Instant,
    why: Why,
    /// When the share began to grow after the node had been down.
    ramp: Option<Instant>,
    /// Good probes in a row.
    good: u32,
    /// Probes in a row that were not bad.
    alive: u32,
    /// Bad probes in a row.
    bad: u32,
    /// What the latest probe said, if there was one.
    latest: Option<Latest>,
    window: Window,
    /// What was last told to the operator.
    told: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    Suspect,
    Down,
}

/// What the latest probe said of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Latest {
    Alive,
    Bad,
}

/// What a node is worth for one kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Up,
    /// Up again after having been down; its share still grows.
    Probation {
        since: Instant,
    },
    /// Asked after all that are up.
    Suspect,
    Down,
}

impl Standing {
    /// The word for logs and status pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Probation { .. } => "probation",
            Self::Suspect => "suspect",
            Self::Down => "down",
        }
    }
}

/// What speaks for a node that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appeal {
    /// The latest probe was bad: nothing does.
    Rejected,
    /// Only what requests met took it down, or its latest probe was good again.
    Open,
}

impl Lane {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::Suspect,
            since: now,
            why: Why::NotProbed,
            ramp: None,
            good: 0,
            alive: 0,
            bad: 0,
            latest: None,
            window: Window::new(now),
            told: Standing::Suspect,
        }
    }

    pub(super) fn probed(&mut self, verdict: Verdict, settings: &Settings, now: Instant) {
        let first = self.latest.is_none();
        match verdict {
            Verdict::Good => {
                self.latest = Some(Latest::Alive);
                self.bad = 0;
                self.alive = self.alive.saturating_add(1);
                self.good = self.good.saturating_add(1);
                match self.state {
                    State::Suspect if first || self.good >= settings.up_after => {
                        self.enter(State::Up, Why::Well, now);
                    }
                    State::Down if self.alive >= settings.up_after => {
                        self.ramp = Some(now);
                        self.enter(State::Up, Why::Well, now);
                    }
                    State::Up | State::Suspect | State::Down => {}
                }
            }
            Verdict::Degraded(why) => {
                self.latest = Some(Latest::Alive);
                self.bad = 0;
                self.good = 0;
                self.alive = self.alive.saturating_add(1);
                match self.state {
                    State::Up => self.enter(State::Suspect, why, now),
                    State::Suspect => self.why = why,
                    State::Down if self.alive >= settings.up_after => {
                        self.ramp = Some(now);
                        self.enter(State::Suspect, why, now);
                    }
                    State::Down => {}
                }
            }
            Verdict::Bad(why) => {
                self.latest = Some(Latest::Bad);
                self.good = 0;
                self.alive = 0;
                self.bad = self.bad.saturating_add(1);
                if self.bad >= settings.down_after && self.state != State::Down {
                    self.ramp = None;
                    self.enter(State::Down, why, now);
                } else if self.state == State::Up {
                    self.enter(State::Suspect, why, now);
                } else {
                    self.why = why;
                }
            }
        }
    }

    /// A request met trouble. Enough of it within the window takes the lane down.
    pub(super) fn met(&mut self, signal: Signal, settings: &Settings, now: Instant) {
        self.window.failed(settings.passive_window, now);
        if self.state == State::Down {
            return;
        }
        if self.window.too_many(settings.passive_down_after) {
            self.window = Window::new(now);
            self.ramp = None;
            self.good = 0;
            self.alive = 0;
            self.enter(State::Down, Why::Met(signal), now);
            return;
        }
        match signal {
            Signal::ConnectFailed => {
                self.good = 0;
                if self.state == State::Up {
                    self.enter(State::Suspect, Why::Met(signal), now);
                }
            }
            Signal::Died | Signal::BadGateway | Signal::Stalled => {}
        }
    }

    pub(super) fn served(&mut self, settings: &Settings, now: Instant) {
        self.window.served(settings.passive_window, now);
    }

    pub(super) fn standing(&self, settings: &Settings, now: Instant) -> Standing {
        match (self.state, self.ramp) {
            (State::Down, _) => Standing::Down,
            (State::Suspect, _) => Standing::Suspect,
            (State::Up, Some(since)) if now.duration_since(since) < settings.slow_start => {
                Standing::Probation { since }
            }
            (State::Up, _) => Standing::Up,
        }
    }

    /// The part of its weight that the node gets, 10 to 100.
    pub(super) fn percent(&self, settings: &Settings, now: Instant) -> u32 {
        let Some(since) = self.ramp else { return FULL };
        let total = settings.slow_start.as_millis();
        let passed = now.duration_since(since).as_millis().min(total);
        let grown = (u128::from(FULL - SMALLEST) * passed).checked_div(total);
        let grown = grown.and_then(|percent| u32::try_from(percent).ok());
        grown.map_or(FULL, |percent| SMALLEST + percent)
    }

    pub(super) fn appeal(&self) -> Appeal {
        match self.latest {
            Some(Latest::Bad) => Appeal::Rejected,
            Some(Latest::Alive) | None => Appeal::Open,
        }
    }

    /// What changed since this was last asked: from, to, why.
    pub(super) fn news(
        &mut self,
        settings: &Settings,
        now: Instant,
    ) -> Option<(Standing, Standing, Why)> {
        let standing = self.standing(settings, now);
        if standing == self.told {
            return None;
        }
        let from = std::mem::replace(&mut self.told, standing);
        Some((from, standing, self.why.clone()))
    }

    pub(super) fn why(&self) -> &Why {
        &self.why
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    fn enter(&mut self, state: State, why: Why, now: Instant) {
        self.state = state;
        self.why = why;
        self.since = now;
    }
}

/// What requests met lately: a ring of ten slices of the window, so that its size never grows.
#[derive(Debug)]
struct Window {
    slices: [Slice; SLICES],
    current: usize,
    /// When the current slice began.
    began: Instant,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    failed: u32,
    served: u32,
}

impl Window {
    fn new(now: Instant) -> Self {
        Self {
            slices: [Slice::default(); SLICES],
            current: 0,
            began: now,
        }
    }

    fn failed(&mut self, window: Duration, now: Instant) {
        let slice = self.slice(window, now);
        slice.failed = slice.failed.saturating_add(1);
    }

    fn served(&mut self, window: Duration, now: Instant) {
        let slice = self.slice(window, now);
        slice.served = slice.served.saturating_add(1);
    }

    /// Whether failures reach the threshold and are no rare exception among good answers: one
    /// client's odd request must not take a busy node down.
    fn too_many(&self, threshold: u32) -> bool {
        let sum = |of: fn(&Slice) -> u32| self.slices.iter().map(of).fold(0, u32::saturating_add);
        let failed = sum(|slice| slice.failed);
        let served = sum(|slice| slice.served);
        failed >= threshold && u64::from(failed) * ONE_IN >= u64::from(served)
    }

    fn slice(&mut self, window: Duration, now: Instant) -> &mut Slice {
        let width = (window / SLICES_U32).max(Duration::from_millis(1));
        let mut steps = 0;
        while now.duration_since(self.began) >= width && steps < SLICES {
            self.current = (self.current + 1) % SLICES;
            if let Some(slice) = self.slices.get_mut(self.current) {
                *slice = Slice::default();
            }
            self.began += width;
            steps += 1;
        }
        if steps == SLICES {
            self.began = now;
        }
        let current = self.current % SLICES;
        self.slices
            .get_mut(current)
            .expect("the index is taken modulo the number of slices")
    }
}

const FULL: u32 = 100;
/// The share, in percent, with which a node comes back.
const SMALLEST: u32 = 10;
const SLICES: usize = 10;
const SLICES_U32: u32 = 10;
/// Failures count only when they are at least one in this many answers.
const ONE_IN: u64 = 10;
