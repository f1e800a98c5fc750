//! Changes: each is done, logged with who wanted it, and answered with what is now.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::fleet::health::Traffic;
use crate::fleet::node::{Duty, Node};
use crate::fleet::orders::Stamp;
use crate::fleet::view::{Fleet, Rank};
use crate::observe::log::check_runtime_level;

use super::super::answer::{Answer, Refusal};
use super::super::route::Ask;
use super::body::{parse, unfit};
use super::pages::unknown;
use super::{Desk, Operator, ReloadOrder, Reloaded, unix_seconds};

/// What may come with an order to stop sending requests to a node.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resting {
    /// Also when no other node is left.
    #[serde(default)]
    force: bool,
}

/// Nothing needs to be said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weight {
    /// None gives the file its word back.
    weight: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    filter: String,
}

impl Desk {
    /// Does what is asked for.
    pub(super) async fn change(
        &self,
        ask: Ask,
        body: &[u8],
        path: &str,
        who: &Operator,
    ) -> Result<Answer, Refusal> {
        match ask {
            Ask::Drain(name) => self.rest(&name, Duty::Draining, (body, path), who),
            Ask::Off(name) => self.rest(&name, Duty::Off, (body, path), who),
            Ask::Undrain(name) => self.wake(&name, Duty::Draining, (body, path), who),
            Ask::On(name) => self.wake(&name, Duty::Off, (body, path), who),
            Ask::Weigh(name) => self.weigh(&name, (body, path), who),
            Ask::SetMaintenance => self.set_maintenance(body, path, who).await,
            Ask::Reload => self.reload(body, path, who).await,
            Ask::SetLog => self.set_filter(body, path, who),
            other => self.look(&other, path, "", Instant::now().into_std()),
        }
    }

    /// A node is given nothing new from now on.
    fn rest(
        &self,
        name: &str,
        duty: Duty,
        (body, path): (&[u8], &str),
        who: &Operator,
    ) -> Result<Answer, Refusal> {
        let fleet = self.views.fleet();
        let node = find(&fleet, name, path)?;
        let resting: Resting = parse(body, path)?;
        if !resting.force && is_last(&fleet, node) {
            let what = format!("no other node takes pulls now: without {name} clients are refused");
            let remedy = "bring another node back first; --force, over HTTP {\"force\": true}, does it \
                          all the same";
            return Err(Refusal::new(StatusCode::CONFLICT, what, path, remedy));
        }
        self.order(node, duty, path, who)
    }

    /// A node is given requests again, if it rests in this way.
    fn wake(
        &self,
        name: &str,
        from: Duty,
        (body, path): (&[u8], &str),
        who: &Operator,
    ) -> Result<Answer, Refusal> {
        let fleet = self.views.fleet();
        let node = find(&fleet, name, path)?;
        let Nothing {} = parse(body, path)?;
        let (duty, remedy) = match (node.duty(), from) {
            (Duty::Off, Duty::Draining | Duty::Active) => (Duty::Off, "on"),
            (Duty::Draining, Duty::Off | Duty::Active) => (Duty::Draining, "undrain"),
            (Duty::Off, Duty::Off) | (Duty::Draining, Duty::Draining) | (Duty::Active, _) => {
                return self.order(node, Duty::Active, path, who);
            }
        };
        let what = format!("{name} is {}", duty.as_str());
        let remedy = format!("pilotage nodes {remedy} {name} brings it back");
        Err(Refusal::new(StatusCode::CONFLICT, what, path, remedy))
    }

    fn order(
        &self,
        node: &Node,
        duty: Duty,
        path: &str,
        who: &Operator,
    ) -> Result<Answer, Refusal> {
        let from = node.duty();
        node.order_duty(duty, stamp(who));
        self.gate.wake();
        tracing::warn!(
            target: "control",
            by = who.0,
            node = %node.id(),
            from = from.as_str(),
            to = duty.as_str(),
            "duty of a node ordered"
        );
        self.tell(node, path)
    }

