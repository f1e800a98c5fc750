//! The first round: who can be reached at all, and proves who it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::discovery::fixed;
use crate::upstream::inspect::{Shown, inspect};
use crate::upstream::peer::Target;
use crate::upstream::settings::{NodeScheme, NodeSettings, Verify};

use super::ask::{Asker, Question, now_ms};
use super::catalog::Check;
use super::finding::{Finding, Outcome, Severity};
use super::judge::certificate::{Card, distrust, ending};
use super::said::{Said, Silence};

/// A node that can be asked.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) target: Arc<Target>,
    /// What it said to `/v2/`.
    pub(super) ping: Said,
}

/// Everything that this round found.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) nodes: Vec<Node>,
    pub(super) outcomes: Vec<(Check, Outcome)>,
}

/// What one node came to.
struct Look {
    node: Option<Node>,
    findings: Vec<Finding>,
}

/// Looks at every node at the same time.
pub(super) async fn reach(settings: &[NodeSettings], asker: &Asker) -> Reached {
    let looks = join_all(settings.iter().map(|one| look(one, asker))).await;
    let mut nodes = Vec::new();
    let mut findings = Vec::new();
    for look in looks {
        nodes.extend(look.node);
        findings.extend(look.findings);
    }
    let secure = settings.iter().any(|one| one.scheme != NodeScheme::Http);
    let line = |check: Check, words: &str| {
        let own = findings.iter().filter(|finding| finding.check == check);
        let own: Vec<_> = own.cloned().collect();
        let concerns = secure || !matches!(check, Check::NodeTls | Check::NodeCertificate);
        let outcome = if own.is_empty() && !concerns {
            Outcome::skipped("no node is spoken to over TLS")
        } else {
            Outcome::of(own, words)
        };
        (check, outcome)
    };
    let outcomes = vec![
        line(Check::NodeReach, &format!("{} nodes answer", nodes.len())),
        line(Check::NodeTls, "each proves who it is"),
        line(Check::NodeCertificate, "none ends within 3 weeks"),
        line(Check::NodeRedirect, "none sends its visitors elsewhere"),
    ];
    Reached { nodes, outcomes }
}

async fn look(settings: &NodeSettings, asker: &Asker) -> Look {
    let mut findings = Vec::new();
    let node = look_closer(settings, asker, &mut findings).await;
    Look {
        node: node.unwrap_or_else(|finding| {
            findings.push(finding);
            None
        }),
        findings,
    }
}

/// The node, or what makes it useless. What is only to be noted goes to `findings`.
async fn look_closer(
    settings: &NodeSettings,
    asker: &Asker,
    findings: &mut Vec<Finding>,
) -> Result<Option<Node>, Finding> {
    let id = settings.id.to_string();
    let target = Target::open(settings.clone(), 0).map_err(|error| {
        let what = format!("the authority of {id} cannot be used");
        let asked = error.path.display().to_string();
        Finding::new(Check::NodeTls, Severity::Error, what)
            .told(&id, asked, error.reason)
            .remedy("let ca_file in its [[node]] name the PEM file of the authority; pilotage does not start without")
    })?;
    let target = Arc::new(target);
    let answering = connect(settings, &target, findings).await?;
    let shown = match &settings.scheme {
        NodeScheme::Http => None,
        NodeScheme::Https { name, .. } => Some(shake(settings, answering, name).await?),
    };
    let card = shown
        .as_ref()
        .and_then(|shown| Card::of(shown.chain.first()?));
    let now = now_ms() / 1000;
    let said = asker.ask(&target, &Question::get("/v2/")).await;
    if let Said::Nothing(silence) = said {
        return Err(mute(
            settings,
            silence,
            (shown.as_ref(), card.as_ref()),
            now,
        ));
    }
    let remedy = "renew it on the node (https: certificate in harbor.yml, then ./prepare and docker compose up -d)";
    let ends = card.map(|card| card.ends);
    let ending = ends.and_then(|ends| ending(Check::NodeCertificate, &id, ends, now));
    findings.extend(ending.map(|finding| finding.remedy(remedy)));
    follow(
        Node {
            id,
            target,
            ping: said,
        },
        asker,
        findings,
    )
    .await
}

/// Finds an address where somebody answers.
async fn connect(
    settings: &NodeSettings,
    target: &Target,
    findings: &mut Vec<Finding>,
) -> Result<SocketAddr, Finding> {
    let id = settings.id.as_str();
    let found = fixed::resolve(&settings.host, settings.port).await;
    let addresses = found.map_err(|error| {
        let what = format!("the name of {id} has no address");
        Finding::new(Check::NodeReach, Severity::Error, what)
            .told(id, "the name service", error.to_string())
            .remedy("mend url in its [[node]], the DNS record, or /etc/hosts on this machine")
    })?;
    target.resolve_to(addresses.clone());
    let tried = join_all(addresses.iter().map(|address| try_connect(*address))).await;
    let tried: Vec<_> = addresses.into_iter().zip(tried).collect();
    let answering = tried.iter().find(|(_, tried)| tried.is_ok());
    let answering = answering.map(|(address, _)| *address);
    let silent = || {
        tried
            .iter()
            .filter_map(|(at, tried)| Some((at, tried.as_ref().err()?)))
    };
    target.avoid(silent().map(|(at, _)| *at).collect());
    let finding = |severity: Severity, what: String| {
        silent()
            .fold(
                Finding::new(Check::NodeReach, severity, what),
                |finding, (at, why)| finding.told(id, format!("connect to {at}"), why),
            )
            .remedy(
                "look whether nginx runs on the node (docker compose ps in the installer's folder), whether url in \
                 [[node]] names its port, and at firewalls between this machine and the node",
            )
    };
    let Some(answering) = answering else {
        // A drained node may be in the middle of its maintenance.
        let (severity, state) = if settings.draining {
            (Severity::Warning, ", which is drained,")
        } else {
            (Severity::Error, "")
        };
        return Err(finding(severity, format!("{id}{state} cannot be reached")));
    };
    if silent().next().is_some() {
        let what = format!("{id} answers at some of its addresses only");
        findings.push(finding(Severity::Warning, what));
    }
    Ok(answering)
}

