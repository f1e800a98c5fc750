//! Where clients come in: names, listeners and certificates.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use crate::config::file;
use crate::config::kind::Switch;
use crate::config::problem::Problems;
use crate::config::table::Raw;
use crate::edge::settings::{
    CertificateFiles, Certificates, ClientCertificate, Http2, Listener, Protocol, Public, Tls,
    TlsVersion,
};
use crate::rewrite::LocationForm;

use super::authority::{self, Authority};
use super::value;

/// The names clients use.
pub(super) fn public(problems: &mut Problems, raw: &file::Public) -> Option<Public> {
    if raw.names.value.is_empty() {
        let hint = "write the name clients use, such as names = [\"registry.example.com\"]";
        problems.refuse::<_, ()>(&raw.names, "is empty", hint);
    }
    let names = value::each(problems, &raw.names.value, public_name);
    let twins = raw.names.value.iter().map(|name| (name, &name.value));
    value::refuse_twins(problems, twins, "write each name once");
    let forms = [
        ("absolute", LocationForm::Absolute),
        ("path", LocationForm::Path),
    ];
    let location = value::choice(problems, &raw.location, &forms);
    let trusted_proxies = value::each(problems, &raw.trusted_proxies.value, network);
    Some(Public {
        names: names?,
        location: location?,
        trusted_proxies: trusted_proxies?,
    })
}

fn public_name(problems: &mut Problems, raw: &Raw<String>) -> Option<String> {
    match Authority::parse(&raw.value) {
        Ok(authority) => Some(authority.to_string()),
        Err(what) => {
            let hint = authority::hint(&raw.value, "registry.example.com");
            problems.refuse(raw, what, hint)
        }
    }
}

fn network(problems: &mut Problems, raw: &Raw<String>) -> Option<IpNet> {
    if let Ok(network) = raw.value.parse() {
        return Some(network);
    }
    let hint = match raw.value.parse::<IpAddr>().map(IpNet::from) {
        Ok(network) => format!("write \"{network}\""),
        Err(_) => "write an address and a length, such as \"10.0.0.0/8\"".to_owned(),
    };
    problems.refuse(raw, format!("{:?} is not a network", raw.value), hint)
}

/// All listeners; https and redirect on their usual ports when none is written.
pub(super) fn listeners(
    problems: &mut Problems,
    raw: &Raw<Vec<file::Listener>>,
) -> Option<Vec<Listener>> {
    if raw.value.is_empty() {
        return Some(usual_listeners());
    }
    let listeners = value::each(problems, &raw.value, listener);
    let addresses = raw.value.iter().filter_map(|listener| {
        let address: SocketAddr = listener.address.value.parse().ok()?;
        (address.port() != 0).then_some((&listener.address, address))
    });
    value::refuse_twins(problems, addresses, "write another port or address");
    let listeners = listeners?;
    if !listeners.iter().any(is_https) {
        let hint = "write a [[listener]] with protocol = \"https\"";
        return problems.refuse(raw, "serves no https, so no client can push or pull", hint);
    }
    Some(listeners)
}

fn listener(problems: &mut Problems, raw: &file::Listener) -> Option<Listener> {
    let address = value::address(problems, &raw.address);
    let words = [("https", Spoken::Https), ("redirect", Spoken::Redirect)];
    let protocol = match value::choice(problems, &raw.protocol, &words)? {
        Spoken::Https => https(problems, raw),
        Spoken::Redirect => {
            refuse_tls_keys(problems, raw);
            Some(Protocol::Redirect)
        }
    };
    Some(Listener {
        address: address?,
        protocol: protocol?,
    })
}

#[derive(Clone, Copy)]
enum Spoken {
    Https,
    Redirect,
}

