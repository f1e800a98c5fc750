//! What the loss of a node in a pull means: for the node, for the record, for the client.

use pingora::{Error, ErrorType, Result};
use tokio::time::Instant;

use crate::download::proof::Proven;
use crate::download::takeover::Lost;
use crate::fleet::node::NodeId;
use crate::observe::labels::{Attempt, Label as _, TakeoverKind, TakeoverReason, Verified};
use crate::observe::rescues::Rescue;
use crate::observe::steps::Step;
use crate::observe::trail::Takeover;
use crate::registry::name::RepositoryName;

use super::super::exchange::Exchange;
use super::super::fault::{Fault, NodeTrouble};
use super::Edge;
use super::carry::content;

impl Edge {
    /// Another node goes on: operators read who saved what from whom.
    pub(super) fn taken_over(
        &self,
        exchange: &mut Exchange,
        lost: Option<(NodeId, TakeoverReason)>,
    ) {
        exchange.takeovers += 1;
        begun(exchange);
        let (from, reason) = lost.unzip();
        let reason = reason.unwrap_or(TakeoverReason::Lost);
        let (kind, to) = (TakeoverKind::Download, exchange.last_node.clone());
        self.rescued(exchange, kind, (from.clone(), to), reason);
        tracing::info!(
            request_id = exchange.request_id,
            from = from.as_ref().map(NodeId::as_str),
            to = exchange.last_node.as_ref().map(NodeId::as_str),
            repo = repository(exchange),
            reason = reason.as_str(),
            bytes_out = exchange.bytes_out,
            "download taken over"
        );
    }

    /// A transfer has gone from one node to another: it is counted, and shown beside the nodes.
    pub(super) fn rescued(
        &self,
        exchange: &mut Exchange,
        kind: TakeoverKind,
        (from, to): (Option<NodeId>, Option<NodeId>),
        reason: TakeoverReason,
    ) {
        let at = Instant::now().into_std();
        let takeover = Takeover {
            kind,
            reason,
            from: from.clone(),
            to: to.clone(),
            since: exchange.lost.since().unwrap_or(at),
        };
        exchange.trail.moves(fastrand::u64(..), takeover, at);
        exchange.lost.goes_on(at);
        if let Some(transfer) = exchange.shown.transfer() {
            transfer.taken_over();
        }
        exchange.step(|| Step::TakenOver {
            from: from.clone(),
            to: to.clone(),
            reason: reason.as_str(),
        });
        self.metrics.taken_over(Rescue {
            at,
            kind,
            repo: repository(exchange).map(str::to_owned),
            from,
            to,
            reason,
            request_id: exchange.request_id.clone(),
        });
    }

    /// What came from several nodes is compared with the digest before its `last` bytes are passed. If it is
    /// something else the client must not be given an end: it would take what it has for the blob.
    pub(super) fn prove(&self, exchange: &mut Exchange, last: &[u8]) -> Result<()> {
        let Some(proof) = exchange.proof.take() else {
            return Ok(());
        };
        let givers: Vec<&str> = proof.givers().iter().map(NodeId::as_str).collect();
        let nodes = givers.join(", ");
        match proof.conclude(last) {
            Proven::NotAsked => Ok(()),
            Proven::Right => {
                self.metrics.download_verified(Verified::Right);
                Ok(())
            }
            Proven::Wrong => {
                self.metrics.download_verified(Verified::Wrong);
                let arrival = exchange.arrival.as_ref();
                let blob = arrival.and_then(|arrival| content(&arrival.target.route));
                tracing::error!(
                    request_id = exchange.request_id,
                    nodes,
                    reference = blob,
                    "nodes have different bytes of one blob"
                );
                exchange.fault = Some(Fault::Node(NodeTrouble::Differs));
                Err(Error::new_up(ErrorType::ConnectionClosed))
            }
        }
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
            Lost::Shared => self.pass_over(exchange),
        }
    }
}

/// The repository that the request is about.
pub(super) fn repository(exchange: &Exchange) -> Option<&str> {
    let route = &exchange.arrival.as_ref()?.target.route;
    route.repository().map(RepositoryName::as_str)
}

/// The node that was asked last gives bytes from now on.
pub(super) fn begun(exchange: &mut Exchange) {
    if let (Some(proof), Some(node)) = (&mut exchange.proof, &exchange.last_node) {
        proof.from_now_on(node);
    }
}

/// Why another node has to go on.
pub(super) fn reason(lost: Lost) -> TakeoverReason {
    match lost {
        Lost::Unreachable | Lost::NoNode => TakeoverReason::ConnectFailed,
        Lost::Broken => TakeoverReason::Lost,
        Lost::Stalled => TakeoverReason::Stalled,
        Lost::BadAnswer | Lost::Shared => TakeoverReason::BadAnswer,
    }
}

/// What the client reads when none can.
pub(super) fn fault(lost: Lost) -> Fault {
    match lost {
        Lost::Unreachable => Fault::Node(NodeTrouble::Unreachable),
        Lost::Broken => Fault::Node(NodeTrouble::Broken),
        Lost::Stalled => Fault::Node(NodeTrouble::Stalled),
        Lost::BadAnswer => Fault::Node(NodeTrouble::BadAnswer),
        Lost::Shared => Fault::Database,
        Lost::NoNode => Fault::NoNode,
    }
}
