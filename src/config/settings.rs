//! Everything the operator decided, checked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::affinity::settings::{AffinitySettings, SessionSettings, SharedSettings};
use crate::config::check::{describe_redis, describe_sessions, describe_tracing};
use crate::config::unit::print_duration;
use crate::control::settings::AdminSettings;
use crate::download::settings::TakeoverSettings;
use crate::edge::settings::{
    Certificates, ClientCertificate, Http2, Limits, Listener, Protocol, Public, Retry, TlsVersion,
};
use crate::fleet::health;
use crate::guard::settings::GuardSettings;
use crate::observe::settings::{LogSettings, TracingSettings};
use crate::spool::settings::SpoolSettings;
use crate::upstream::settings::{
    NodeScheme, NodeSettings, ProbeKind, ProbeSettings, Timeouts, Verify,
};

/// The settings of every room. They exist only when the whole file is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What must outlive the process is kept here.
    pub state_folder: PathBuf,
    /// Worker threads; zero is one per core.
    pub threads: usize,
    /// How long running transfers may go on after the order to stop.
    pub grace_period: Duration,
    /// How long new clients are still taken in after the order to stop.
    pub drain_delay: Duration,
    /// How another process may come after this one; none when it may not.
    pub upgrade: Option<Upgrade>,
    pub public: Public,
    /// At least one of them speaks https.
    pub listeners: Vec<Listener>,
    /// At least one; the first is the default.
    pub certificates: Certificates,
    pub limits: Limits,
    /// At least one, each with its own name and address.
    pub nodes: Vec<NodeSettings>,
    pub timeouts: Timeouts,
    pub probe: ProbeSettings,
    pub health: health::Settings,
    /// Requests at one time on one node.
    pub node_in_flight: usize,
    pub retry: Retry,
    pub takeover: TakeoverSettings,
    pub affinity: AffinitySettings,
    /// Where several instances meet; none when they share nothing.
    pub shared: Option<SharedSettings>,
    pub guard: GuardSettings,
    pub sessions: SessionSettings,
    pub spool: SpoolSettings,
    pub log: LogSettings,
    /// Who collects traces; none when nobody does.
    pub tracing: Option<TracingSettings>,
    pub admin: AdminSettings,
}

/// How one process comes after another without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// Where the running process offers its listening sockets.
    pub socket: PathBuf,
    /// How long the process of before may go on with its transfers.
    pub grace_period: Duration,
}

impl Settings {
    /// The keys that differ in the new settings and that a reload cannot change.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let (limits, fresh) = (&self.limits, &new.limits);
        let differs = [
            ("state_folder", self.state_folder != new.state_folder),
            ("threads", self.threads != new.threads),
            ("listener", bound(&self.listeners) != bound(&new.listeners)),
            (
                "limits.requests_per_connection",
                limits.requests_per_connection != fresh.requests_per_connection,
            ),
            ("limits.h2_streams", limits.h2_streams != fresh.h2_streams),
            ("limits.h2_window", limits.h2_window != fresh.h2_window),
            (
                "retry.budget_percent",
                self.retry.budget_percent != new.retry.budget_percent,
            ),
            (
                "retry.budget_minimum",
                self.retry.budget_minimum != new.retry.budget_minimum,
            ),
            (
                "affinity.recent_lifetime",
                self.affinity.recent_lifetime != new.affinity.recent_lifetime,
            ),
            (
                "sessions.lifetime",
                self.sessions.lifetime != new.sessions.lifetime,
            ),
            ("spool", self.spool != new.spool),
            ("log.format", self.log.format != new.log.format),
            ("log.queue", self.log.queue != new.log.queue),
            ("log.file", self.log.file != new.log.file),
            ("tracing", sends_otherwise(self, new)),
            ("admin.address", self.admin.address != new.admin.address),
            ("admin.chain_file", self.admin.tls != new.admin.tls),
            (
                "admin.open_metrics",
                self.admin.numbers != new.admin.numbers,
            ),
            (
                "upgrade.socket",
                upgrade_socket(self) != upgrade_socket(new),
            ),
        ];
        differs
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(key, _)| key)
            .collect()
    }

    /// What these settings mean, in a few lines for a person.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = vec![format!("serves {}", self.public.names.join(", "))];
        lines.extend(self.listeners.iter().map(describe_listener));
        lines.extend(self.nodes.iter().map(describe_node));
        lines.push(describe_probe(&self.probe));
        lines.extend(describe_sessions(&self.sessions));
        lines.extend(self.shared.iter().map(describe_redis));
        lines.extend(self.tracing.iter().map(describe_tracing));
        lines
    }
}

