//! The way clients come: the public names, and the ports they lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Settings;
use crate::discovery::fixed;
use crate::edge::settings::{Listener, Protocol};
use crate::edge::tls::read_chain;

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::reach::shown_at;
use super::{nearest, parted};

/// Whether the public names lead to this machine, or to something that shows our certificate.
pub(super) async fn public_name(settings: &Settings) -> Outcome {
    let mut found = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for name in &settings.public.names {
        let (host, port) = parted(name);
        let port = port.unwrap_or(443);
        match fixed::resolve(host, port).await {
            Err(error) => found.push(
                Finding::new(
                    Check::PublicName,
                    Severity::Warning,
                    format!("the public name {host} has no address"),
                )
                .told(host, "the name service", error.to_string())
                .remedy("add a DNS record (A, AAAA) for it that names this machine, or the address that instances share"),
            ),
            Ok(addresses) => {
                seen.push(host.to_owned());
                for address in addresses {
                    found.extend(elsewhere(settings, host, address).await);
                }
            }
        }
    }
    // One name with and without a port is one name.
    seen.dedup();
    found.dedup();
    Outcome::of(found, format!("{} leads here", seen.join(", ")))
}

async fn elsewhere(settings: &Settings, host: &str, address: SocketAddr) -> Option<Finding> {
    if is_ours(address.ip()) {
        return None;
    }
    let said = match shown_at(address, host).await {
        Ok(shown) if is_our_certificate(settings, shown.chain.first()) => return None,
        Ok(_) => "shows another certificate than ours".to_owned(),
        Err(why) => why,
    };
    let what = format!("the public name {host} does not lead to this machine");
    Some(
        Finding::new(Check::PublicName, Severity::Warning, what)
            .told(host, "the name service", address.ip().to_string())
            .told(address.to_string(), "a TLS handshake", said)
            .remedy(
                "point the DNS record to this machine. Nothing is wrong when another instance has the shared address at \
                 the moment, or when a proxy before pilotage has a certificate of its own",
            ),
    )
}

/// Whether this machine has the address: then it is its own way there. Nothing is sent. Binding would not tell,
/// because machines that share an address allow that for addresses which they do not have.
fn is_ours(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, DISCARD))?;
        socket.local_addr()
    };
    address.is_loopback() || source().is_ok_and(|source| source.ip() == address)
}

fn is_our_certificate(settings: &Settings, shown: Option<&Vec<u8>>) -> bool {
    let own = settings.certificates.files.iter();
    let leaves = own.filter_map(|pair| {
        let chain = read_chain(&pair.chain_file).ok()?;
        Some(chain.first()?.to_vec())
    });
    let leaves: Vec<_> = leaves.collect();
    shown.is_some_and(|shown| leaves.contains(shown))
}

/// Whether each port is free, or has a pilotage behind it already.
pub(super) async fn ports(settings: &Settings) -> Outcome {
    let mut findings = Vec::new();
    let (mut free, mut ours) = (0, 0);
    for listener in &settings.listeners {
        match port(settings, listener).await {
            Port::Free => free += 1,
            Port::Ours => ours += 1,
            Port::Taken(finding) => findings.push(finding),
        }
    }
    Outcome::of(findings, format!("{free} free, {ours} served by pilotage"))
}

enum Port {
    Free,
    Ours,
    Taken(Finding),
}

async fn port(settings: &Settings, listener: &Listener) -> Port {
    let listening = listener.address;
    if listening.port() == 0 {
        return Port::Free;
    }
    let at = nearest(listening);
    let connected = timeout(PATIENCE, TcpStream::connect(at)).await;
    let Ok(Ok(stream)) = connected else {
        return unbound(listening);
    };
    let (ours, said) = match &listener.protocol {
        Protocol::Https(_) => speaks_tls(settings, at).await,
        Protocol::Redirect => redirects(settings, stream).await,
    };
    if ours {
        return Port::Ours;
    }
    let what = format!("another program listens on {listening}");
    Port::Taken(
        Finding::new(Check::Ports, Severity::Error, what)
            .told(at.to_string(), "connect", said)
            .remedy(format!(
                "stop it (ss -ltnp 'sport = :{}' names it; often nginx, apache2 or Harbor's own proxy on the same \
                 machine), or change the address of that [[listener]]",
                listening.port()
            )),
    )
}

async fn speaks_tls(settings: &Settings, at: SocketAddr) -> (bool, String) {
    let name = settings
        .public
        .names
        .first()
        .map_or("localhost", |name| parted(name).0);
    match shown_at(at, name).await {
        Ok(shown) => {
            let ours = is_our_certificate(settings, shown.chain.first());
            (ours, "shows another certificate than ours".to_owned())
        }
        Err(why) => (false, format!("no TLS: {why}")),
    }
}

/// Our plain port sends everybody to https under the name that was asked for.
async fn redirects(settings: &Settings, mut stream: TcpStream) -> (bool, String) {
    let name = settings
        .public
        .names
        .first()
        .map_or("localhost", |name| parted(name).0);
    let question = format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    let asking = async {
        stream.write_all(question.as_bytes()).await?;
        let mut head = Vec::new();
        let mut limited = stream.take(LONGEST);
        limited.read_to_end(&mut head).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&head).to_ascii_lowercase())
    };
    match timeout(PATIENCE, asking).await {
        Ok(Ok(head)) => {
            let ours = head.contains(&format!("location: https://{}", name.to_ascii_lowercase()));
            let first = head.lines().next().unwrap_or_default().to_owned();
            (
                ours,
                format!("answers {first:?}, and no redirect to https://{name}"),
            )
        }
        Ok(Err(error)) => (false, error.to_string()),
        Err(_) => (false, "does not answer".to_owned()),
    }
}

/// Whether somebody with our rights could listen there. Rights on low ports are the unit's business.
fn unbound(listening: SocketAddr) -> Port {
    match TcpListener::bind(listening) {
        Ok(_) => Port::Free,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Port::Free,
        Err(error) => {
            let what = format!("nobody can listen on {listening}");
            Port::Taken(
                Finding::new(Check::Ports, Severity::Error, what)
                    .told(listening.to_string(), "bind", error.to_string())
                    .remedy("write an address of this machine into that [[listener]] (ip address shows them), or [::]"),
            )
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(3);
const LONGEST: u64 = 16 * 1024;
/// Any port: nothing is sent there.
const DISCARD: u16 = 9;
