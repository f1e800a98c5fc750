//! The sockets that clients connect to.
//!
//! A socket is bound here, or taken over: from the service manager, which may bind privileged ports for us, or from
//! the process that we come after.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use pingora::apps::ServerApp;
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::accept::{Doors, Phase, Welcome};

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
        io::ErrorKind::AddrInUse => "; another program or another listener has that port already",
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}

/// Sockets that are bound already, by the address that is asked for.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(SocketAddr, std::net::TcpListener)>,
}

impl Inherited {
    /// Takes those of the service manager over from the environment (`LISTEN_FDS`).
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

    /// Adds one that was bound where `address` was asked for.
    pub fn add(&mut self, address: SocketAddr, socket: std::net::TcpListener) {
        self.sockets.push((address, socket));
    }

    fn take(&mut self, address: SocketAddr) -> Option<std::net::TcpListener> {
        let found = self
            .sockets
            .iter()
            .position(|(bound, _)| *bound == address)?;
        Some(self.sockets.remove(found).1)
    }
}

/// Listens on `address`, on a socket that is bound already if there is one for it.
///
/// `[::]` listens on IPv4 too, unless `0.0.0.0` with the same port is among `listeners`, the addresses of all
/// listeners. Must be called inside a tokio runtime.
pub fn listen(
    address: SocketAddr,
    listeners: &[SocketAddr],
    inherited: &mut Inherited,
) -> Result<TcpListener, ListenError> {
    let socket = match inherited.take(address) {
        Some(socket) => Ok(socket),
        None => bind(address, families(address, listeners)),
    };
    let listener = socket.and_then(|socket| {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    });
    listener.map_err(|source| ListenError { address, source })
}

/// Whose clients an IPv6 socket takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Families {
    Both,
    SixAlone,
}

fn families(address: SocketAddr, listeners: &[SocketAddr]) -> Families {
    let four = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    // Port 0 is another free port for each, so nothing collides.
    if address.port() != 0 && listeners.contains(&four) {
        Families::SixAlone
    } else {
        Families::Both
    }
}

fn bind(address: SocketAddr, families: Families) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(SocketProtocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(families == Families::SixAlone)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts clients until the doors close, then waits for those that are in.
///
/// The socket is closed as soon as the doors are. Dropping the future ends all its connections.
pub(super) async fn accept_all<A: ServerApp + Send + Sync + 'static>(
    listener: TcpListener,
    doors: Arc<Doors<A>>,
    welcome: Arc<Welcome>,
) {
    let mut connections = JoinSet::new();
    let mut phase = doors.phase.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(client) => take_in(client, &doors, &welcome, &mut connections),
                Err(error) => {
                    // Out of descriptors: those that are in must end before others can come.
                    tracing::warn!(fault = %error, "accept failed");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = async { drop(phase.wait_for(|phase| *phase == Phase::Closed).await) } => break,
        }
    }
    for client in waiting(listener) {
        take_in(client, &doors, &welcome, &mut connections);
    }
    while connections.join_next().await.is_some() {}
}

/// Closes the socket, and gives all whom the system has already let in: they would be cut off with it.
///
/// The system itself is asked. The runtime hears of clients a little later, and lets a task have only so many at a
/// time.
fn waiting(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut clients = Vec::new();
    let Ok(listener) = listener.into_std() else {
        return clients;
    };
    for _ in 0..BACKLOG {
        match listener.accept() {
            Ok((socket, peer)) => {
                let socket = socket
                    .set_nonblocking(true)
                    .and_then(|()| TcpStream::from_std(socket));
                clients.extend(socket.map(|socket| (socket, peer)));
            }
            // Somebody who did not wait.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => break,
        }
    }
    clients
}

/// Serves a client in a task of `connections`, if there is a place.
fn take_in<A: ServerApp + Send + Sync + 'static>(
    (socket, peer): (TcpStream, SocketAddr),
    doors: &Arc<Doors<A>>,
    welcome: &Arc<Welcome>,
    connections: &mut JoinSet<()>,
) {
    let Some(place) = doors.admit(peer) else {
        return;
    };
    let (doors, welcome) = (Arc::clone(doors), Arc::clone(welcome));
    connections.spawn(async move {
        doors.receive(socket, peer, &welcome).await;
        drop(place);
    });
}

