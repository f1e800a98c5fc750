//! The sockets that clients connect to.
//!
//! A socket is either bound here or taken over from the service manager, which may bind privileged ports for us.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use pingora::apps::ServerApp;
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::accept::{Doors, Welcome};

/// A listening socket cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{}", hint(source))]
pub struct ListenError {
    pub address: SocketAddr,
    pub source: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need the capability CAP_NET_BIND_SERVICE or a systemd socket unit"
        }
        io::ErrorKind::AddrInUse => "; another program listens there already",
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}

/// Sockets that the service manager has bound for us, by address.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(SocketAddr, std::net::TcpListener)>,
}

impl Inherited {
    /// Takes the sockets over from the environment (`LISTEN_FDS`).
    pub fn from_environment() -> Self {
        let mut given = ListenFd::from_env();
        let taken = (0..given.len()).filter_map(|index| {
            let socket = given.take_tcp_listener(index).ok().flatten()?;
            Some((socket.local_addr().ok()?, socket))
        });
        Self {
            sockets: taken.collect(),
        }
    }

    fn take(&mut self, address: SocketAddr) -> Option<std::net::TcpListener> {
        let found = self
            .sockets
            .iter()
            .position(|(bound, _)| *bound == address)?;
        Some(self.sockets.swap_remove(found).1)
    }
}

/// Listens on `address`, on a socket of the service manager if there is one for it.
///
/// `[::]` listens on IPv4 too. Must be called inside a tokio runtime.
pub fn listen(address: SocketAddr, inherited: &mut Inherited) -> Result<TcpListener, ListenError> {
    let socket = match inherited.take(address) {
        Some(socket) => Ok(socket),
        None => bind(address),
    };
    let listener = socket.and_then(|socket| {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    });
    listener.map_err(|source| ListenError { address, source })
}

fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(SocketProtocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts clients until the server stops, then waits for those that are in.
///
/// The socket is closed as soon as the stop is signalled. Dropping the future ends all its connections.
pub(super) async fn accept_all<A: ServerApp + Send + Sync + 'static>(
    listener: TcpListener,
    doors: Arc<Doors<A>>,
    welcome: Arc<Welcome>,
) {
    let mut connections = JoinSet::new();
    let mut stop = doors.stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    let Some(place) = doors.admit(peer) else { continue };
                    let (doors, welcome) = (Arc::clone(&doors), Arc::clone(&welcome));
                    connections.spawn(async move {
                        doors.receive(socket, peer, &welcome).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of descriptors: those that are in must end before others can come.
                    tracing::warn!(fault = %error, "accept failed");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = async { drop(stop.wait_for(|stopped| *stopped).await) } => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Clients that may wait to be accepted; the kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;

/// How long to wait when the system refuses further sockets.
const PAUSE: Duration = Duration::from_millis(200);
