//! New settings and new certificates while everything runs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use crate::affinity::shared::access::Access;
use crate::affinity::shared::keys::Keys;
use crate::config::{self, Settings};
use crate::control::access::Guarding;
use crate::control::desk::Reloaded;
use crate::control::settings::AdminSettings;
use crate::control::tokens::guarding;
use crate::edge::settings::CertificateFiles;
use crate::edge::snapshot::Snapshot;
use crate::edge::tls::{CertificateStore, Refreshed, TlsError};
use crate::observe::labels::Reload;
use crate::observe::metrics::Metrics;

use super::task::Done;
use super::{AppError, Parts, assemble, keys};

/// Reads the operator's file again. A good one counts from the next request on; a bad one changes nothing.
pub(super) async fn reload(parts: &mut Parts) -> Reloaded {
    let reloaded = read_again(parts).await;
    parts.reception.display.reloaded(&reloaded);
    reloaded
}

async fn read_again(parts: &mut Parts) -> Reloaded {
    let outcome = match load(&parts.path) {
        Ok(settings) => apply(parts, settings).await,
        Err(problems) => Err(problems),
    };
    match outcome {
        Ok(restart) => {
            parts.metrics.reload_done(Reload::Done, SystemTime::now());
            tracing::info!("settings reloaded");
            Reloaded::Done(restart.iter().map(ToString::to_string).collect())
        }
        Err(problems) => {
            parts
                .metrics
                .reload_done(Reload::Refused, SystemTime::now());
            tracing::error!(
                problem = %problems.join("; "),
                "reload refused: the settings of before stay in force"
            );
            Reloaded::Refused(problems)
        }
    }
}

fn load(path: &Path) -> Result<Settings, Vec<String>> {
    // Of a file that cannot be read there is no line to name it by.
    let told = |problem: &config::Problem| match problem.line {
        None if problem.key.is_empty() => format!("{}: {problem}", path.display()),
        None | Some(_) => problem.to_string(),
    };
    config::read(path).map_err(|all| all.iter().map(told).collect())
}

async fn apply(parts: &mut Parts, settings: Settings) -> Result<Vec<&'static str>, Vec<String>> {
    let one = |error: AppError| vec![error.to_string()];
    let restart = parts.running.needs_restart(&settings);
    let before = parts.snapshot.load_full();
    // Everything that can fail comes before the first change.
    let sealing =
        keys::keys(&settings, &parts.sealing.unkept()).map_err(|error| one(error.into()))?;
    let fresh = assemble::snapshot(&settings, &sealing.keys, Some(&before)).map_err(one)?;
    let access = settings.shared.as_ref().map(Access::open).transpose();
    let access = access.map_err(|error| one(error.into()))?;
    // The listener speaks TLS, or not, as it was started.
    let admin = AdminSettings {
        tls: parts.running.admin.tls.clone(),
        ..settings.admin.clone()
    };
    let guarding = guarding(&admin).map_err(|error| one(error.into()))?;
    if matches!(guarding, Guarding::Open) && !is_own(parts.running.admin.address) {
        // The listener stays where it was bound, and there it would be open to all.
        let what = "admin.token_file: cannot be left out before a restart moves admin.address";
        return Err(vec![what.to_owned()]);
    }
    assemble::resolve(&fresh).await;
    parts
        .store
        .refresh(&settings.certificates.files)
        .map_err(|error| one(error.into()))?;
    refresh_admin(parts).map_err(|error| one(error.into()))?;
    let protocols = settings.listeners.iter().map(|listener| &listener.protocol);
    parts
        .entrance
        .adopt(
            settings.limits.clone(),
            protocols,
            &settings.certificates,
            &parts.store,
        )
        .map_err(|error| one(error.into()))?;
    export(&parts.store, &parts.metrics);
    assemble::compare_names(&settings, &parts.store);
    parts.metrics.nodes_replaced();
    parts
        .log
        .set_level(&settings.log.level)
        .map_err(|error| one(error.into()))?;
    parts.reception.keeper.store(Arc::new(guarding));
    parts.history.resize(settings.admin.requests);
    parts.lookout.forget();
    parts
        .shared
        .adopt(access, |prefix| Keys::new(prefix, &sealing.keys));
    let nodes: Vec<_> = settings.nodes.iter().map(|node| node.id.clone()).collect();
    let change = parts.ties.retain(&nodes);
    parts.lookout.signing_keys(change, &parts.ties.issuers);
    parts.snapshot.store(Arc::new(fresh));
    if !restart.is_empty() {
        let keys = restart.join(", ");
        tracing::warn!(key = keys, "these settings change only with a restart");
    }
    parts.sealing = sealing;
    parts.running = settings;
    Ok(restart)
}

/// Whether only the machine itself reaches an address.
fn is_own(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Serves the admin listener's certificate as its files are now. Which files these are changes with a restart.
fn refresh_admin(parts: &Parts) -> Result<(), TlsError> {
    if let (Some(store), Some(tls)) = (&parts.reception.store, &parts.running.admin.tls) {
        store.refresh(std::slice::from_ref(&tls.certificate))?;
    }
    Ok(())
}

/// Looks at the certificate files from time to time.
pub(super) struct Certificates {
    store: Arc<CertificateStore>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<Metrics>,
    /// That of the admin listener.
    admin: Option<(Arc<CertificateStore>, CertificateFiles)>,
    told: Option<String>,
}

impl Certificates {
    pub(super) fn new(parts: &Parts) -> Self {
        let this = Self {
            store: Arc::clone(&parts.store),
            snapshot: Arc::clone(&parts.snapshot),
            metrics: Arc::clone(&parts.metrics),
            admin: parts.reception.store.clone().zip(
                parts
                    .running
                    .admin
                    .tls
                    .as_ref()
                    .map(|tls| tls.certificate.clone()),
            ),
            told: None,
        };
        export(&this.store, &this.metrics);
        this
    }

    pub(super) fn interval(&self) -> Duration {
        self.snapshot.load().certificates.recheck
    }

    /// Serves changed files from now on; one that cannot be used leaves the old one in place, and is told once.
    pub(super) fn refresh(&mut self) -> Done {
        let snapshot = self.snapshot.load();
        let files = &snapshot.certificates.files;
        let admin = self
            .admin
            .as_ref()
            .map_or(Ok(Refreshed::Unchanged), |(store, files)| {
                store.refresh(std::slice::from_ref(files))
            });
        match self
            .store
            .refresh(files)
            .and_then(|done| admin.map(|_| done))
        {
            Ok(Refreshed::Unchanged) => self.told = None,
            Ok(Refreshed::Replaced) => {
                self.told = None;
                export(&self.store, &self.metrics);
                tracing::info!(count = files.len(), "certificates replaced");
            }
            Err(error) => {
                let fault = error.to_string();
                if self.told.as_ref() != Some(&fault) {
                    tracing::error!(
                        fault,
                        "new certificate cannot be used: the one of before is served"
                    );
                }
                self.told = Some(fault);
                return Done::No;
            }
        }
        Done::Yes
    }
}

/// Shows until when the certificates are good.
fn export(store: &CertificateStore, metrics: &Metrics) {
    let about = store.about();
    let ends = about.iter().map(|one| {
        let name = one.names.first().map_or("", String::as_str);
        let expires = Duration::from_secs(u64::try_from(one.expires).unwrap_or_default());
        (name, UNIX_EPOCH + expires)
    });
    metrics.certificates_served(ends);
}