/// Whether traces go elsewhere, or in another way. Which ones, and that none do, counts at once.
fn sends_otherwise(old: &Settings, new: &Settings) -> bool {
    let Some(fresh) = &new.tracing else {
        return false;
    };
    let same_ratio = |settings: &TracingSettings| TracingSettings {
        ratio: fresh.ratio,
        ..settings.clone()
    };
    old.tracing.as_ref().map(same_ratio).as_ref() != Some(fresh)
}

fn upgrade_socket(settings: &Settings) -> Option<&Path> {
    settings.upgrade.as_ref().map(|one| one.socket.as_path())
}

/// What listeners bind, in an order that does not depend on the file.
fn bound(listeners: &[Listener]) -> Vec<(SocketAddr, &'static str)> {
    let mut bound: Vec<_> = listeners
        .iter()
        .map(|listener| {
            let protocol = match listener.protocol {
                Protocol::Https(_) => "https",
                Protocol::Redirect => "redirect",
            };
            (listener.address, protocol)
        })
        .collect();
    bound.sort_unstable();
    bound
}

fn describe_listener(listener: &Listener) -> String {
    let address = listener.address;
    let tls = match &listener.protocol {
        Protocol::Redirect => return format!("listens on {address}: redirects to https"),
        Protocol::Https(tls) => tls,
    };
    let minimum = match tls.minimum {
        TlsVersion::V1_2 => "TLS 1.2 and 1.3",
        TlsVersion::V1_3 => "TLS 1.3",
    };
    let http = match tls.http2 {
        Http2::Offered => "HTTP/1.1 and HTTP/2",
        Http2::Withheld => "HTTP/1.1",
    };
    let client = match &tls.client_certificate {
        ClientCertificate::Ignored => String::new(),
        ClientCertificate::Optional { ca_file } => {
            format!(
                ", client certificates checked against {}",
                ca_file.display()
            )
        }
        ClientCertificate::Required { ca_file } => {
            format!(", client certificates required from {}", ca_file.display())
        }
    };
    format!("listens on {address}: https, {minimum}, {http}{client}")
}

fn describe_node(node: &NodeSettings) -> String {
    let (scheme, verification) = match &node.scheme {
        NodeScheme::Http => ("http", "not encrypted".to_owned()),
        NodeScheme::Https { verify, name } => ("https", describe_verification(verify, name)),
    };
    let host = if node.host.contains(':') {
        format!("[{}]", node.host)
    } else {
        node.host.clone()
    };
    let drained = if node.draining { ", drained" } else { "" };
    let NodeSettings {
        id, port, weight, ..
    } = node;
    format!("node {id}: {scheme}://{host}:{port}, {verification}, weight {weight}{drained}")
}

fn describe_verification(verify: &Verify, name: &str) -> String {
    match verify {
        Verify::System => format!("verified as {name} by the system's authorities"),
        Verify::Authority { ca_file } => format!("verified as {name} by {}", ca_file.display()),
        Verify::Fingerprint(digest) => {
            let [a, b, c, d, ..] = digest;
            format!("verified by its fingerprint {a:02x}{b:02x}{c:02x}{d:02x}...")
        }
    }
}

fn describe_probe(probe: &ProbeSettings) -> String {
    let interval = print_duration(probe.interval);
    let question = match &probe.kind {
        ProbeKind::Harbor => "Harbor's health document and /v2/".to_owned(),
        ProbeKind::Registry => "/v2/".to_owned(),
        ProbeKind::Path(path) => path.clone(),
    };
    format!("probes {question} on every node, every {interval}")
}

#[cfg(test)]
mod tests {
    use crate::config::load;
    use crate::observe::settings::{Collector, Encryption};
    use crate::observe::trace::Ratio;

    use super::*;

    const FILE: &str = r#"
        [public]
        names = ["registry.example.com", "registry.example.com:8443"]
        [[tls.certificate]]
        chain_file = "/c.pem"
        key_file = "/k.pem"
        [[listener]]
        address = "[::]:443"
        [[listener]]
        address = "10.0.0.1:8443"
        minimum_tls = "1.3"
        http2 = false
        client_certificate = "required"
        client_ca_file = "/ca.pem"
        [[listener]]
        address = "[::]:80"
        protocol = "redirect"
        [[node]]
        name = "a"
        url = "http://10.0.0.11"
        [[node]]
        name = "b"
        url = "https://harbor-2:8443"
        ca_file = "/ca.pem"
        verify_name = "harbor.internal"
        weight = 50
        [[node]]
        name = "c"
        url = "https://[fd00::3]"
        fingerprint = "AB:CD:EF:01:23456789abcdef0123456789abcdef0123456789abcdef0123456789"
        drain = true
        [[node]]
        name = "d"
        url = "https://d"
        "#;

