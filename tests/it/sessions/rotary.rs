//! One address before several balancers: each connection goes to the next of them, as DNS or a virtual address
//! would send it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A relay that takes turns. It lives on the runtime of the test.
#[derive(Debug)]
pub(super) struct Rotary {
    address: SocketAddr,
    behind: Arc<Mutex<Vec<SocketAddr>>>,
    task: JoinHandle<()>,
}

impl Rotary {
    /// Listens, with nobody behind it yet.
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind = Arc::<Mutex<Vec<SocketAddr>>>::default();
        let turns = Arc::clone(&behind);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { relay(client, &turns).await });
            }
        });
        Self {
            address,
            behind,
            task,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn before(&self, balancers: Vec<SocketAddr>) {
        *self.behind.lock().unwrap() = balancers;
    }
}

impl Drop for Rotary {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// To whose turn it is; one that is gone is left out.
async fn relay(mut client: TcpStream, behind: &Mutex<Vec<SocketAddr>>) {
    let count = behind.lock().unwrap().len();
    for _ in 0..count {
        let next = {
            let mut behind = behind.lock().unwrap();
            behind.rotate_left(1);
            behind[0]
        };
        if let Ok(mut balancer) = TcpStream::connect(next).await {
            drop(copy_bidirectional(&mut client, &mut balancer).await);
            return;
        }
    }
}
