//! Addresses for foreign servers: every cluster gets a loopback network of its own, so that tests
//! that run at the same time never meet.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

/// A `127.x.y.0/24` that nobody else in this process uses.
#[derive(Debug, Clone, Copy)]
pub struct Subnet {
    high: u8,
    low: u8,
}

impl Subnet {
    /// Takes the next one. The process id spreads test processes that run side by side.
    pub fn take() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id().wrapping_mul(41) + NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            high: 1 + u8::try_from(number / 250 % 250).unwrap(),
            low: 1 + u8::try_from(number % 250).unwrap(),
        }
    }

    /// The address with this last number.
    pub fn host(self, number: usize) -> Ipv4Addr {
        Ipv4Addr::new(127, self.high, self.low, u8::try_from(number).unwrap())
    }
}

/// An address with a port that was free a moment ago, and that nobody in this process was given
/// before. Ports of outgoing connections do not collide with it: the kernel takes those on
/// 127.0.0.1.
pub fn free(host: impl Into<IpAddr>) -> SocketAddr {
    static GIVEN: LazyLock<Mutex<HashSet<SocketAddr>>> = LazyLock::new(Mutex::default);
    let host = host.into();
    loop {
        let listener = TcpListener::bind(SocketAddr::new(host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        if GIVEN.lock().unwrap().insert(address) {
            return address;
        }
    }
}
