//! The nodes: where they are, and how each proves that it is the right one.

use crate::config::file::Node;
use crate::config::kind::Switch;
use crate::config::problem::Problems;
use crate::config::table::Raw;
use crate::fleet::node::NodeId;
use crate::upstream::settings::{NodeScheme, NodeSettings, Verify};

use super::authority::{self, Authority, Host};
use super::value;

/// All nodes; at least one, and no two of one name or address.
pub(super) fn nodes(problems: &mut Problems, raw: &Raw<Vec<Node>>) -> Option<Vec<NodeSettings>> {
    if raw.value.is_empty() {
        let hint = "write [[node]] with a name and a url for each of them";
        return problems.refuse(raw, "there is no node", hint);
    }
    let nodes = value::each(problems, &raw.value, node);
    let names = raw.value.iter().map(|node| (&node.name, &node.name.value));
    value::refuse_twins(problems, names, "write a name of its own for each node");
    let addresses = raw
        .value
        .iter()
        .filter_map(|node| Some((&node.url, address(node)?)));
    value::refuse_twins(
        problems,
        addresses,
        "write each node once; weight says how much it gets",
    );
    nodes
}

fn node(problems: &mut Problems, raw: &Node) -> Option<NodeSettings> {
    let id = NodeId::parse(&raw.name.value).ok().or_else(|| {
        let what = format!("{:?} is not a name for a node", raw.name.value);
        let hint = "write 1 to 63 of a-z, 0-9, '-', '_' and '.', such as \"harbor-1\"";
        problems.refuse(&raw.name, what, hint)
    });
    let weight = value::number(problems, &raw.weight, 1..=1_000);
    let names = value::each(problems, &raw.names.value, own_name);
    let url = url(problems, &raw.url);
    let scheme = match &url {
        Some(Url {
            scheme: Scheme::Http,
            ..
        }) => {
            refuse_tls_keys(problems, raw);
            Some(NodeScheme::Http)
        }
        Some(Url {
            scheme: Scheme::Https,
            authority,
        }) => verified(problems, raw, &authority.host),
        None => None,
    };
    let Url {
        scheme: spoken,
        authority,
    } = url?;
    Some(NodeSettings {
        id: id?,
        scheme: scheme?,
        host: authority.host.to_string(),
        port: authority.port.unwrap_or(spoken.default_port()),
        weight: weight?,
        draining: raw.drain.value == Switch::On,
        names: names?,
    })
}

fn own_name(problems: &mut Problems, raw: &Raw<String>) -> Option<String> {
    match Authority::parse(&raw.value) {
        Ok(authority) => Some(authority.to_string()),
        Err(what) => problems.refuse(raw, what, authority::hint(&raw.value, "harbor-1.internal")),
    }
}

fn refuse_tls_keys(problems: &mut Problems, raw: &Node) {
    for key in [&raw.ca_file, &raw.verify_name, &raw.fingerprint] {
        if !key.value.is_empty() {
            let what = "says how to verify a node that is spoken to without TLS";
            problems.refuse::<_, ()>(key, what, "write an https url, or take this key out");
        }
    }
}

fn verified(problems: &mut Problems, raw: &Node, host: &Host) -> Option<NodeScheme> {
    let name = match raw.verify_name.value.as_str() {
        "" => Some(host.to_string()),
        name => verify_name(name).or_else(|| {
            let what = format!("{name:?} is not a host name");
            let hint = "write a name or IP address that stands in the certificate, without port";
            problems.refuse(&raw.verify_name, what, hint)
        }),
    };
    let ca_file = value::optional_path(problems, &raw.ca_file);
    let fingerprint = raw.fingerprint.value.as_str();
    if !raw.ca_file.value.is_empty() && !fingerprint.is_empty() {
        let what = "is given beside ca_file, and only one of them can decide";
        return problems.refuse(&raw.fingerprint, what, "keep one of the two");
    }
    let verify = match (ca_file?, fingerprint) {
        (Some(ca_file), _) => Verify::Authority { ca_file },
        (None, "") => Verify::System,
        (None, text) => {
            let digest = parse_fingerprint(text).or_else(|| {
                let what = format!("{text:?} is not a SHA-256 fingerprint");
                let hint = "write 64 hex digits, as \
                            `openssl x509 -noout -fingerprint -sha256` prints them";
                problems.refuse(&raw.fingerprint, what, hint)
            });
            Verify::Fingerprint(digest?)
        }
    };
    Some(NodeScheme::Https {
        verify,
        name: name?,
    })
}

/// A host as it stands in a certificate: an IPv6 address may come without its brackets.
fn verify_name(text: &str) -> Option<String> {
    let host = Host::parse(text).or_else(|_| Host::parse(&format!("[{text}]")));
    host.ok().map(|host| host.to_string())
}

/// 64 hex digits, in pairs with colons between them or all together.
fn parse_fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| u8::try_from(high * 16 + low).ok())
        .collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}

/// Where a node is, and how it is spoken to.
struct Url {
    scheme: Scheme,
    authority: Authority,
}

#[derive(Clone, Copy)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Host and port of a url, where it is a good one.
fn address(node: &Node) -> Option<(String, u16)> {
    let Url { scheme, authority } = parse_url(&node.url.value).ok()?;
    Some((
        authority.host.to_string(),
        authority.port.unwrap_or(scheme.default_port()),
    ))
}

fn url(problems: &mut Problems, raw: &Raw<String>) -> Option<Url> {
    match parse_url(&raw.value) {
        Ok(url) => Some(url),
        Err((what, hint)) => problems.refuse(raw, what, hint),
    }
}

/// Reads a url, or says what is wrong and what to write. User info is never repeated.
fn parse_url(text: &str) -> Result<Url, (String, String)> {
    const EXAMPLE: &str = "write a url such as \"http://10.0.0.11\"";
    if text.contains('@') {
        let hint = "take it out: nodes see the client's own credentials, and this file holds none";
        return Err(("holds user info".to_owned(), hint.to_owned()));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        let hint = match Authority::parse(text) {
            Ok(authority) => format!("write \"http://{authority}\" or \"https://{authority}\""),
            Err(_) => EXAMPLE.to_owned(),
        };
        return Err((format!("{text:?} has no scheme"), hint));
    };
    let spoken = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => {
            let what = format!("{scheme:?} is not a scheme that nodes are spoken to with");
            return Err((what, "write http:// or https://".to_owned()));
        }
    };
    match Authority::parse(rest) {
        Ok(authority) => Ok(Url {
            scheme: spoken,
            authority,
        }),
        Err(what) => {
            let meant = authority::meant(rest);
            let hint = meant.map(|authority| format!("write \"{scheme}://{authority}\""));
            // A path is one of the whole url, and is quoted with it.
            let what = if rest.contains(['/', '?', '#']) {
                what.replacen(&format!("{rest:?}"), &format!("{text:?}"), 1)
            } else {
                what
            };
            Err((what, hint.unwrap_or(EXAMPLE.to_owned())))
        }
    }
}
