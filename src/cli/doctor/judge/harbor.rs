//! What the nodes are, and whether they belong together.

use std::collections::BTreeMap;

use crate::upstream::settings::ProbeKind;

use super::super::ask::Account;
use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::release::{Release, version};
use super::super::said::{Answer, Said};
use super::super::told::{Frame, Told, all_alike, listed};

/// Whether each node has the API that the operator expects, and all have the same.
pub(in super::super) fn api(told: &[Told], frame: &Frame) -> Outcome {
    let pinged = |one: &&Told| !matches!(one.ping.status(), Some(200 | 401));
    let mute: Vec<_> = told.iter().filter(pinged).collect();
    if !mute.is_empty() {
        let nodes = listed(mute.iter().map(|one| one.node.as_str()));
        let what = format!("there is no registry API on {nodes}");
        let said = mute.iter().map(|one| (one.node.as_str(), one.ping.words()));
        return Finding::new(Check::NodeApi, Severity::Error, what)
            .all_told("GET /v2/", said)
            .remedy(
                "address the nginx of a Harbor node, or the registry itself, in [[node]] url; docker compose ps in \
                 the installer's folder of the node tells which part does not run",
            )
            .into();
    }
    let releases = || told.iter().map(|one| (one.node.as_str(), one.release));
    let generation = |release: Release| match release {
        Release::Exactly(_) => Release::Second,
        other => other,
    };
    let described = releases().map(|(node, release)| (node, generation(release).to_string()));
    let asked = "GET /api/v2.0/ping and /api/ping";
    if !all_alike(releases().map(|(_, release)| generation(release))) {
        let what = "the nodes are of different generations";
        return Finding::new(Check::NodeApi, Severity::Error, what)
            .all_told(asked, described)
            .remedy("run the same release of Harbor on all nodes: take out (drain = true) those that are not upgraded yet")
            .into();
    }
    let plain = releases().all(|(_, release)| release == Release::Plain);
    if plain && frame.probe == ProbeKind::Harbor && !told.is_empty() {
        let what = "[health] probe is \"harbor\", and no node is a Harbor";
        return Finding::new(Check::NodeApi, Severity::Error, what)
            .all_told(asked, described)
            .remedy(
                "set probe = \"registry\" in [health]: pilotage would take these nodes for dead",
            )
            .into();
    }
    let versions: Vec<_> = told
        .iter()
        .map(|one| (one.node.as_str(), api_version(one)))
        .collect();
    if !all_alike(versions.iter().map(|(_, version)| version)) {
        let what = "the nodes have different versions of the API";
        return Finding::new(Check::NodeApi, Severity::Warning, what)
            .all_told("GET /api/version", versions)
            .remedy("run the same release of Harbor on all nodes")
            .into();
    }
    let first = told.first().map_or(Release::Plain, |one| one.release);
    Outcome::passed(format!("{first} on all nodes"))
}

fn api_version(one: &Told) -> String {
    let document = one.api_version.with(200).and_then(Answer::json);
    let version = document
        .as_ref()
        .and_then(|all| all.get("version")?.as_str());
    version.map_or_else(|| one.api_version.words(), str::to_owned)
}

/// Whether all nodes run the same Harbor.
///
/// Nodes tell it an account that they know, and nobody else.
pub(in super::super) fn release(told: &[Told], account: Option<&Account>) -> Outcome {
    let versions: Vec<_> = told
        .iter()
        .filter_map(|one| Some((one.node.as_str(), version(&one.info)?)))
        .collect();
    let Some((_, first)) = versions.first() else {
        return Outcome::skipped(match account {
            None => "no node tells its release; only an account is told (--user)",
            Some(_) => "no node tells its release, not even the account",
        });
    };
    if all_alike(versions.iter().map(|(_, version)| version)) {
        return Outcome::passed(format!("{first} on all nodes"));
    }
    let what = "the nodes run different releases of Harbor";
    Finding::new(Check::HarborVersion, Severity::Error, what)
        .all_told("harbor_version in the system information", versions)
        .remedy(
            "finish the upgrade: drain (drain = true in [[node]]) the nodes that still run the older release, upgrade \
             them, and let nobody push while two releases use one database",
        )
        .into()
}

