//! What ties requests to nodes beside uploads, as it outlives each request.

use std::time::Duration;

use crate::fleet::node::NodeId;

use super::browser::Sessions;
use super::issuer::{Change, Issuers};

/// Sessions of browsers, and keys of tokens.
#[derive(Debug)]
pub struct Ties {
    pub sessions: Sessions,
    pub issuers: Issuers,
}

impl Ties {
    /// Nothing is known yet. A session that nobody uses is forgotten after `lifetime`.
    pub fn new(lifetime: Duration) -> Self {
        Self {
            sessions: Sessions::new(lifetime),
            issuers: Issuers::default(),
        }
    }

    /// These are the nodes from now on; what was wrong between them is found out anew.
    pub fn retain(&self, nodes: &[NodeId]) -> Change {
        self.sessions.reconsider();
        self.issuers.retain(nodes).unwrap_or(Change::Seen)
    }
}
