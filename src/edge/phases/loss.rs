//! What the loss of a node in a pull means: for the node, for the record, for the client.

use crate::download::takeover::Lost;
use crate::fleet::node::NodeId;
use crate::observe::labels::{Attempt, Label as _, TakeoverKind, TakeoverReason};

use super::super::exchange::Exchange;
use super::super::fault::{Fault, NodeTrouble};
use super::Edge;

impl Edge {
    /// Another node goes on: operators read who saved what from whom.
    pub(super) fn taken_over(
        &self,
        exchange: &mut Exchange,
        lost: Option<(NodeId, TakeoverReason)>,
    ) {
        exchange.takeovers += 1;
        let (from, reason) = lost.unzip();
        let reason = reason.unwrap_or(TakeoverReason::Lost);
        self.metrics.taken_over(TakeoverKind::Download, reason);
        tracing::info!(
            request_id = exchange.request_id,
            from = from.as_ref().map(NodeId::as_str),
            to = exchange.last_node.as_ref().map(NodeId::as_str),
            reason = reason.as_str(),
            bytes_out = exchange.bytes_out,
            "download taken over"
        );
    }

    /// Says of the node what it did, if it has not been said.
    pub(super) fn lose(&self, exchange: &mut Exchange, lost: Lost) {
        let begun = exchange.first_byte.is_some();
        let midway = if begun {
            Attempt::LostMidway
        } else {
            Attempt::LostBeforeAnswer
        };
        match lost {
            Lost::Unreachable | Lost::NoNode => {}
            Lost::Broken => self.blame(exchange, NodeTrouble::Broken, midway),
            Lost::Stalled => self.blame(exchange, NodeTrouble::Stalled, Attempt::Stalled),
            Lost::BadAnswer => self.blame(exchange, NodeTrouble::BadAnswer, Attempt::GatewayError),
        }
    }
}

/// Why another node has to go on.
pub(super) fn reason(lost: Lost) -> TakeoverReason {
    match lost {
        Lost::Unreachable | Lost::NoNode => TakeoverReason::ConnectFailed,
        Lost::Broken => TakeoverReason::Lost,
        Lost::Stalled => TakeoverReason::Stalled,
        Lost::BadAnswer => TakeoverReason::BadAnswer,
    }
}

/// What the client reads when none can.
pub(super) fn fault(lost: Lost) -> Fault {
    match lost {
        Lost::Unreachable => Fault::Node(NodeTrouble::Unreachable),
        Lost::Broken => Fault::Node(NodeTrouble::Broken),
        Lost::Stalled => Fault::Node(NodeTrouble::Stalled),
        Lost::BadAnswer => Fault::Node(NodeTrouble::BadAnswer),
        Lost::NoNode => Fault::NoNode,
    }
}