/// Whether all nodes show the same projects.
pub(in super::super) fn database(told: &[Told]) -> Outcome {
    if told.iter().all(|one| one.release == Release::Plain) {
        return Outcome::skipped("registries without Harbor have no database");
    }
    let lists: Vec<_> = told
        .iter()
        .filter_map(|one| Some((one.node.as_str(), projects(&one.projects)?)))
        .collect();
    if lists.len() < told.len() {
        return Outcome::skipped("not every node lists its projects");
    }
    if lists.iter().all(|(_, list)| list.is_empty()) {
        return Outcome::skipped("no project is public: give --user");
    }
    if all_alike(lists.iter().map(|(_, list)| list)) {
        return Outcome::passed("all show the same projects");
    }
    let names: Vec<_> = lists.iter().flat_map(|(_, list)| list.keys()).collect();
    let differs = |name: &&&String| !all_alike(lists.iter().map(|(_, list)| list.get(**name)));
    let example = names.iter().find(differs).map_or("", |name| name.as_str());
    let said = lists.iter().map(|(node, list)| {
        let said = match list.get(example) {
            Some(found) => found.clone(),
            None => "does not know it".to_owned(),
        };
        (*node, said)
    });
    Finding::new(
        Check::Database,
        Severity::Error,
        "the nodes have different databases",
    )
    .all_told(&format!("the project {example}"), said)
    .remedy(
        "point every node at the same database: external_database in harbor.yml (host, port, db_name), then ./prepare \
         and docker compose up -d; and copy secret/keys/secretkey in the data volume, which encrypts passwords in it",
    )
    .into()
}

/// The projects by name, each as one comparable text.
fn projects(said: &Said) -> Option<BTreeMap<String, String>> {
    let document = said.with(200)?.json()?;
    let mut found = BTreeMap::new();
    for project in document.as_array()? {
        let name = project.get("name")?.as_str()?;
        let number = project.get("project_id")?.as_i64()?;
        let made = project.get("creation_time").and_then(|time| time.as_str());
        let made = made.unwrap_or("an unknown time");
        found.insert(name.to_owned(), format!("number {number}, made at {made}"));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::super::said::answer;
    use super::super::super::told::{frame, told};
    use super::*;

    fn severity(outcome: &Outcome) -> Option<Severity> {
        outcome.severity()
    }

    #[test]
    fn nodes_of_one_kind_are_good() {
        assert!(matches!(
            api(&[told("a"), told("b")], &frame()),
            Outcome::Passed(_)
        ));
    }

    #[test]
    fn generations_that_differ_and_registries_taken_for_harbor_are_errors() {
        let mut old = told("b");
        old.release = Release::First;
        assert_eq!(
            severity(&api(&[told("a"), old], &frame())),
            Some(Severity::Error)
        );
        let mut plain = told("a");
        plain.release = Release::Plain;
        let outcome = api(&[plain.clone()], &frame());
        assert_eq!(severity(&outcome), Some(Severity::Error));
        let mut wanted = frame();
        wanted.probe = ProbeKind::Registry;
        assert!(matches!(api(&[plain], &wanted), Outcome::Passed(_)));
    }

    #[test]
    fn releases_are_compared_when_they_are_told() {
        let running = |node: &str, version: &str| {
            let mut one = told(node);
            one.info = answer(200, &[], &format!(r#"{{"harbor_version":"{version}"}}"#));
            one
        };
        let same = [running("a", "v2.9.5-1"), running("b", "v2.9.5-1")];
        assert!(matches!(release(&same, None), Outcome::Passed(_)));
        let differ = [running("a", "v2.9.5-1"), running("b", "v2.10.0-2")];
        assert_eq!(severity(&release(&differ, None)), Some(Severity::Error));
        assert!(matches!(release(&[told("a")], None), Outcome::Skipped(_)));
    }

    #[test]
    fn projects_made_at_another_time_are_of_another_database() {
        let with = |node: &str, time: &str| {
            let mut one = told(node);
            let list = format!(r#"[{{"name":"lib","project_id":1,"creation_time":"{time}"}}]"#);
            one.projects = answer(200, &[], &list);
            one
        };
        let same = [with("a", "t1"), with("b", "t1")];
        assert!(matches!(database(&same), Outcome::Passed(_)));
        let differ = [with("a", "t1"), with("b", "t2")];
        assert_eq!(severity(&database(&differ)), Some(Severity::Error));
        assert!(matches!(
            database(&[told("a"), told("b")]),
            Outcome::Skipped(_)
        ));
    }
}
