//! The admin listener: what operators look at and change, and how it is reached.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::config::Settings;
use crate::control::desk::display::Display;
use crate::control::desk::{Desk, ReloadOrder, Views};
use crate::control::tokens::{self, Keeper};
use crate::edge::entrance::{Apart, Doors, Phase};
use crate::edge::phases::Edge;
use crate::edge::settings::{ClientCertificate, Limits};
use crate::edge::tls::CertificateStore;
use crate::observe::metrics::Metrics;
use crate::observe::status::Readiness;

use super::AppError;

/// What `app` keeps of the admin listener.
pub(super) struct Reception {
    /// Who may ask.
    pub(super) keeper: Keeper,
    /// Its certificate, where it has one.
    pub(super) store: Option<Arc<CertificateStore>>,
    /// What the page is drawn from.
    pub(super) display: Arc<Display>,
    /// Where orders to reload arrive.
    pub(super) reloads: mpsc::Receiver<ReloadOrder>,
}

/// Puts together what operators look at and change, and how the listener speaks. Nothing is served yet.
pub(super) fn prepare(
    settings: &Settings,
    edge: &Edge,
    (readiness, store): (&Arc<Readiness>, &Arc<CertificateStore>),
) -> Result<(Desk, Apart, Reception), AppError> {
    let snapshot = Arc::clone(&edge.snapshot);
    let views = Views::new(
        Arc::clone(&edge.metrics),
        move || Arc::clone(&snapshot.load().fleet),
        Arc::clone(readiness),
        edge.lookout.findings(),
    );
    let (sender, reloads) = mpsc::channel(RELOADS);
    let guarding = tokens::guarding(&settings.admin)?;
    let keeper: Keeper = Arc::new(ArcSwap::from_pointee(guarding));
    let display = Arc::new(Display::new(
        Arc::clone(&edge.snapshot),
        Arc::clone(store),
        (Arc::clone(&edge.metrics), edge.progress.clone()),
    ));
    let desk = Desk {
        views,
        keeper: Arc::clone(&keeper),
        numbers_page: settings.admin.numbers,
        metrics: Arc::clone(&edge.metrics),
        history: Arc::clone(&edge.history),
        progress: edge.progress.clone(),
        maintenance: Arc::clone(&edge.maintenance),
        gate: Arc::clone(&edge.gate),
        log: edge.log.clone(),
        shared: edge.shared.clone(),
        reloads: sender,
        display: Arc::clone(&display),
    };
    let (apart, own_store) = secured(settings)?;
    let reception = Reception {
        keeper,
        store: own_store,
        display,
        reloads,
    };
    Ok((desk, apart, reception))
}

/// Serves the pages as long as the future runs.
pub(super) fn open(
    (desk, apart): (Desk, Apart),
    listener: TcpListener,
    limits: &Limits,
    phase: watch::Receiver<Phase>,
) -> impl Future<Output = ()> + use<> {
    // An operator's connections are not clients': they are counted where nobody looks.
    let uncounted = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let doors = Doors::new(desk, limits.clone(), uncounted, None, phase);
    apart.serve(listener, doors)
}

fn secured(settings: &Settings) -> Result<(Apart, Option<Arc<CertificateStore>>), AppError> {
    let Some(tls) = &settings.admin.tls else {
        return Ok((Apart::plain(), None));
    };
    let store = CertificateStore::load(std::slice::from_ref(&tls.certificate))?;
    let store = Arc::new(store);
    let client = match tls.client_ca_file.clone() {
        Some(ca_file) => ClientCertificate::Optional { ca_file },
        None => ClientCertificate::Ignored,
    };
    let apart = Apart::secured(client, &settings.certificates, &store)?;
    Ok((apart, Some(store)))
}

/// Orders to reload that may wait: operators are few.
const RELOADS: usize = 4;
