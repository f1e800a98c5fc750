//! Health of each node, part by part.

use std::collections::BTreeMap;

use crate::fleet::health::{Component, Effect, PartState, Reach, Report, Traffic, effect};

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::release::Release;
use super::super::told::{Told, listed};

/// One broken part, with every node that says so.
struct Broken {
    component: Component,
    nodes: Vec<(String, String)>,
}

/// Whether each part of each node is healthy.
pub(in super::super) fn health(told: &[Told]) -> Outcome {
    let asked: Vec<_> = told
        .iter()
        .filter(|one| one.release != Release::Plain)
        .collect();
    if asked.is_empty() {
        return Outcome::skipped("registries without Harbor have no health document");
    }
    let mut broken: BTreeMap<String, Broken> = BTreeMap::new();
    let mut findings = Vec::new();
    for one in &asked {
        let body = one.health.with(200).map(|answer| &answer.body);
        let report = body.and_then(|body| Report::from_harbor_json(body).ok());
        let Some(Report::Answered { parts, .. }) = report else {
            findings.push(unreadable(one));
            continue;
        };
        for part in parts {
            if let PartState::Unhealthy { error } = part.state {
                let entry = broken.entry(part.name).or_insert(Broken {
                    component: part.component,
                    nodes: Vec::new(),
                });
                entry.nodes.push((one.node.clone(), one_line(&error)));
            }
        }
    }
    let all = asked.len();
    findings.extend(
        broken
            .iter()
            .map(|(name, broken)| judged(name, broken, all)),
    );
    Outcome::of(findings, "every part of every node is healthy")
}

fn unreadable(one: &Told) -> Finding {
    let what = format!("{} has no health document", one.node);
    Finding::new(Check::NodeHealth, Severity::Error, what)
        .told(&one.node, "GET /api/v2.0/health", one.health.words())
        .remedy("look at the log of core on that node (docker logs harbor-core); pilotage takes it for down")
}

fn judged(name: &str, broken: &Broken, all: usize) -> Finding {
    let carries = [Traffic::Pull, Traffic::Push, Traffic::Token];
    let fatal = carries
        .iter()
        .any(|traffic| effect(broken.component, *traffic) == Effect::Fatal);
    let shared = broken.component.reach() == Reach::Shared;
    let everywhere = broken.nodes.len() == all && all > 1 && shared;
    let nodes = broken.nodes.iter().map(|(node, _)| node.as_str());
    let (severity, what) = match (fatal || broken.component == Component::Redis, everywhere) {
        (true, true) => (
            Severity::Error,
            format!("{name}, which all nodes share, is broken"),
        ),
        (true, false) => (
            Severity::Error,
            format!("{name} of {} is broken", listed(nodes)),
        ),
        (false, _) => (
            Severity::Warning,
            format!("{name} of {} is broken", listed(nodes)),
        ),
    };
    let said = broken.nodes.iter();
    Finding::new(Check::NodeHealth, severity, what)
        .all_told(
            "GET /api/v2.0/health",
            said.map(|(node, error)| (node.as_str(), error.as_str())),
        )
        .remedy(remedy(broken.component, name))
}

fn remedy(component: Component, name: &str) -> String {
    match component {
        Component::Database => "look whether the database runs, and at external_database in harbor.yml: host, port, \
             password, and how many connections it allows for all nodes together (max_connections)"
            .to_owned(),
        Component::Redis => "look whether Harbor's Redis runs, and at external_redis in harbor.yml: host, password and \
             database indexes"
            .to_owned(),
        Component::Storage => "look at storage_service in harbor.yml, and whether the storage is mounted and can be \
             written on that node (docker logs registry)"
            .to_owned(),
        Component::Trivy => "start it again (docker compose up -d trivy-adapter); pushes and pulls do not need it"
            .to_owned(),
        Component::Core
        | Component::Registry
        | Component::Portal
        | Component::Jobservice
        | Component::Registryctl
        | Component::Other => format!(
            "in the installer's folder on that node: docker compose ps, docker compose logs {name}, then docker \
             compose up -d {name} (kubectl get pods in a chart)"
        ),
    }
}

fn one_line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LONGEST).map(shown).collect()
}

const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::super::super::said::answer;
    use super::super::super::told::told;
    use super::*;

    fn with(node: &str, broken: &str) -> Told {
        let mut one = told(node);
        let part = format!(
            r#"{{"components":[{{"name":"{broken}","status":"unhealthy","error":"refused"}}]}}"#
        );
        one.health = answer(200, &[], &part);
        one
    }

    fn first(outcome: &Outcome) -> (&str, Severity) {
        match outcome {
            Outcome::Found(all) => (&all[0].what, all[0].severity),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_dead_registry_is_an_error_of_its_node() {
        let outcome = health(&[told("a"), with("b", "registry")]);
        assert_eq!(
            first(&outcome),
            ("registry of b is broken", Severity::Error)
        );
    }

    #[test]
    fn what_no_push_waits_for_is_a_warning() {
        let outcome = health(&[with("a", "trivy"), told("b")]);
        assert_eq!(first(&outcome).1, Severity::Warning);
    }

    #[test]
    fn a_part_that_all_share_is_one_finding() {
        let outcome = health(&[with("a", "database"), with("b", "database")]);
        let Outcome::Found(all) = &outcome else {
            panic!()
        };
        assert_eq!((all.len(), all[0].evidence.len()), (1, 2));
        assert!(all[0].what.contains("all nodes share"));
    }

    #[test]
    fn a_document_that_is_none_is_an_error() {
        let mut one = told("a");
        one.health = answer(200, &[], "<html>");
        assert_eq!(first(&health(&[one])).1, Severity::Error);
    }
}
