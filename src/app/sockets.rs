//! The listening sockets of this process: bound here, or taken over.

use std::io::Write as _;
use std::net::SocketAddr;

use sd_notify::NotifyState;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::config::Settings;
use crate::edge::listen::{Inherited, listen};
use crate::edge::settings::Protocol;

use super::handover::{Beginning, Lent, Purpose, Taken};
use super::{AppError, assemble};

/// All of them, bound before the first is served, so that a port in use refuses the start as a whole.
#[derive(Debug)]
pub(super) struct Sockets<'s> {
    /// Each with what is spoken there.
    pub(super) listeners: Vec<(TcpListener, &'s Protocol)>,
    pub(super) admin: TcpListener,
    /// Handles for whoever comes after us, if that is wanted.
    pub(super) lent: Lent,
    pub(super) bound: Bound,
}

impl<'s> Sockets<'s> {
    /// Binds what the settings name and what has not come over from the process of before or the service manager.
    pub(super) fn bind(
        settings: &'s Settings,
        taken: Option<&mut Taken>,
    ) -> Result<Self, AppError> {
        let (mut clients, mut desk) = taken.map_or_else(
            || (Inherited::from_environment(), Inherited::default()),
            Taken::sockets,
        );
        let addresses: Vec<SocketAddr> = settings.listeners.iter().map(|one| one.address).collect();
        let mut listeners = Vec::new();
        let mut bound = Vec::new();
        let mut lent = Lent::default();
        for wanted in &settings.listeners {
            let listener = listen(wanted.address, &addresses, &mut clients)?;
            bound.push(Listening::of(&listener, &wanted.protocol)?);
            if settings.upgrade.is_some() {
                lent.add(Purpose::Clients(wanted.address), &listener)?;
            }
            listeners.push((listener, &wanted.protocol));
        }
        let admin = listen(settings.admin.address, &[], &mut desk)?;
        if settings.upgrade.is_some() {
            lent.add(Purpose::Admin(settings.admin.address), &admin)?;
        }
        let bound = Bound {
            ready: true,
            listeners: bound,
            admin: admin.local_addr()?,
        };
        Ok(Self {
            listeners,
            admin,
            lent,
            bound,
        })
    }
}

/// The ready line: where clients and the operator really find us.
#[derive(Debug, Serialize)]
pub(super) struct Bound {
    ready: bool,
    listeners: Vec<Listening>,
    admin: SocketAddr,
}

impl Bound {
    /// Where browsers on the plain port are sent: the port that the first https listener really has.
    pub(super) fn https_port(&self) -> u16 {
        let https = self.listeners.iter().find(|one| one.protocol == HTTPS);
        https.map_or(assemble::HTTPS_PORT, |one| one.address.port())
    }

    /// Prints the ready line and tells the service manager.
    pub(super) fn announce(&self, beginning: Beginning) {
        let line = serde_json::to_string(self).unwrap_or_default();
        let mut out = std::io::stdout().lock();
        // Nobody may be reading; that is no reason not to serve.
        drop(writeln!(out, "{line}").and_then(|()| out.flush()));
        for one in &self.listeners {
            tracing::info!(protocol = one.protocol, address = %one.address, "listening");
        }
        tracing::info!(protocol = "admin", address = %self.admin, "listening");
        let ready = match beginning {
            Beginning::Fresh => &[NotifyState::Ready][..],
            // The service manager started another process than the one that serves now.
            Beginning::Upgrade => &[NotifyState::MainPid(std::process::id()), NotifyState::Ready],
        };
        drop(sd_notify::notify(false, ready));
    }
}

/// A listener with the address that it really has.
#[derive(Debug, Serialize)]
struct Listening {
    protocol: &'static str,
    address: SocketAddr,
}

impl Listening {
    fn of(listener: &TcpListener, protocol: &Protocol) -> std::io::Result<Self> {
        let protocol = match protocol {
            Protocol::Https(_) => HTTPS,
            Protocol::Redirect => "redirect",
        };
        Ok(Self {
            protocol,
            address: listener.local_addr()?,
        })
    }
}

/// What the ready line calls a listener that serves the registry.
const HTTPS: &str = "https";
