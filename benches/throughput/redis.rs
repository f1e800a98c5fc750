//! What stands in the place of Redis: a real one, or one that takes connections and never answers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use tokio::time::Instant;

use super::bed::{Bed, free_port};
use super::child::Child;
use super::plan::LOAD_CORE;

/// Dropping it ends what answers.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) address: SocketAddr,
    _process: Option<Child>,
    _socket: Option<TcpListener>,
}

impl Redis {
    /// A server that keeps everything in memory, beside the load.
    pub(crate) fn start(bed: &Bed) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let port = address.port().to_string();
        let arguments = [
            "--bind",
            "127.0.0.1",
            "--port",
            &port,
            "--save",
            "",
            "--appendonly",
            "no",
        ];
        let log = bed.path("redis.err");
        let mut process = Child::start(LOAD_CORE, "redis-server".as_ref(), &arguments, &log);
        process.print_to(&bed.path("redis.log"));
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "redis-server is silent");
            sleep(Duration::from_millis(20));
        }
        Self {
            address,
            _process: Some(process),
            _socket: None,
        }
    }

    /// As a server that hangs: the kernel takes connections for it.
    pub(crate) fn silent() -> Self {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self {
            address: socket.local_addr().unwrap(),
            _process: None,
            _socket: Some(socket),
        }
    }
}
