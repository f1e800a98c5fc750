//! The transfers that other nodes went on with last, for whoever looks at the nodes.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::labels::{Label as _, TakeoverKind, TakeoverReason};
use crate::fleet::node::NodeId;

/// One transfer that was rescued.
#[derive(Debug, Clone)]
pub struct Rescue {
    pub at: Instant,
    pub kind: TakeoverKind,
    /// The repository, as far as the request has one.
    pub repo: Option<String>,
    pub from: Option<NodeId>,
    pub to: Option<NodeId>,
    pub reason: TakeoverReason,
    pub request_id: String,
}

/// The last rescues, oldest first.
#[derive(Debug, Default)]
pub(super) struct Rescues(Mutex<VecDeque<Rescue>>);

impl Rescues {
    /// Another one; the oldest goes when there are enough.
    pub(super) fn note(&self, rescue: Rescue) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= KEPT {
            last.pop_front();
        }
        last.push_back(rescue);
    }

    /// All of them, newest first.
    pub(super) fn latest(&self) -> Vec<Rescue> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().rev().cloned().collect()
    }

    /// A line for each, newest first.
    pub(super) fn lines(&self, now: Instant) -> Vec<String> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().rev().map(|rescue| rescue.line(now)).collect()
    }
}

impl Rescue {
    fn line(&self, now: Instant) -> String {
        let name = |node: &Option<NodeId>| match node {
            Some(node) => node.as_str().to_owned(),
            None => UNKNOWN.to_owned(),
        };
        format!(
            "{} s ago: {} of {} from {} to {} ({}), request {}",
            now.saturating_duration_since(self.at).as_secs(),
            self.kind.as_str(),
            self.repo.as_deref().unwrap_or(UNKNOWN),
            name(&self.from),
            name(&self.to),
            self.reason.as_str(),
            self.request_id,
        )
    }
}

/// A page has room for so many; the log has all of them.
const KEPT: usize = 20;
/// What has no name.
const UNKNOWN: &str = "-";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_rescues_are_told_newest_first_in_a_line_each() {
        let rescues = Rescues::default();
        let begin = tokio::time::Instant::now().into_std();
        let node = |name| NodeId::parse(name).ok();
        for number in 0..u64::try_from(KEPT).unwrap() + 3 {
            rescues.note(Rescue {
                at: begin + Duration::from_secs(number),
                kind: TakeoverKind::Upload,
                repo: Some(format!("lab/app-{number}")),
                from: node("harbor-1"),
                to: node("harbor-2"),
                reason: TakeoverReason::Stalled,
                request_id: "0123".to_owned(),
            });
        }
        let lines = rescues.lines(begin + Duration::from_secs(30));
        assert_eq!(lines.len(), KEPT);
        assert_eq!(
            lines[0],
            "8 s ago: upload of lab/app-22 from harbor-1 to harbor-2 (stalled), request 0123"
        );
        assert!(lines[KEPT - 1].contains("lab/app-3 "), "{lines:?}");
    }
}