    #[test]
    fn the_summary_says_what_is_served_and_from_where() {
        let expected = [
            "serves registry.example.com, registry.example.com:8443",
            "listens on [::]:443: https, TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2",
            "listens on 10.0.0.1:8443: https, TLS 1.3, HTTP/1.1, \
             client certificates required from /ca.pem",
            "listens on [::]:80: redirects to https",
            "node a: http://10.0.0.11:80, not encrypted, weight 100",
            "node b: https://harbor-2:8443, verified as harbor.internal by /ca.pem, weight 50",
            "node c: https://[fd00::3]:443, verified by its fingerprint abcdef01..., \
             weight 100, drained",
            "node d: https://d:443, verified as d by the system's authorities, weight 100",
            "probes Harbor's health document and /v2/ on every node, every 5s",
        ];
        assert_eq!(load(FILE).unwrap().summary(), expected);
    }

    fn traced() -> TracingSettings {
        TracingSettings {
            collector: Collector {
                encryption: Encryption::None,
                host: "collector".to_owned(),
                port: 4318,
                authority: "collector:4318".to_owned(),
                path: "/v1/traces".to_owned(),
            },
            headers_file: None,
            ratio: Ratio::parse("10%").unwrap(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            queue: 1,
        }
    }

    #[test]
    fn which_traces_are_kept_needs_no_restart_and_where_they_go_does() {
        let mut old = load(FILE).unwrap();
        let mut new = old.clone();
        new.tracing = Some(traced());
        assert_eq!(old.needs_restart(&new), ["tracing"]);
        assert_eq!(new.needs_restart(&old), Vec::<&str>::new());
        old.tracing = new.tracing.clone();
        new.tracing.as_mut().unwrap().ratio = Ratio::parse("0%").unwrap();
        assert_eq!(old.needs_restart(&new), Vec::<&str>::new());
        new.tracing.as_mut().unwrap().queue = 2;
        assert_eq!(old.needs_restart(&new), ["tracing"]);
    }

    #[test]
    fn what_a_reload_can_change_needs_no_restart() {
        let old = load(FILE).unwrap();
        let mut new = old.clone();
        new.listeners.reverse();
        new.nodes.truncate(1);
        new.public.names.truncate(1);
        new.log.level = "debug".to_owned();
        new.grace_period = Duration::ZERO;
        new.certificates.recheck = Duration::from_secs(1);
        assert_eq!(old.needs_restart(&new), Vec::<&str>::new());
    }

    type Change = fn(&mut Settings);

    #[test]
    fn what_only_a_restart_can_change_is_named() {
        let old = load(FILE).unwrap();
        let changes: [(&str, Change); 16] = [
            ("state_folder", |new| new.state_folder = "/elsewhere".into()),
            ("threads", |new| new.threads = 3),
            ("listener", |new| new.listeners.truncate(1)),
            ("listener", |new| new.listeners[0].address.set_port(444)),
            ("listener", |new| {
                new.listeners[1].protocol = Protocol::Redirect;
            }),
            ("log.format", |new| {
                new.log.format = crate::observe::settings::LogFormat::Text;
            }),
            ("log.queue", |new| new.log.queue = 1),
            ("admin.address", |new| new.admin.address.set_port(1)),
            ("upgrade.socket", |new| {
                new.upgrade = Some(Upgrade {
                    socket: "/run/pilotage/upgrade.sock".into(),
                    grace_period: Duration::ZERO,
                });
            }),
            ("limits.requests_per_connection", |new| {
                new.limits.requests_per_connection = 7;
            }),
            ("limits.h2_streams", |new| new.limits.h2_streams = 7),
            ("limits.h2_window", |new| new.limits.h2_window = 7),
            ("retry.budget_percent", |new| new.retry.budget_percent = 7),
            ("retry.budget_minimum", |new| new.retry.budget_minimum = 7),
            ("affinity.recent_lifetime", |new| {
                new.affinity.recent_lifetime = Duration::ZERO;
            }),
            ("sessions.lifetime", |new| {
                new.sessions.lifetime = Duration::ZERO;
            }),
        ];
        for (key, change) in changes {
            let mut new = old.clone();
            change(&mut new);
            assert_eq!(old.needs_restart(&new), [key]);
        }
    }
}