fn https(problems: &mut Problems, raw: &file::Listener) -> Option<Protocol> {
    let versions = [("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)];
    let minimum = value::choice(problems, &raw.minimum_tls, &versions);
    let http2 = match raw.http2.value {
        Switch::On => Http2::Offered,
        Switch::Off => Http2::Withheld,
    };
    let client_certificate = client_certificate(problems, raw);
    Some(Protocol::Https(Tls {
        minimum: minimum?,
        http2,
        client_certificate: client_certificate?,
    }))
}

/// A redirect listener knows no TLS: keys that speak of it are a misunderstanding.
fn refuse_tls_keys(problems: &mut Problems, raw: &file::Listener) {
    const WHAT: &str = "has no meaning on a redirect listener, which is plain HTTP";
    const HINT: &str = "take it out, or write protocol = \"https\"";
    let texts = [
        &raw.minimum_tls,
        &raw.client_certificate,
        &raw.client_ca_file,
    ];
    for key in texts.into_iter().filter(|key| key.is_written()) {
        problems.refuse::<_, ()>(key, WHAT, HINT);
    }
    if raw.http2.is_written() {
        problems.refuse::<_, ()>(&raw.http2, WHAT, HINT);
    }
}

fn client_certificate(problems: &mut Problems, raw: &file::Listener) -> Option<ClientCertificate> {
    type Asking = Option<fn(PathBuf) -> ClientCertificate>;
    let words: [(&str, Asking); 3] = [
        ("ignored", None),
        (
            "optional",
            Some(|ca_file| ClientCertificate::Optional { ca_file }),
        ),
        (
            "required",
            Some(|ca_file| ClientCertificate::Required { ca_file }),
        ),
    ];
    let asking = value::choice(problems, &raw.client_certificate, &words)?;
    let given = !raw.client_ca_file.value.is_empty();
    match asking {
        None if given => {
            let what = "has no effect while client certificates are ignored";
            let hint = "write client_certificate = \"optional\" or \"required\", or take it out";
            problems.refuse(&raw.client_ca_file, what, hint)
        }
        None => Some(ClientCertificate::Ignored),
        Some(_) if !given => {
            let what = "is missing: client certificates are checked against it";
            let hint = "write client_ca_file = \"/etc/pilotage/tls/clients.pem\"";
            problems.refuse(&raw.client_ca_file, what, hint)
        }
        Some(make) => value::path(problems, &raw.client_ca_file).map(make),
    }
}

fn usual_listeners() -> Vec<Listener> {
    let anywhere = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let tls = Tls {
        minimum: TlsVersion::V1_2,
        http2: Http2::Offered,
        client_certificate: ClientCertificate::Ignored,
    };
    vec![
        Listener {
            address: anywhere(443),
            protocol: Protocol::Https(tls),
        },
        Listener {
            address: anywhere(80),
            protocol: Protocol::Redirect,
        },
    ]
}

fn is_https(listener: &Listener) -> bool {
    match listener.protocol {
        Protocol::Https(_) => true,
        Protocol::Redirect => false,
    }
}

/// The certificates; there is always an https listener, so at least one is needed.
pub(super) fn certificates(problems: &mut Problems, raw: &file::Tls) -> Option<Certificates> {
    if raw.certificates.value.is_empty() {
        let what = "there is no certificate for the https listener";
        let hint = "write [[tls.certificate]] with chain_file and key_file";
        problems.refuse::<_, ()>(&raw.certificates, what, hint);
    }
    let files = value::each(
        problems,
        &raw.certificates.value,
        |problems, certificate| {
            let chain_file = value::path(problems, &certificate.chain_file);
            let key_file = value::path(problems, &certificate.key_file);
            Some(CertificateFiles {
                chain_file: chain_file?,
                key_file: key_file?,
            })
        },
    );
    let recheck = value::period(problems, &raw.recheck);
    let session_cache = value::number(problems, &raw.session_cache, 0..=10_000_000);
    Some(Certificates {
        files: files?,
        recheck: recheck?,
        session_cache: session_cache?,
    })
}