/// Clients that may wait to be accepted; the kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;

/// How long to wait when the system refuses further sockets.
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn open(text: &str) -> TcpListener {
        listen(address(text), &[], &mut Inherited::default()).unwrap()
    }

    /// A port that was free on all addresses just now.
    fn free_port() -> u16 {
        let probe = bind(address("[::]:0"), Families::Both).unwrap();
        probe.local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn all_addresses_of_version_six_are_those_of_version_four_too() {
        let listener = open("[::]:0");
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "::1"] {
            TcpStream::connect((host, port)).await.expect(host);
            listener.accept().await.unwrap();
        }
    }

    #[tokio::test]
    async fn both_wildcards_bind_on_one_port_in_either_order() {
        for turn in 0..2 {
            let port = free_port();
            let mut both = [("::", port), ("0.0.0.0", port)]
                .map(|(host, port)| SocketAddr::new(host.parse().unwrap(), port));
            both.rotate_left(turn);
            let mut inherited = Inherited::default();
            let listeners = both.map(|address| listen(address, &both, &mut inherited).unwrap());
            for (address, listener) in both.iter().zip(listeners) {
                let host = if address.is_ipv6() {
                    "::1"
                } else {
                    "127.0.0.1"
                };
                TcpStream::connect((host, port)).await.expect(host);
                let (_, peer) = listener.accept().await.unwrap();
                assert_eq!(peer.ip().to_string(), host);
            }
        }
    }

    #[tokio::test]
    async fn whoever_was_let_in_by_the_system_is_found_however_many_they_are() {
        let listener = open("127.0.0.1:0");
        let address = listener.local_addr().unwrap();
        let connected = || std::net::TcpStream::connect(address).unwrap();
        let clients: Vec<_> = (0..MANY).map(|_| connected()).collect();
        let found = waiting(listener);
        let mut peers: Vec<_> = found.iter().map(|(_, peer)| *peer).collect();
        let mut came: Vec<_> = clients
            .iter()
            .map(|one| one.local_addr().unwrap())
            .collect();
        peers.sort();
        came.sort();
        assert_eq!(peers, came);
        assert!(
            std::net::TcpStream::connect(address).is_err(),
            "the port is closed"
        );
    }

    /// More than the runtime lets a task have at a time.
    const MANY: usize = 300;

    #[test]
    fn only_all_of_version_four_on_the_same_port_keep_their_clients() {
        let families = |listener: &str, other: &str| families(address(listener), &[address(other)]);
        assert_eq!(families("[::]:443", "0.0.0.0:443"), Families::SixAlone);
        assert_eq!(families("[::]:443", "0.0.0.0:80"), Families::Both);
        assert_eq!(families("[::]:443", "10.0.0.1:443"), Families::Both);
        assert_eq!(families("[::]:0", "0.0.0.0:0"), Families::Both);
    }

    #[tokio::test]
    async fn a_port_in_use_is_explained() {
        let held = open("127.0.0.1:0");
        let taken = held.local_addr().unwrap();
        let error = listen(taken, &[], &mut Inherited::default()).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with(&format!("cannot listen on {taken}: ")),
            "{message}"
        );
        assert!(
            message.ends_with("another listener has that port already"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_explained() {
        let foreign = address("192.0.2.1:0");
        let error = listen(foreign, &[], &mut Inherited::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("this machine does not have that address"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_socket_of_the_service_manager_is_preferred_and_used_once() {
        let given = bind(address("127.0.0.1:0"), Families::Both).unwrap();
        let bound = given.local_addr().unwrap();
        let mut inherited = Inherited {
            sockets: vec![(bound, given)],
        };
        let other = listen(address("127.0.0.1:0"), &[], &mut inherited).unwrap();
        assert_ne!(
            other.local_addr().unwrap(),
            bound,
            "another address is bound"
        );
        let listener = listen(bound, &[], &mut inherited).expect("binding would fail");
        assert_eq!(listener.local_addr().unwrap(), bound);
        assert!(inherited.sockets.is_empty());
        TcpStream::connect(bound).await.unwrap();
        listener.accept().await.unwrap();
    }
}
