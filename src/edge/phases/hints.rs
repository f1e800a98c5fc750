//! What draws a request to a node, or binds it there.

use std::time::Instant;

use crate::fleet::node::NodeId;
use crate::fleet::view::{Candidate, Rank, Room};
use crate::placement::choose::Hints;
use crate::placement::rendezvous::SoftKey;

use super::super::exchange::Exchange;
use super::super::plan::Likes;
use super::Edge;
use super::carry::content;

/// Who accepts a token.
pub(super) enum Accepting {
    Anybody,
    These(Vec<NodeId>),
    /// Those who do have all they can take.
    Full,
}

impl Edge {
    /// What is known of where a request belongs. `drawn` counts where it is about no repository.
    pub(super) fn hints(
        &self,
        exchange: &Exchange,
        (pin, drawn): (Option<NodeId>, Option<SoftKey>),
        now: Instant,
    ) -> Hints {
        let relay = exchange.relay.as_ref();
        let likes = relay.map_or(Likes::Nothing, |relay| relay.likes);
        let arrival = exchange.arrival.as_ref();
        let target = arrival.map(|arrival| &arrival.target.route);
        let repository = target.and_then(|route| route.repository());
        let reference = target.and_then(content);
        let (recent, key) = match (likes, repository) {
            (Likes::Nothing, _) | (_, None) => (None, drawn),
            (likes, Some(repository)) => {
                let recent =
                    reference.and_then(|reference| self.recent.find(repository, &reference, now));
                let key = match likes {
                    Likes::WriterThenRepository => Some(SoftKey::of(repository)),
                    Likes::Writer | Likes::Nothing => None,
                };
                (recent, key)
            }
        };
        Hints { pin, recent, key }
    }

    /// The nodes that accept the token of the request, where that is known to make a difference.
    pub(super) fn accepting(
        &self,
        exchange: &Exchange,
        all: &[Candidate],
        now: Instant,
    ) -> Accepting {
        let Some(token) = exchange.token else {
            return Accepting::Anybody;
        };
        let issuers = &self.ties.issuers;
        let nodes = issuers.acceptors(token.key, now);
        let usable = |one: &&Candidate| {
            matches!(one.rank, Rank::Up | Rank::Suspect)
                && nodes.contains(&one.id)
                && !exchange.failed.contains(&one.id)
        };
        let mut able = all.iter().filter(usable).peekable();
        if able.peek().is_none() {
            // Whoever did not refuse it may accept it.
            let refusers = issuers.refusers(token.key, now);
            let others = all.iter().map(|one| &one.id);
            let others = others.filter(|id| !refusers.contains(*id));
            return Accepting::These(others.cloned().collect());
        }
        if able.all(|one| one.room == Room::Full) {
            return Accepting::Full;
        }
        Accepting::These(nodes)
    }
}
