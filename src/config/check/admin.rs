//! `[admin]`: where operators ask, and who may.

use std::net::SocketAddr;

use crate::config::file;
use crate::config::kind::Switch;
use crate::config::problem::Problems;
use crate::config::table::Raw;
use crate::control::settings::{AdminSettings, AdminTls, NumbersPage};
use crate::edge::settings::{CertificateFiles, Listener};

use super::value;

/// The admin listener, which must not collide with the others.
pub(in crate::config) fn admin(
    problems: &mut Problems,
    raw: &file::Admin,
    listeners: &[Listener],
) -> Option<AdminSettings> {
    let address = value::address(problems, &raw.address)?;
    let token_file = value::optional_path(problems, &raw.token_file);
    let tls = tls(problems, raw);
    let requests = value::number(problems, &raw.requests, 0..=100_000);
    let by_token = token_file.as_ref().is_none_or(Option::is_some);
    let by_certificate = !raw.client_ca_file.value.is_empty();
    let guarded = by_token || by_certificate;
    if !address.ip().to_canonical().is_loopback() && !guarded {
        let what = format!("{address} can be reached by others, and it asks for no password");
        let hint = format!(
            "set admin.token_file, or write \"127.0.0.1:{}\" or \"[::1]:{0}\"",
            address.port()
        );
        return problems.refuse(&raw.address, what, hint);
    }
    if let Some(taken) = listeners
        .iter()
        .find(|listener| collide(listener.address, address))
    {
        let what = format!("{address} is taken by the listener on {}", taken.address);
        return problems.refuse(&raw.address, what, "write another port");
    }
    let numbers = match raw.open_metrics.value {
        Switch::On => NumbersPage::Everybody,
        Switch::Off => NumbersPage::Operators,
    };
    Some(AdminSettings {
        address,
        token_file: token_file?,
        tls: tls?,
        numbers,
        requests: requests?,
    })
}

/// TLS of the admin listener, where it has a certificate.
#[expect(
    clippy::option_option,
    reason = "the outer none is a problem, the inner one is none wanted"
)]
fn tls(problems: &mut Problems, raw: &file::Admin) -> Option<Option<AdminTls>> {
    let empty = |raw: &Raw<String>| raw.value.is_empty();
    if empty(&raw.chain_file) && empty(&raw.key_file) {
        if !empty(&raw.client_ca_file) {
            let what = "needs a certificate of our own: without TLS nobody shows one";
            let hint = "set admin.chain_file and admin.key_file";
            return problems.refuse(&raw.client_ca_file, what, hint);
        }
        return Some(None);
    }
    let chain_file = value::path(problems, &raw.chain_file);
    let key_file = value::path(problems, &raw.key_file);
    let client_ca_file = value::optional_path(problems, &raw.client_ca_file);
    Some(Some(AdminTls {
        certificate: CertificateFiles {
            chain_file: chain_file?,
            key_file: key_file?,
        },
        client_ca_file: client_ca_file?,
    }))
}

/// Whether both cannot be bound at one time. An unspecified IPv6 address may stand for IPv4 too.
fn collide(listener: SocketAddr, admin: SocketAddr) -> bool {
    let covers = match (listener, admin) {
        (SocketAddr::V6(listener), _) if listener.ip().is_unspecified() => true,
        (SocketAddr::V4(listener), SocketAddr::V4(_)) if listener.ip().is_unspecified() => true,
        _ => listener.ip() == admin.ip(),
    };
    covers && listener.port() == admin.port() && admin.port() != 0
}
