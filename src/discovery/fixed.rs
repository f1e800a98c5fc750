//! Nodes that the operator wrote down.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

/// A node's name could not be turned into addresses.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("{name}: {reason}")]
    Failed { name: String, reason: String },
    #[error("{name}: the name service did not answer in time")]
    TimedOut { name: String },
    #[error("{name}: has no address")]
    Empty { name: String },
}

/// All addresses of `host`, an IP literal or a name, in a stable order.
pub async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    let name = host.to_owned();
    match timeout(PATIENCE, lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let addresses: BTreeSet<SocketAddr> = found.collect();
            if addresses.is_empty() {
                return Err(ResolveError::Empty { name });
            }
            Ok(addresses.into_iter().collect())
        }
        Ok(Err(error)) => Err(ResolveError::Failed {
            name,
            reason: error.to_string(),
        }),
        Err(_) => Err(ResolveError::TimedOut { name }),
    }
}

/// A name service that takes longer is not answering.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_literal_is_its_own_address() {
        let v4 = resolve("127.0.0.1", 80).await.unwrap();
        assert_eq!(v4, [SocketAddr::from(([127, 0, 0, 1], 80))]);
        let v6 = resolve("::1", 8080).await.unwrap();
        assert_eq!(v6, ["[::1]:8080".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_name_nobody_has_is_an_error_that_names_it() {
        let error = resolve("no-such-host.invalid", 80).await.unwrap_err();
        assert!(
            error.to_string().starts_with("no-such-host.invalid: "),
            "{error}"
        );
    }
}
