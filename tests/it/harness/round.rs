//! What stands before several instances: each connection goes to the next one that takes it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A relay of connections in turn. It ends when this drops.
#[derive(Debug)]
pub struct RoundRobin {
    pub address: SocketAddr,
    behind: Arc<Mutex<Vec<SocketAddr>>>,
    _serving: JoinSet<()>,
}

impl RoundRobin {
    /// On a listener that was bound before what stands behind it.
    pub fn start(listener: TcpListener, behind: Vec<SocketAddr>) -> Self {
        let address = listener.local_addr().unwrap();
        let behind = Arc::new(Mutex::new(behind));
        let (turn, members) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&behind));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut relays = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let members = members.lock().unwrap().clone();
                relays.spawn(relay(client, members, Arc::clone(&turn)));
            }
        });
        Self {
            address,
            behind,
            _serving: serving,
        }
    }

    /// New connections go to these from now on.
    pub fn send_to(&self, behind: Vec<SocketAddr>) {
        *self.behind.lock().unwrap() = behind;
    }
}

async fn relay(mut client: TcpStream, behind: Vec<SocketAddr>, turn: Arc<AtomicUsize>) {
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for number in 0..behind.len() {
        let next = (first + number) % behind.len();
        if let Ok(mut instance) = TcpStream::connect(behind[next]).await {
            drop(copy_bidirectional(&mut client, &mut instance).await);
            return;
        }
    }
}
