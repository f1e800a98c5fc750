//! From settings to a snapshot.

use std::sync::Arc;

use tokio::time::Instant;

use crate::affinity::browser::Marker;
use crate::affinity::token::{Key, Sealer};
use crate::config::Settings;
use crate::discovery::fixed;
use crate::edge::host::ServedNames;
use crate::edge::snapshot::{Place, Snapshot};
use crate::edge::tls::CertificateStore;
use crate::fleet::node::{Duty, Listing};
use crate::fleet::view::Fleet;
use crate::guard::who::Anonymizer;
use crate::rewrite::names::NodeNames;
use crate::upstream::peer::Target;
use crate::upstream::settings::{NodeScheme, NodeSettings};

use super::AppError;
use super::keys::KeyError;

/// Makes a snapshot; nodes that were there `before` keep their health, their load and their addresses.
pub(super) fn snapshot(
    settings: &Settings,
    keys: &[Key],
    before: Option<&Snapshot>,
) -> Result<Snapshot, AppError> {
    let now = Instant::now().into_std();
    let listings: Vec<Listing> = settings.nodes.iter().map(listing).collect();
    let fleet = match before {
        Some(before) => before.fleet.relisted(listings, &settings.health, now),
        None => Fleet::new(listings, &settings.health, now),
    };
    let generation = before.map_or(0, |before| before.generation + 1);
    let mut targets = Vec::new();
    for (node, wanted) in fleet.nodes().iter().zip(&settings.nodes) {
        let target = Target::open(wanted.clone(), generation)?;
        if let Some(old) = before.and_then(|before| before.place(&wanted.id)) {
            target.resolve_to(old.target.addresses().to_vec());
        }
        targets.push(Arc::new(Place {
            node: Arc::clone(node),
            target: Arc::new(target),
            names: names(wanted),
        }));
    }
    let sealer = Sealer::new(keys.to_vec()).map_err(KeyError::Unusable)?;
    Ok(Snapshot {
        generation,
        public: settings.public.clone(),
        served: ServedNames::new(&settings.public.names),
        // Listeners stay as they were bound.
        https_port: before.map_or(HTTPS_PORT, |before| before.https_port),
        limits: settings.limits.clone(),
        retry: settings.retry.clone(),
        takeover: settings.takeover,
        timeouts: settings.timeouts.clone(),
        probe: settings.probe.clone(),
        certificates: settings.certificates.clone(),
        node_in_flight: settings.node_in_flight,
        fleet: Arc::new(fleet),
        targets,
        anonymizer: Anonymizer::new(sealer.derive("guard")),
        sealer,
        marker: Marker::new(keys).ok_or(KeyError::NoRandom)?,
        sessions: settings.sessions.clone(),
        upload_lifetime: settings.affinity.upload_lifetime,
        storage: settings.affinity.storage,
        guard: settings.guard.clone(),
        tracing: settings.tracing.as_ref().map(|tracing| tracing.ratio),
    })
}

fn listing(node: &NodeSettings) -> Listing {
    let scheme = match node.scheme {
        NodeScheme::Http => "http",
        NodeScheme::Https { .. } => "https",
    };
    Listing {
        id: node.id.clone(),
        address: format!("{scheme}://{}:{}", node.host, node.port),
        weight: node.weight,
        duty: if node.draining {
            Duty::Draining
        } else {
            Duty::Active
        },
    }
}

fn names(node: &NodeSettings) -> NodeNames {
    node.names
        .iter()
        .fold(NodeNames::new(&node.host, node.port), |names, name| {
            names.with(name)
        })
}

/// The certificates of the settings.
pub(super) fn certificates(settings: &Settings) -> Result<Arc<CertificateStore>, AppError> {
    let store = CertificateStore::load(&settings.certificates.files)?;
    compare_names(settings, &store);
    Ok(Arc::new(store))
}

/// Warns of public names that no certificate covers: clients would refuse the connection.
pub(super) fn compare_names(settings: &Settings, store: &CertificateStore) {
    let about = store.about();
    if about.is_empty() {
        return;
    }
    for name in &settings.public.names {
        let host = name.rsplit_once(':').map_or(name.as_str(), |(host, port)| {
            if port.ends_with(']') { name } else { host }
        });
        let host = host.trim_matches(['[', ']']);
        let covers = |known: &String| {
            known == host
                || known.strip_prefix("*.").is_some_and(|parent| {
                    host.split_once('.').is_some_and(|(_, rest)| rest == parent)
                })
        };
        if !about.iter().flat_map(|one| &one.names).any(covers) {
            tracing::warn!(
                names = %name,
                remedy = "add a certificate for this name to [[tls.certificate]]",
                "no certificate covers this public name"
            );
        }
    }
}

/// Turns the names of all nodes into addresses. A name that cannot be resolved keeps the addresses it had.
pub(super) async fn resolve(snapshot: &Snapshot) {
    for place in &snapshot.targets {
        resolve_one(place).await;
    }
}

/// Turns one node's name into addresses.
pub(super) async fn resolve_one(place: &Place) {
    let settings = place.target.settings();
    match fixed::resolve(&settings.host, settings.port).await {
        Ok(addresses) => {
            if *place.target.addresses() != addresses {
                tracing::debug!(node = %settings.id, ?addresses, "node has new addresses");
                place.target.resolve_to(addresses);
            }
        }
        Err(error) => {
            tracing::warn!(node = %settings.id, fault = %error, "name of node cannot be resolved");
        }
    }
}

/// The port of https where no other is known.
pub(super) const HTTPS_PORT: u16 = 443;
