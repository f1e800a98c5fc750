//! The trail of one request: which nodes it was with, from when to when, and what became of that.
//!
//! It is kept while the request runs, because nodes are told the very ids that its spans have later. Of a
//! request that nobody samples only the ids are kept.

mod span;

use std::time::Instant;

use super::labels::{Attempt, TakeoverKind, TakeoverReason};
use super::trace::{Context, Ratio, Sampled, SpanId, TraceId};
use crate::fleet::node::NodeId;

pub use span::{Cause, Kind, Span, Trace, Value};

/// What is kept of one request while it runs. Without tracing it is nothing at all.
#[derive(Debug, Default)]
pub struct Trail(Option<Run>);

#[derive(Debug)]
struct Run {
    /// Our own span, as nodes are told of it where no attempt is under way.
    root: Context,
    /// The client's span, where it is believed.
    parent: Option<SpanId>,
    /// The attempt that is under way.
    current: Option<SpanId>,
    attempts: Vec<Tried>,
    takeovers: Vec<Moved>,
    /// Spans that were too many to keep.
    dropped: u32,
}

/// One node that was asked.
#[derive(Debug)]
struct Tried {
    span: SpanId,
    place: Asked,
    method: Option<String>,
    status: Option<u16>,
    begun: Instant,
    ended: Option<(Instant, Attempt)>,
}

/// Who is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub node: NodeId,
    pub host: String,
    pub port: u16,
}

/// Another node went on.
#[derive(Debug)]
struct Moved {
    span: SpanId,
    takeover: Takeover,
    until: Instant,
}

/// What is told of a takeover.
#[derive(Debug, Clone)]
pub struct Takeover {
    pub kind: TakeoverKind,
    pub reason: TakeoverReason,
    pub from: Option<NodeId>,
    pub to: Option<NodeId>,
    /// When the transfer began to stand still.
    pub since: Instant,
}

impl Trail {
    /// The trail of a request that arrives with this context, if it has one that is believed. A trace that begins
    /// here is kept by its id and the ratio; whether another one is was decided where it began.
    pub fn begin(incoming: Option<Context>, ratio: Ratio, (trace, span): (u128, u64)) -> Self {
        let span = SpanId::drawn(span);
        let begun = || {
            let trace = TraceId::drawn(trace);
            let sampled = ratio.takes(trace);
            Context {
                trace,
                span,
                sampled,
            }
        };
        let root = incoming.map_or_else(begun, |context| Context { span, ..context });
        Self(Some(Run {
            root,
            parent: incoming.map(|context| context.span),
            current: None,
            attempts: Vec::new(),
            takeovers: Vec::new(),
            dropped: 0,
        }))
    }

    /// What the next program is told: the attempt that is under way is its parent.
    pub fn context(&self) -> Option<Context> {
        let run = self.0.as_ref()?;
        Some(Context {
            span: run.current.unwrap_or(run.root.span),
            ..run.root
        })
    }

    /// Whether the client's own trace goes on.
    pub fn goes_on(&self) -> bool {
        self.0.as_ref().is_some_and(|run| run.parent.is_some())
    }

    /// A node is asked. Whoever was asked before has answered, if nobody said otherwise.
    pub fn asks(&mut self, random: u64, place: impl FnOnce() -> Asked, at: Instant) {
        self.ends(Attempt::Answered, at);
        let Some(run) = &mut self.0 else {
            return;
        };
        let span = SpanId::drawn(random);
        run.current = Some(span);
        if run.root.sampled == Sampled::No {
            return;
        }
        if run.attempts.len() >= MOST_SPANS {
            run.dropped = run.dropped.saturating_add(1);
            return;
        }
        run.attempts.push(Tried {
            span,
            place: place(),
            method: None,
            status: None,
            begun: at,
            ended: None,
        });
    }

    /// The attempt under way asks by this method, which need not be the client's.
    pub fn sends(&mut self, method: &str) {
        if let Some(tried) = self.under_way() {
            tried.method = Some(method.to_owned());
        }
    }

    /// The node of the attempt under way answers with this status.
    pub fn hears(&mut self, status: u16) {
        if let Some(tried) = self.under_way() {
            tried.status = Some(status);
        }
    }

    /// The attempt under way, if there is one, ended.
    pub fn ends(&mut self, outcome: Attempt, at: Instant) {
        if let Some(tried) = self.under_way() {
            tried.ended = Some((at, outcome));
        }
        if let Some(run) = &mut self.0 {
            run.current = None;
        }
    }

    /// Another node goes on since `until`.
    pub fn moves(&mut self, random: u64, takeover: Takeover, until: Instant) {
        let Some(run) = &mut self.0 else {
            return;
        };
        if run.root.sampled == Sampled::No {
            return;
        }
        if run.takeovers.len() >= MOST_SPANS {
            run.dropped = run.dropped.saturating_add(1);
            return;
        }
        run.takeovers.push(Moved {
            span: SpanId::drawn(random),
            takeover,
            until,
        });
    }

    fn under_way(&mut self) -> Option<&mut Tried> {
        let run = self.0.as_mut()?;
        let current = run.current?;
        run.attempts.last_mut().filter(|last| last.span == current)
    }
}

/// Spans of one kind in one trace. A pull of hours over many nodes is still read by a person.
const MOST_SPANS: usize = 64;

#[cfg(test)]
mod tests;
