//! What happened to one request on its way, step by step: for whoever asks why it went as it did.

use std::time::Duration;

use serde::Serialize;

use crate::fleet::node::NodeId;

/// The steps of one request, oldest first. A bounded number: later ones are counted only.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Steps {
    steps: Vec<Timed>,
    /// Steps beyond the bound.
    left_out: u32,
}

/// One step, and how long after the header was read.
#[derive(Debug, Clone, Serialize)]
struct Timed {
    after_ms: u64,
    #[serde(flatten)]
    step: Step,
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Nodes were put into the order in which they are asked.
    Chosen {
        order: Vec<Wanted>,
        /// Nodes that were not, or that stand behind the others, and why.
        passed_over: Vec<PassedOver>,
    },
    /// There was no node that would take the request: it waited.
    Waited { why: &'static str },
    /// A node was asked.
    Asked { node: NodeId },
    /// It failed.
    Failed { node: NodeId, fault: &'static str },
    /// Another one goes on with what was begun.
    TakenOver {
        from: Option<NodeId>,
        to: Option<NodeId>,
        reason: &'static str,
    },
}

/// A node that is to be asked, and what led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wanted {
    pub node: NodeId,
    pub why: &'static str,
}

/// A node that is not asked before the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    pub node: NodeId,
    pub why: &'static str,
}

impl Steps {
    /// Another step, so long after the header was read.
    pub fn step(&mut self, after: Duration, step: Step) {
        if self.steps.len() < KEPT {
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            self.steps.push(Timed { after_ms, step });
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}

/// More than a request that every node fails twice; one that waits for an hour is not worth a step a second.
const KEPT: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_have_a_bound_and_says_what_it_leaves_out() {
        let mut steps = Steps::default();
        for second in 0..30 {
            let why = "no node is up";
            steps.step(Duration::from_secs(second), Step::Waited { why });
        }
        let shown = serde_json::to_value(&steps).unwrap();
        assert_eq!(shown["steps"].as_array().unwrap().len(), KEPT);
        assert_eq!(shown["left_out"], 6);
        assert_eq!(shown["steps"][1]["after_ms"], 1000);
        assert_eq!(shown["steps"][1]["step"], "waited");
    }
}