    fn weigh(
        &self,
        name: &str,
        (body, path): (&[u8], &str),
        who: &Operator,
    ) -> Result<Answer, Refusal> {
        let fleet = self.views.fleet();
        let node = find(&fleet, name, path)?;
        let Weight { weight } = parse(body, path)?;
        if weight.is_some_and(|weight| !(1..=1_000).contains(&weight)) {
            let remedy = "write a number from 1 to 1000; to send nothing, drain the node";
            let what = "the weight is out of bounds";
            return Err(unfit(what, format!("{path}: weight"), remedy));
        }
        let from = node.weight();
        node.order_weight(weight, stamp(who));
        tracing::warn!(
            target: "control",
            by = who.0,
            node = name,
            from,
            to = node.weight(),
            "weight of a node ordered"
        );
        self.tell(node, path)
    }

    /// The node as it is after the change.
    fn tell(&self, node: &Node, path: &str) -> Result<Answer, Refusal> {
        let (name, now) = (node.id().as_str(), Instant::now().into_std());
        self.views
            .node(name, now)
            .ok_or_else(|| unknown(name, path))
    }

    async fn reload(&self, body: &[u8], path: &str, who: &Operator) -> Result<Answer, Refusal> {
        let Nothing {} = parse(body, path)?;
        tracing::warn!(target: "control", by = who.0, "reload ordered");
        let busy = || {
            let (what, remedy) = ("no reload is possible now", "try again; see the log");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what, path, remedy)
        };
        let (done, outcome) = oneshot::channel();
        let sent = self.reloads.try_send(ReloadOrder { done });
        sent.map_err(|_| busy())?;
        match timeout(RELOAD, outcome).await {
            Ok(Ok(Reloaded::Done(restart))) => {
                let answer = serde_json::json!({ "reloaded": true, "needs_restart": restart });
                Ok(Answer::json(&answer))
            }
            Ok(Ok(Reloaded::Refused(problems))) => {
                let remedy = "mend it: pilotage check looks at the file, pilotage doctor at what the file \
                              names; until then the settings of before stay in force";
                let refusal = unfit(problems.join("; "), path.to_owned(), remedy);
                Err(refusal.of(problems))
            }
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    fn set_filter(&self, body: &[u8], path: &str, who: &Operator) -> Result<Answer, Refusal> {
        let Filter { filter } = parse(body, path)?;
        let set = check_runtime_level(&filter).and_then(|()| self.log.set_level(&filter));
        set.map_err(|error| {
            let remedy = "write a level such as info, off for silence, or one for a part of \
                          pilotage: info,pilotage::edge=debug";
            unfit(error.to_string(), format!("{path}: filter"), remedy)
        })?;
        tracing::warn!(target: "control", by = who.0, to = filter, "log filter ordered");
        Ok(Answer::json(&self.filter()))
    }
}

fn find<'f>(fleet: &'f Fleet, name: &str, path: &str) -> Result<&'f Node, Refusal> {
    let node = fleet.nodes().iter().find(|node| node.id().as_str() == name);
    node.map(AsRef::as_ref).ok_or_else(|| unknown(name, path))
}

/// Whether pulls go to this node and to no other.
fn is_last(fleet: &Fleet, node: &Node) -> bool {
    let now = Instant::now().into_std();
    let candidates = fleet.candidates(Traffic::Pull, now, usize::MAX);
    let mut taking = candidates
        .iter()
        .filter(|one| matches!(one.rank, Rank::Up | Rank::Suspect));
    let serves = taking.clone().any(|one| one.id == *node.id());
    serves && taking.all(|one| one.id == *node.id())
}

fn stamp(who: &Operator) -> Stamp {
    Stamp {
        by: who.0.clone(),
        at: unix_seconds(),
    }
}

/// A reload resolves the names of all nodes, which takes some seconds each in the worst case.
const RELOAD: Duration = Duration::from_mins(1);
