//! Our own side: what pilotage needs of this machine.

mod certificates;
mod entrance;
mod files;
mod limits;
mod memory;

use std::net::SocketAddr;
use std::path::Path;

use crate::config::Settings;

use super::catalog::Check;
use super::finding::Outcome;

/// Makes one check of our own side; none when it is not one of ours. `file` is where the settings are from.
pub(super) async fn examine(check: Check, settings: &Settings, file: &Path) -> Option<Outcome> {
    let outcome = match check {
        Check::Certificate => certificates::certificates(settings),
        Check::KeyFiles => files::key_files(settings),
        Check::Spool => files::spool(settings).await,
        Check::Descriptors => limits::descriptors(settings, file),
        Check::PublicName => entrance::public_name(settings).await,
        Check::Ports => entrance::ports(settings).await,
        _ => return None,
    };
    Some(outcome)
}

pub(super) use memory::Redis;

/// A public name without its port, and the port, if it has one.
fn parted(name: &str) -> (&str, Option<u16>) {
    match name.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host.trim_matches(BRACKETS), port.parse().ok())
        }
        Some(_) | None => (name.trim_matches(BRACKETS), None),
    }
}

/// Where one asks for something that listens on this address.
fn nearest(listening: SocketAddr) -> SocketAddr {
    let mut at = listening;
    if at.ip().is_unspecified() {
        at.set_ip(match at {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    at
}

const BRACKETS: [char; 2] = ['[', ']'];
