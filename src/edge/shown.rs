//! What operators are shown of one request: while it runs its progress, afterwards the steps it took.

use std::sync::Arc;

use http::Method;

use crate::affinity::token::Upload;
use crate::fleet::node::NodeId;
use crate::fleet::view::{Candidate, Rank, Room};
use crate::observe::progress::{Beginning, Progress, Transfer, Underway, Way};
use crate::observe::steps::{PassedOver, Step, Steps, Wanted};
use crate::placement::choose::{Choice, Reason};
use crate::registry::name::RepositoryName;
use crate::registry::session::SessionId;

use super::exchange::Exchange;
use super::maintenance::Notice;
use super::phases::content;

/// What operators are shown of one request.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// `None` where nobody can ask for them afterwards: then nothing is done for them.
    steps: Option<Steps>,
    underway: Option<Underway>,
    /// What the client is told when it wants to push in the middle of maintenance.
    pub(super) notice: Option<Arc<Notice>>,
}

impl Shown {
    /// A request begins; its steps are kept here, if they are kept at all.
    pub(super) fn begin(steps: Option<Steps>) -> Self {
        Self {
            steps,
            ..Self::default()
        }
    }

    /// The transfer, if the request is one.
    pub(super) fn transfer(&self) -> Option<&Arc<Transfer>> {
        self.underway.as_ref().map(Underway::transfer)
    }

    /// Bytes of the transfer have passed.
    pub(super) fn passed(&self, bytes: u64) {
        if let Some(transfer) = self.transfer() {
            transfer.passed(bytes);
        }
    }

    /// The request is over: nothing is under way any more, and these were its steps.
    pub(super) fn end(&mut self) -> Option<Steps> {
        self.underway = None;
        self.steps.take()
    }
}

impl Exchange {
    /// Another step of the request.
    pub(super) fn step(&mut self, step: impl FnOnce() -> Step) {
        if let Some(steps) = &mut self.shown.steps {
            steps.step(self.started.elapsed(), step());
        }
    }

    /// What [`Exchange::chosen`] will tell of a choice, where it is asked to tell anything.
    pub(super) fn reasons(&self, choice: &Choice) -> Option<Reasons> {
        self.shown.steps.as_ref().map(|_| Reasons::from(choice))
    }

    /// The nodes of `next` stand in their order from now on, out of these candidates.
    pub(super) fn chosen(&mut self, reasons: Option<&Reasons>, candidates: &[Candidate]) {
        let Some(reasons) = reasons else { return };
        let why = |node: &NodeId| {
            let found = reasons.0.iter().find(|(id, _)| id == node);
            found.map_or(SESSION, |(_, reason)| reason.as_str())
        };
        let order = self.next.iter().map(|node| Wanted {
            node: node.clone(),
            why: why(node),
        });
        let order = order.collect();
        let passed_over = candidates.iter().filter_map(passed_over).collect();
        self.step(|| Step::Chosen { order, passed_over });
    }

    /// A transfer begins: it is shown until the request is over.
    pub(super) fn under_way(&mut self, progress: &Progress, (method, way): (&Method, Way)) {
        let Some(arrival) = &self.arrival else { return };
        let route = &arrival.target.route;
        let upload: Option<&Upload> = self.relay.as_ref().and_then(|relay| relay.upload.as_ref());
        let repo = route.repository().map(RepositoryName::as_str);
        let session = arrival.session.as_ref().map(SessionId::as_str);
        let underway = progress.begin(Beginning {
            request_id: self.request_id.clone(),
            direction: way,
            method: method.as_str().to_owned(),
            client: arrival.client,
            repo: repo.map(str::to_owned),
            reference: content(route),
            session: session.map(str::to_owned),
            done: upload.map_or(0, |upload| upload.offset),
            started: self.started.into_std(),
        });
        self.shown.underway = Some(underway);
    }
}

/// Why nodes stand where they stand, kept from a choice.
#[derive(Debug)]
pub(super) struct Reasons(Vec<(NodeId, Reason)>);

impl From<&Choice> for Reasons {
    fn from(choice: &Choice) -> Self {
        let picks = choice.picks.iter();
        Self(picks.map(|pick| (pick.node.clone(), pick.reason)).collect())
    }
}

fn passed_over(candidate: &Candidate) -> Option<PassedOver> {
    let why = match (candidate.rank, candidate.room) {
        (Rank::Up, Room::Free) => return None,
        (Rank::Up | Rank::Suspect, Room::Full) => "full",
        (Rank::Suspect, Room::Free) => "suspect",
        (Rank::Draining, _) => "draining",
        (Rank::Down, _) => "down",
    };
    Some(PassedOver {
        node: candidate.id.clone(),
        why,
    })
}

/// A browser's session, which stands before all other reasons.
const SESSION: &str = "session";

#[cfg(test)]
mod tests {
    use super::super::tests::exchange;
    use super::*;
    use crate::placement::choose::Pick;

    fn candidate(name: &str, rank: Rank, room: Room) -> Candidate {
        Candidate {
            id: NodeId::parse(name).unwrap(),
            rank,
            share: 1,
            bytes: 0,
            room,
        }
    }

    #[tokio::test]
    async fn a_choice_is_told_with_the_reasons_and_with_who_was_passed_over() {
        let mut exchange = exchange();
        let candidates = [
            candidate("a", Rank::Up, Room::Free),
            candidate("b", Rank::Draining, Room::Free),
            candidate("c", Rank::Up, Room::Full),
            candidate("d", Rank::Down, Room::Free),
        ];
        let reasons = Reasons(vec![(candidates[0].id.clone(), Reason::Recent)]);
        exchange.next = vec![candidates[3].id.clone(), candidates[0].id.clone()];
        exchange.chosen(Some(&reasons), &candidates);
        let told = serde_json::to_value(exchange.shown.end()).unwrap();
        let step = &told["steps"][0];
        assert_eq!(step["step"], "chosen");
        assert_eq!(step["order"][0]["why"], "session");
        assert_eq!(step["order"][1]["why"], "recent write");
        let over = step["passed_over"].as_array().unwrap();
        let over: Vec<_> = over
            .iter()
            .map(|one| format!("{} {}", one["node"], one["why"]).replace('"', ""))
            .collect();
        assert_eq!(over, ["b draining", "c full", "d down"]);
    }

    #[tokio::test]
    async fn of_a_request_that_nobody_can_ask_for_no_step_is_made() {
        let mut exchange = exchange();
        exchange.shown = Shown::begin(None);
        let node = NodeId::parse("a").unwrap();
        let choice = Choice {
            picks: vec![Pick {
                node: node.clone(),
                reason: Reason::Recent,
                room: Room::Free,
            }],
        };
        let reasons = exchange.reasons(&choice);
        assert!(reasons.is_none());
        exchange.next = vec![node];
        exchange.chosen(reasons.as_ref(), &[candidate("a", Rank::Up, Room::Free)]);
        exchange.step(|| panic!("a step is made"));
        assert!(exchange.shown.end().is_none());
    }
}