async fn try_connect(address: SocketAddr) -> Result<(), String> {
    match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

async fn shake(settings: &NodeSettings, address: SocketAddr, name: &str) -> Result<Shown, Finding> {
    shown_at(address, name).await.map_err(|why| {
        let id = settings.id.as_str();
        let what = format!("no TLS with {id}");
        Finding::new(Check::NodeTls, Severity::Error, what)
            .told(id, "a TLS handshake, version 1.2 or 1.3", why)
            .remedy(
                "let nginx of the node offer TLS 1.2 and 1.3 (ssl_protocols TLSv1.2 TLSv1.3;) on the port in its url, \
                 or write http:// if that port is a plain one",
            )
    })
}

/// The certificate at an address, without trusting it.
pub(super) async fn shown_at(address: SocketAddr, name: &str) -> Result<Shown, String> {
    let name = name.to_owned();
    let asking = spawn_blocking(move || inspect(address, &name, PATIENCE));
    match timeout(PATIENCE * 2, asking).await {
        Ok(Ok(shown)) => shown,
        Ok(Err(_)) | Err(_) => Err("no answer in time".to_owned()),
    }
}

/// A node that accepts connections and gives no answer.
fn mute(
    settings: &NodeSettings,
    silence: Silence,
    (shown, card): (Option<&Shown>, Option<&Card>),
    now: i64,
) -> Finding {
    let id = settings.id.as_str();
    let NodeScheme::Https { name, verify } = &settings.scheme else {
        return unheard(id, silence);
    };
    if silence != Silence::Unverified {
        return unheard(id, silence);
    }
    let what = format!("{id} does not prove who it is");
    let finding = Finding::new(Check::NodeTls, Severity::Error, what);
    let protocol = shown.map_or("an unknown version", |shown| shown.protocol.as_str());
    let finding = finding.told(id, "a TLS handshake", protocol);
    let why = match (verify, card) {
        (Verify::Fingerprint(_), _) => {
            let print = shown.and_then(Shown::fingerprint).unwrap_or_default();
            let hex: Vec<_> = print.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("its certificate has the fingerprint {}", hex.concat())
        }
        (_, Some(card)) => distrust(card, name, now),
        (_, None) => "its certificate cannot be understood".to_owned(),
    };
    finding.told(id, format!("a certificate for {name}"), why).remedy(
        "let ca_file in its [[node]] name the authority that issued the certificate, verify_name a name that stands in \
         it, or fingerprint the certificate itself; a certificate that is over has to be renewed on the node (https: \
         certificate and private_key in harbor.yml, then ./prepare and docker compose up -d)",
    )
}

fn unheard(id: &str, silence: Silence) -> Finding {
    let what = format!("{id} accepts connections and does not answer");
    Finding::new(Check::NodeReach, Severity::Error, what)
        .told(id, "GET /v2/", silence.words())
        .remedy(
            "look whether the port in its url speaks https although url says http, and whether core runs (docker \
             compose ps and docker compose logs core in the installer's folder)",
        )
}

/// Follows a node that sends its visitors to https, as pilotage does.
async fn follow(
    mut node: Node,
    asker: &Asker,
    findings: &mut Vec<Finding>,
) -> Result<Option<Node>, Finding> {
    let moved = node.ping.answer().and_then(|answer| {
        let redirect = matches!(answer.status, 301 | 302 | 307 | 308);
        let location = answer.header("location").filter(|_| redirect)?;
        Some((answer.status, location.to_owned()))
    });
    let Some((status, location)) = moved else {
        return Ok(Some(node));
    };
    let shown = location.split('?').next().unwrap_or_default();
    let said = format!("{status}, Location: {shown}");
    let id = node.id.clone();
    let what = format!("{id} sends its visitors to https");
    let finding = |severity: Severity| {
        Finding::new(Check::NodeRedirect, severity, what.clone())
            .told(&id, "GET /v2/ over http", said.clone())
            .remedy(
                "write https:// and the port of its https into url in [[node]], with ca_file or fingerprint; or take \
                 the https: section out of harbor.yml of that node, then ./prepare and docker compose up -d",
            )
    };
    node.target.learn_https(&location);
    node.ping = asker.ask(&node.target, &Question::get("/v2/")).await;
    match node.ping {
        Said::Nothing(silence) => {
            let asked = "the same over https, verified by the system's authorities";
            Err(finding(Severity::Error).told(&id, asked, silence.words()))
        }
        Said::Answer(_) => {
            findings.push(finding(Severity::Warning));
            Ok(Some(node))
        }
    }
}

/// A machine in the same network answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(4);
