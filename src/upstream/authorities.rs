//! The authorities of the system, which the connections to nodes are made with.

use pingora::tls::{RootCertStore, load_platform_certs_incl_env_into_store};

/// The certificates of the system's authorities cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the system's certificates of authorities cannot be read: {0}; install Debian's ca-certificates, or let \
     SSL_CERT_FILE name a file with at least one certificate in PEM"
)]
pub struct AuthoritiesError(String);

/// Whether connections to nodes can be made at all.
///
/// The proxy library reads the authorities for every connector, also where no node has a certificate of theirs,
/// and panics if it cannot. So it is tried before.
pub fn check_authorities() -> Result<(), AuthoritiesError> {
    let mut store = RootCertStore::empty();
    let read = load_platform_certs_incl_env_into_store(&mut store);
    read.map_err(|error| {
        let cause = error.cause.as_ref().map(ToString::to_string);
        AuthoritiesError(cause.unwrap_or_else(|| error.to_string()))
    })
}
