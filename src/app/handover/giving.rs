//! The side that serves: it offers its sockets, and lets go of them when another serves.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use rustix::process::geteuid;
use tokio::net::{TcpListener, UnixStream};
use tokio::time::timeout;

use crate::affinity::token::Key;

use super::message::{Message, Offer, Purpose, hear, say};
use super::ordered::Ordered;
use super::place::Bound;
use super::{HandoverError, VERSION};

/// Second handles of the listening sockets. A port stays open as long as one of them does.
#[derive(Debug, Default)]
pub(in crate::app) struct Lent {
    sockets: Vec<(Purpose, std::net::TcpListener)>,
}

impl Lent {
    /// Adds a socket.
    pub(in crate::app) fn add(
        &mut self,
        purpose: Purpose,
        listener: &TcpListener,
    ) -> std::io::Result<()> {
        let second = listener.as_fd().try_clone_to_owned()?;
        self.sockets.push((purpose, second.into()));
        Ok(())
    }
}

/// What stands ready for whoever comes after us.
pub(in crate::app) struct Giving {
    place: Bound,
    lent: Lent,
    keys: Vec<Key>,
    ordered: Box<dyn Fn() -> Ordered + Send + Sync>,
}

/// Somebody else serves, and waits to hear that we do not any more.
#[derive(Debug)]
pub(in crate::app) struct Released {
    stream: UnixStream,
    /// What he knows of the orders of operators.
    known: Ordered,
}

impl Released {
    /// Tells the other that no client comes to us any more, and what was `ordered` until now.
    pub(in crate::app) async fn tell(self, ordered: Ordered) {
        let ordered = (ordered != self.known).then_some(ordered);
        // He serves, whether or not he hears it.
        let farewell = Message::Released { ordered };
        drop(timeout(ANSWER, say(&self.stream, &farewell, &[])).await);
    }
}

impl Giving {
    /// Takes its place at `path`; `keys` are those that no file holds, `ordered` says what operators want by then.
    pub(in crate::app) fn open(
        path: &Path,
        lent: Lent,
        keys: Vec<Key>,
        ordered: impl Fn() -> Ordered + Send + Sync + 'static,
    ) -> Result<Self, HandoverError> {
        let place = Bound::new(path)?;
        let ordered = Box::new(ordered);
        Ok(Self {
            place,
            lent,
            keys,
            ordered,
        })
    }

    /// Offers the sockets to one process after the other, until one of them serves.
    ///
    /// Dropping the future breaks an upgrade that has begun; the sockets stay ours.
    pub(in crate::app) async fn given(&self) -> Released {
        loop {
            let stream = match self.place.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "nobody can be let in at the upgrade socket");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            match self.offer(&stream).await {
                Ok(known) => return Released { stream, known },
                Err(error) => tracing::warn!(
                    %error,
                    "upgrade given up: this process goes on as if nothing had happened"
                ),
            }
        }
    }

    /// What operators want now.
    pub(in crate::app) fn ordered(&self) -> Ordered {
        (self.ordered)()
    }

    /// Hands everything over to one process; gives the orders that it knows of then.
    async fn offer(&self, stream: &UnixStream) -> Result<Ordered, HandoverError> {
        let uid = stream.peer_cred()?.uid();
        if uid != geteuid().as_raw() && uid != 0 {
            let reason = "only the user that runs pilotage may take over".to_owned();
            drop(timeout(ANSWER, say(stream, &Message::Refused { reason }, &[])).await);
            return Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied).into());
        }
        tracing::info!("another process asks for the listening sockets");
        let sockets: Vec<_> = self
            .lent
            .sockets
            .iter()
            .map(|(_, one)| one.as_fd())
            .collect();
        let ordered = self.ordered();
        let offer = Message::Offer(Offer {
            version: VERSION,
            sockets: self.lent.sockets.iter().map(|(one, _)| *one).collect(),
            keys: self.keys.iter().map(Key::encode).collect(),
            ordered: ordered.clone(),
        });
        let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
        timeout(ANSWER, say(stream, &offer, &sockets))
            .await
            .map_err(late)??;
        match timeout(READY, hear(stream)).await.map_err(late)?? {
            Some((Message::Serving, _)) => Ok(ordered),
            Some(_) => Err(std::io::Error::from(std::io::ErrorKind::InvalidData).into()),
            None => Err(HandoverError::Ended),
        }
    }
}

/// How long the other may take to read what fits into a socket's buffer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the other may take until it serves: names to resolve, nodes to probe.
const READY: Duration = Duration::from_mins(5);
/// How long to wait when the system refuses further sockets.
const PAUSE: Duration = Duration::from_secs(1);
