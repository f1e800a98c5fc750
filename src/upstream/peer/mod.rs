//! A node as something to connect to. "Peer" is the proxy library's word for it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use pingora::protocols::tls::CaType;
use pingora::protocols::{Digest, TcpKeepalive};
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::settings::{NodeScheme, NodeSettings, Timeouts, Verify};

/// The authorities of a node cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("node {node}: {path}: {reason}")]
pub struct TargetError {
    pub node: String,
    pub path: PathBuf,
    pub reason: String,
}

/// The certificate that a node showed is not the pinned one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate does not have the pinned fingerprint")]
pub struct WrongFingerprint;

/// Whether a redirect taught something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learnt {
    New,
    Nothing,
}

/// Which of the timers an exchange needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Reads: an answer begins within seconds.
    Read,
    /// Writes and everything else: the answer to a commit may take minutes.
    Commit,
}

/// One node with its addresses and what makes its certificate trustworthy.
pub struct Target {
    settings: NodeSettings,
    addresses: ArcSwap<Vec<SocketAddr>>,
    /// Those of the addresses where the latest probe found nobody.
    silent: ArcSwap<Vec<SocketAddr>>,
    turn: AtomicUsize,
    authorities: Option<Arc<CaType>>,
    learnt: ArcSwapOption<Secure>,
    group: u64,
}

/// Where a node that was written down with http wants to be spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Secure {
    name: String,
    port: u16,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// Reads what the node's certificate is verified with. It has no address until one is set.
    ///
    /// Connections of another `generation` are never used: they may have been verified otherwise.
    pub fn open(settings: NodeSettings, generation: u64) -> Result<Self, TargetError> {
        let authorities = match &settings.scheme {
            NodeScheme::Https {
                verify: Verify::Authority { ca_file },
                ..
            } => {
                let authorities = read_authorities(ca_file).map_err(|reason| TargetError {
                    node: settings.id.to_string(),
                    path: ca_file.clone(),
                    reason,
                })?;
                Some(authorities)
            }
            NodeScheme::Https {
                verify: Verify::System | Verify::Fingerprint(_),
                ..
            }
            | NodeScheme::Http => None,
        };
        let group = xxh3_64_with_seed(settings.id.as_str().as_bytes(), generation);
        Ok(Self {
            settings,
            addresses: ArcSwap::default(),
            silent: ArcSwap::default(),
            turn: AtomicUsize::new(0),
            authorities,
            learnt: ArcSwapOption::empty(),
            group,
        })
    }

    /// What the operator wrote down.
    pub fn settings(&self) -> &NodeSettings {
        &self.settings
    }

    /// All addresses of the node, as resolved last.
    pub fn addresses(&self) -> Arc<Vec<SocketAddr>> {
        self.addresses.load_full()
    }

    /// Connects to these addresses from now on.
    pub fn resolve_to(&self, addresses: Vec<SocketAddr>) {
        self.addresses.store(Arc::new(addresses));
    }

    /// Leaves these addresses out from now on, unless there is no other.
    pub fn avoid(&self, silent: Vec<SocketAddr>) {
        self.silent.store(Arc::new(silent));
    }

    /// Takes the word of a node that redirects http to https: from now on it is spoken to over TLS, at the same
    /// addresses and under the name it gave, verified with the system's authorities.
    ///
    /// Nothing changes for a node that was written down with https.
    pub fn learn_https(&self, location: &str) -> Learnt {
        let uri: Option<http::Uri> = location.parse().ok();
        let secure = uri
            .filter(|uri| uri.scheme_str() == Some("https"))
            .and_then(|uri| {
                let name = uri.host()?.trim_matches(['[', ']']).to_owned();
                Some(Secure {
                    name,
                    port: uri.port_u16().unwrap_or(443),
                })
            });
        match (&self.settings.scheme, secure) {
            (NodeScheme::Http, Some(secure)) if self.learnt.load().as_deref() != Some(&secure) => {
                self.learnt.store(Some(Arc::new(secure)));
                Learnt::New
            }
            (NodeScheme::Http | NodeScheme::Https { .. }, _) => Learnt::Nothing,
        }
    }

    /// The peer for one exchange, or `None` while the node's name has no address.
    ///
    /// A node with several addresses is asked at each in turn, but for those where nobody answers.
    pub fn peer(&self, timeouts: &Timeouts, pace: Pace) -> Option<HttpPeer> {
        let (addresses, silent) = (self.addresses.load(), self.silent.load());
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let lively = || addresses.iter().filter(|one| !silent.contains(one));
        let address = match turn.checked_rem(lively().count()) {
            Some(turn) => lively().nth(turn),
            None => addresses.get(turn.checked_rem(addresses.len())?),
        };
        Some(self.peer_at(*address?, timeouts, pace))
    }

    /// The peer for one exchange with the node at one of its addresses.
    pub fn peer_at(&self, address: SocketAddr, timeouts: &Timeouts, pace: Pace) -> HttpPeer {
        let mut peer = match &self.settings.scheme {
            NodeScheme::Http => match &*self.learnt.load() {
                None => HttpPeer::new(address, false, String::new()),
                Some(secure) => {
                    let address = SocketAddr::new(address.ip(), secure.port);
                    HttpPeer::new(address, true, secure.name.clone())
                }
            },
            NodeScheme::Https { name, verify } => {
                let mut peer = HttpPeer::new(address, true, name.clone());
                // The fingerprint is compared before the first byte is sent.
                let pinned = matches!(verify, Verify::Fingerprint(_));
                peer.options.verify_cert = !pinned;
                peer.options.verify_hostname = !pinned;
                peer.options.ca.clone_from(&self.authorities);
                peer
            }
        };
        peer.group_key = self.group;
        let options = &mut peer.options;
        options.connection_timeout = Some(timeouts.connect);
        options.total_connection_timeout = Some(timeouts.connect);
        options.read_timeout = Some(match pace {
            Pace::Read => timeouts.read,
            Pace::Commit => timeouts.commit,
        });
        options.write_timeout = Some(timeouts.write);
        options.idle_timeout = Some(timeouts.idle);
        options.tcp_keepalive = Some(KEEPALIVE);
        peer
    }

    /// Compares a pinned fingerprint with the certificate of the connection; other nodes were verified by TLS.
    pub fn verify(&self, digest: Option<&Digest>) -> Result<(), WrongFingerprint> {
        let NodeScheme::Https {
            verify: Verify::Fingerprint(pinned),
            ..
        } = &self.settings.scheme
        else {
            return Ok(());
        };
        let shown = digest.and_then(|digest| digest.ssl_digest.as_ref());
        match shown {
            Some(shown) if shown.cert_digest == pinned => Ok(()),
            Some(_) | None => Err(WrongFingerprint),
        }
    }
}

fn read_authorities(path: &PathBuf) -> Result<Arc<CaType>, String> {
    let text = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut authorities = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| format!("is not PEM: {error}"))?;
        X509Certificate::from_der(&certificate)
            .map_err(|error| format!("holds a certificate that cannot be understood: {error}"))?;
        authorities.push(WrappedX509::new(certificate.to_vec(), parse_x509));
    }
    if authorities.is_empty() {
        return Err("holds no PEM certificate".to_owned());
    }
    Ok(authorities.into())
}

/// Finds a node whose host vanished while it owes an answer.
const KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(30),
    interval: Duration::from_secs(10),
    count: 3,
    user_timeout: Duration::from_mins(1),
};

#[cfg(test)]
mod tests;
