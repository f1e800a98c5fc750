//! What becomes of a recorded answer, and how a line of the table says it.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use pilotage::fleet::health::{Health, Observation, Report, Settings, Standing, Traffic};
use pilotage::registry::route::Target;
use pilotage::rewrite::answer::{Misfit, Rewritten, View};
use pilotage::rewrite::names::NodeNames;
use pilotage::rewrite::{self, Edit, LocationForm, PublicUrl, Scheme, systeminfo};
use pilotage::upstream::verdict::{Verdict, judge};

use super::file::{Answer, Recording};

/// Everything that the pure rooms make of one recorded exchange.
#[derive(Debug)]
pub(super) struct Outcome {
    target: Target,
    pub(super) answered: Option<Answered>,
}

/// What they make of its answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) verdict: Verdict,
    pub(super) misfits: Vec<Misfit>,
    /// What changes, as short text.
    pub(super) edits: Vec<String>,
    /// The headers as the client reads them.
    pub(super) headers: HeaderMap,
    /// The standing of a node that was up and gave three such health documents in a row.
    pub(super) standings: Option<[Standing; 5]>,
}

/// Names under which clients know the registry.
const PUBLIC: [&str; 2] = ["harbor.example.test", "other.example.test"];

impl Outcome {
    pub(super) fn of(recording: &Recording) -> Self {
        let target = Target::parse(&recording.target)
            .unwrap_or_else(|oddity| panic!("{}: {oddity}", recording.name));
        assert_eq!(target.to_string(), recording.target, "{}", recording.name);
        let answered = recording
            .answer
            .as_ref()
            .map(|answer| Answered::of(recording, &target, answer));
        Self { target, answered }
    }

    /// The line of the table.
    pub(super) fn line(&self, recording: &Recording) -> String {
        let kind = self.target.route.kind().as_str();
        let name = &recording.name;
        let Some(answered) = &self.answered else {
            return format!("{name} | {kind} | no answer");
        };
        let misfits: Vec<&str> = answered.misfits.iter().map(|one| one.as_str()).collect();
        let columns = [
            name.clone(),
            kind.to_owned(),
            answered.status.as_str().to_owned(),
            format!("{:?}", answered.verdict),
            or_dash(&answered.edits.join("; ")),
            or_dash(&misfits.join(", ")),
            answered.health(),
        ];
        columns.join(" | ")
    }
}

impl Answered {
    fn of(recording: &Recording, target: &Target, answer: &Answer) -> Self {
        let known = PUBLIC.map(str::to_owned);
        let node = ["127.0.1.1", "127.0.1.2"]
            .into_iter()
            .fold(NodeNames::default(), |names, node| {
                names.with(node).with(&format!("{node}:8080"))
            });
        let view = View {
            public: public(recording),
            form: LocationForm::Absolute,
            node: &node,
            known: &known,
        };
        let (route, status) = (&target.route, answer.status);
        let Rewritten { edits, misfits } = rewrite::answer(route, status, &answer.headers, &view);
        let mut headers = answer.headers.clone();
        rewrite::apply(&edits, &mut headers);
        let again = rewrite::answer(route, status, &headers, &view);
        assert_eq!(again.edits, [], "{}: a second time", recording.name);
        let mut told: Vec<String> = edits
            .iter()
            .map(|edit| describe(edit, &answer.headers))
            .collect();
        if systeminfo::concerns(route) && systeminfo::rewrite(&answer.body, &view.public).is_some()
        {
            told.push("body".to_owned());
        }
        let verdict = judge(
            route,
            &recording.method,
            status,
            &answer.headers,
            Some(&answer.body),
        );
        let is_probe = recording.method == Method::GET && recording.target == HEALTH;
        Self {
            status,
            verdict,
            misfits,
            edits: told,
            headers,
            standings: is_probe.then(|| standings(&answer.body)),
        }
    }

    /// What the answer does to its node.
    fn health(&self) -> String {
        let Some(standings) = self.standings else {
            return match self.verdict {
                Verdict::NodeFault(_) => "counts".to_owned(),
                Verdict::Served | Verdict::SharedFault(_) | Verdict::RedirectsToHttps => {
                    "-".to_owned()
                }
            };
        };
        let all = Traffic::ALL.into_iter().zip(standings);
        let words: Vec<String> = all
            .map(|(traffic, standing)| format!("{traffic} {}", standing.as_str()))
            .collect();
        words.join(", ")
    }
}

/// How the client of a recording addressed the registry. A sender that named a node as its `Host` is a balancer
/// that rewrote it.
fn public(recording: &Recording) -> PublicUrl<'_> {
    let authority = match recording.host.as_str() {
        host if host.starts_with("127.") => PUBLIC[0],
        host => host,
    };
    PublicUrl {
        scheme: Scheme::Https,
        authority,
    }
}

/// The standings of a node that was up, after as many such documents as it takes to believe them.
fn standings(document: &[u8]) -> [Standing; 5] {
    let well = br#"{"components":[{"name":"core","status":"healthy"}]}"#;
    let start = tokio::time::Instant::now().into_std();
    let settings = Settings::default();
    let mut health = Health::new(settings.clone(), start);
    let probe = |health: &mut Health, document: &[u8], now: Instant| {
        let report = Report::from_harbor_json(document).expect("a health document");
        health.observe(Observation::Probed(report), now);
    };
    probe(&mut health, well, start);
    let mut now = start;
    for _ in 0..settings.down_after {
        now += Duration::from_secs(5);
        probe(&mut health, document, now);
    }
    Traffic::ALL.map(|traffic| health.standing(traffic, now))
}

/// An edit as `name: before -> after`, shortened to the parts of the values that differ.
fn describe(edit: &Edit, before: &HeaderMap) -> String {
    let (name, values) = match edit {
        Edit::Remove { name } => return format!("{name}: removed"),
        Edit::Replace { name, values } => (name, values),
    };
    let old: Vec<&HeaderValue> = before.get_all(name).iter().collect();
    assert_eq!(old.len(), values.len(), "{name}: as many as before");
    let changes: Vec<String> = old
        .into_iter()
        .zip(values)
        .filter(|(old, new)| old != new)
        .map(|(old, new)| difference(old.to_str().unwrap(), new.to_str().unwrap()))
        .collect();
    format!("{name}: {}", changes.join(", "))
}

/// What was added at the end, or the parts of two texts that differ, widened to whole words.
fn difference(old: &str, new: &str) -> String {
    if let Some(added) = new.strip_prefix(old) {
        return format!("+{added}");
    }
    let (old, new) = differing_parts(old, new);
    format!("{old} -> {new}")
}

fn differing_parts<'t>(old: &'t str, new: &'t str) -> (&'t str, &'t str) {
    let alike = |(a, b): &(u8, u8)| a == b;
    let mut front = old.bytes().zip(new.bytes()).take_while(alike).count();
    let rest = old.len().min(new.len()) - front;
    let ends = old.bytes().rev().zip(new.bytes().rev());
    let mut back = ends.take(rest).take_while(alike).count();
    let is_edge = |byte: u8| b" \"/;=".contains(&byte);
    while front > 0 && !is_edge(old.as_bytes()[front - 1]) {
        front -= 1;
    }
    while back > 0 && !is_edge(old.as_bytes()[old.len() - back]) {
        back -= 1;
    }
    (&old[front..old.len() - back], &new[front..new.len() - back])
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

const HEALTH: &str = "/api/v2.0/health";
