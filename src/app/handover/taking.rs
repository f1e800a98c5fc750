//! The side that comes after: it asks for the sockets, and says when it serves.

use std::net::TcpListener;
use std::time::Duration;

use rustix::process::geteuid;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::affinity::token::{Key, parse_keys};
use crate::config::Upgrade;
use crate::edge::listen::Inherited;

use super::message::{Message, Offer, Purpose, hear, say};
use super::ordered::Ordered;
use super::{Beginning, HandoverError, VERSION};

/// What came over from the process that serves until now.
#[derive(Debug)]
pub(in crate::app) struct Taken {
    stream: UnixStream,
    clients: Inherited,
    admin: Inherited,
    keys: Vec<Key>,
    ordered: Ordered,
}

/// Asks the running process for its sockets, when that is how we begin.
pub(in crate::app) async fn take(
    upgrade: Option<&Upgrade>,
    beginning: Beginning,
) -> Result<Option<Taken>, HandoverError> {
    match beginning {
        Beginning::Fresh => Ok(None),
        Beginning::Upgrade => {
            let upgrade = upgrade.ok_or(HandoverError::NotConfigured)?;
            let asked = timeout(PATIENCE, Taken::ask(upgrade)).await;
            let silent = |_| HandoverError::Refused {
                reason: "it does not answer; another upgrade may be under way".to_owned(),
            };
            asked.map_err(silent)?.map(Some)
        }
    }
}

impl Taken {
    async fn ask(upgrade: &Upgrade) -> Result<Self, HandoverError> {
        let path = || upgrade.socket.clone();
        let nobody = |source| HandoverError::Nobody {
            path: path(),
            source,
        };
        let stream = UnixStream::connect(&upgrade.socket).await.map_err(nobody)?;
        let uid = stream.peer_cred()?.uid();
        if uid != geteuid().as_raw() && uid != 0 {
            return Err(HandoverError::Stranger { path: path(), uid });
        }
        let (offer, sockets) = match hear(&stream).await? {
            Some((Message::Offer(offer), sockets)) => (offer, sockets),
            Some((Message::Refused { reason }, _)) => {
                return Err(HandoverError::Refused { reason });
            }
            Some((Message::Serving | Message::Released { .. }, _)) => {
                return Err(std::io::Error::from(std::io::ErrorKind::InvalidData).into());
            }
            None => return Err(HandoverError::Ended),
        };
        let Offer {
            version,
            sockets: purposes,
            keys,
            ordered,
        } = offer;
        if version != VERSION {
            return Err(HandoverError::Version { version });
        }
        if purposes.len() != sockets.len() {
            return Err(std::io::Error::other("sockets were lost on the way").into());
        }
        let (mut clients, mut admin) = (Inherited::default(), Inherited::default());
        for (purpose, socket) in purposes.into_iter().zip(sockets) {
            let socket = TcpListener::from(socket);
            match purpose {
                Purpose::Clients(address) => clients.add(address, socket),
                Purpose::Admin(address) => admin.add(address, socket),
            }
        }
        Ok(Self {
            stream,
            clients,
            admin,
            keys: parse_keys(&keys.join("\n")).unwrap_or_default(),
            ordered,
        })
    }

    /// The sockets for clients and that of the admin pages, once.
    pub(in crate::app) fn sockets(&mut self) -> (Inherited, Inherited) {
        let Self { clients, admin, .. } = self;
        (std::mem::take(clients), std::mem::take(admin))
    }

    /// Keys that the other could not keep in a file.
    pub(in crate::app) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// What operators ordered there.
    pub(in crate::app) fn ordered(&self) -> &Ordered {
        &self.ordered
    }

    /// Says that we serve, and waits until the other takes nobody in any more; gives what operators ordered there
    /// in the meantime.
    ///
    /// There is no way back: when the other is gone, or silent, we serve all the same.
    pub(in crate::app) async fn serving(&self) -> Option<Ordered> {
        let told = async {
            say(&self.stream, &Message::Serving, &[]).await?;
            hear(&self.stream).await
        };
        match timeout(PATIENCE, told).await {
            Ok(Ok(Some((Message::Released { ordered }, _)))) => {
                tracing::info!("took over: the process of before lets its last transfers end");
                return ordered;
            }
            Ok(Ok(_)) => tracing::warn!("took over; the process of before did not say farewell"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "took over; the process of before is gone");
            }
            Err(_) => tracing::warn!("took over; the process of before does not answer"),
        }
        None
    }
}

/// How long the running process may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
