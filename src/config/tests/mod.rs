//! The whole way from text to settings.

mod refused;
mod refused_guard;
mod refused_places;
mod refused_redis;
mod refused_sessions;
mod shipped;

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::edge::settings::{ClientCertificate, Http2, Protocol, TlsVersion};
use crate::observe::settings::LogFormat;
use crate::rewrite::LocationForm;
use crate::upstream::settings::{NodeScheme, ProbeKind, Verify};

/// The least that is a good file; ends with line 8.
const MINIMAL: &str = r#"[public]
names = ["registry.example.com"]
[[tls.certificate]]
chain_file = "/etc/pilotage/tls/chain.pem"
key_file = "/etc/pilotage/tls/key.pem"
[[node]]
name = "harbor-1"
url = "http://10.0.0.11"
"#;

/// The problems of a text, as they are printed.
fn problems(text: &str) -> Vec<String> {
    load(text)
        .err()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// Appends these lines (from line 9 on) to a good file, and returns its only problem.
fn only_problem(lines: &str) -> String {
    let problems = problems(&format!("{MINIMAL}{lines}\n"));
    assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
    problems[0].clone()
}

fn each_is_refused(cases: &[(&str, &str)]) {
    for (lines, expected) in cases {
        assert_eq!(only_problem(lines), *expected, "{lines}");
    }
}

/// Writes another line into a good file, and returns all problems.
fn with_line(line: usize, text: &str) -> Vec<String> {
    let mut lines: Vec<_> = MINIMAL.lines().collect();
    lines[line - 1] = text;
    problems(&lines.join("\n"))
}

#[test]
fn an_empty_file_names_all_that_is_required() {
    let expected = [
        "public.names: is missing; write names = [\"registry.example.com\"]",
        "tls.certificate: there is no certificate for the https listener; \
         write [[tls.certificate]] with chain_file and key_file",
        "node: there is no node; write [[node]] with a name and a url for each of them",
    ];
    assert_eq!(problems(""), expected);
}

#[test]
fn a_minimal_file_has_the_defaults() {
    let settings = load(MINIMAL).unwrap();
    assert_eq!(settings.state_folder, PathBuf::from("/var/lib/pilotage"));
    assert_eq!(settings.grace_period, Duration::from_mins(10));
    assert_eq!(settings.drain_delay, Duration::ZERO);
    assert_eq!(settings.upgrade, None);
    assert_eq!(settings.limits.connection_age, Duration::from_hours(1));
    assert_eq!(settings.public.names, ["registry.example.com"]);
    assert_eq!(settings.public.location, LocationForm::Absolute);
    let addresses: Vec<_> = settings
        .listeners
        .iter()
        .map(|l| l.address.to_string())
        .collect();
    assert_eq!(addresses, ["[::]:443", "[::]:80"]);
    assert_eq!(settings.listeners[1].protocol, Protocol::Redirect);
    assert_eq!(settings.limits.h2_window, 4 << 20);
    assert_eq!(settings.limits.h2_window_total, 1 << 30);
    assert_eq!(
        (settings.nodes[0].port, settings.nodes[0].weight),
        (80, 100)
    );
    assert_eq!(settings.nodes[0].scheme, NodeScheme::Http);
    assert_eq!(settings.probe.kind, ProbeKind::Harbor);
    assert_eq!(
        (settings.health.up_after, settings.health.down_after),
        (2, 3)
    );
    assert_eq!(settings.node_in_flight, 1_024);
    assert_eq!(settings.retry.patience, Duration::from_secs(30));
    assert_eq!(settings.affinity.key_file, None);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.admin.address.to_string(), "127.0.0.1:9090");
}

#[test]
fn a_full_file_says_everything_its_own_way() {
    let settings = load(FULL).unwrap();
    assert_eq!(settings.state_folder, PathBuf::from("/srv/pilotage"));
    assert_eq!(
        (settings.threads, settings.grace_period),
        (4, Duration::ZERO)
    );
    assert_eq!(settings.drain_delay, Duration::from_secs(20));
    let upgrade = settings.upgrade.unwrap();
    assert_eq!(upgrade.socket, Path::new("/run/p/upgrade.sock"));
    assert_eq!(upgrade.grace_period, Duration::from_hours(2));
    assert_eq!(settings.public.names, ["a.example", "[2001:db8::1]:8443"]);
    assert_eq!(settings.public.location, LocationForm::Path);
    assert_eq!(settings.public.trusted_proxies[0].to_string(), "10.0.0.0/8");
    let Protocol::Https(tls) = &settings.listeners[0].protocol else {
        panic!("not https")
    };
    assert_eq!(
        (tls.minimum, tls.http2),
        (TlsVersion::V1_3, Http2::Withheld)
    );
    let ca_file = PathBuf::from("/clients.pem");
    assert_eq!(
        tls.client_certificate,
        ClientCertificate::Optional { ca_file }
    );
    assert_eq!(settings.certificates.session_cache, 0);
    let node = &settings.nodes[0];
    assert_eq!(
        (node.host.as_str(), node.port, node.weight),
        ("::1", 8080, 1)
    );
    assert_eq!(node.names, ["node-a:8080"]);
    let scheme = |name: &str, verify| NodeScheme::Https {
        verify,
        name: name.to_owned(),
    };
    let ca_file = PathBuf::from("/ca.pem");
    assert_eq!(
        settings.nodes[1].scheme,
        scheme("fd00::1", Verify::Authority { ca_file })
    );
    assert_eq!(
        settings.nodes[2].scheme,
        scheme("c", Verify::Fingerprint([0xAB; 32]))
    );
    assert_eq!(settings.nodes[3].scheme, scheme("d", Verify::System));
    assert!(settings.nodes[3].draining);
    assert_eq!(settings.timeouts.connect, Duration::from_millis(500));
    assert_eq!(
        settings.probe.kind,
        ProbeKind::Path("/healthz?full=1".to_owned())
    );
    assert_eq!(settings.health.slow_start, Duration::ZERO);
    assert_eq!(
        (settings.retry.queue_length, settings.retry.budget_percent),
        (0, 100)
    );
    assert_eq!(
        settings.affinity.key_file,
        Some(PathBuf::from("/affinity.key"))
    );
    assert_eq!(settings.log.level, "warn,pilotage=trace,pilotage::edge=off");
    assert_eq!(settings.admin.address.to_string(), "[::1]:443");
}

const FULL: &str = r#"
state_folder = "/srv/pilotage"
threads = 0x4
grace_period = "0s"
drain_delay = "20s"
upgrade = { socket = "/run/p/upgrade.sock", grace_period = "2h" }
public.names = ["a.example", "[2001:db8:0::1]:8443"]
public.location = "path"
public.trusted_proxies = ["10.0.0.0/8"]
tls.session_cache = 0
placement = { queue_length = 0 }
[[listener]]
address = "10.1.1.1:443"
minimum_tls = "1.3"
http2 = false
client_certificate = "optional"
client_ca_file = "/clients.pem"
[[listener]]
address = "127.0.0.1:0"
protocol = "redirect"
[[listener]]
address = "127.0.0.1:0"
[[tls.certificate]]
chain_file = "/c.pem"
key_file = "/k.pem"
[[node]]
name = "a"
url = "http://[::1]:8080"
weight = 1
names = ["node-a:8080"]
[[node]]
name = "b"
url = "https://b"
ca_file = "/ca.pem"
verify_name = "fd00::1"
[[node]]
name = "c"
url = "https://c"
fingerprint = "abababab:ABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"
[[node]]
name = "d"
url = "https://d"
drain = true
[upstream]
connect_timeout = "500ms"
[health]
probe = "/healthz?full=1"
slow_start = "0s"
[retry]
budget_percent = 100
[affinity]
key_file = "/affinity.key"
[log]
level = "warn,pilotage=trace,pilotage::edge=off"
[admin]
address = "[::1]:443"
"#;

#[test]
fn several_problems_come_all_together_in_the_order_of_the_file() {
    let text = r#"threads = "four"
[public]
names = ["https://registry.example.com",
  "Other.example"]
[[node]]
nam = "a"
url = "10.0.0.11"
[limits]
header_size = "32KB"
[admin]
address = "0.0.0.0:9090"
"#;
    let expected = [
        "line 1: threads: is a text; write threads = 0",
        "line 3: public.names[1]: \"https://registry.example.com\" has a scheme; \
         write \"registry.example.com\"",
        "line 4: public.names[2]: \"Other.example\" has upper-case letters; \
         write \"other.example\"",
        "line 5: node[1].name: is missing; write name = \"harbor-1\"",
        "line 6: node[1].nam: is not a known key; write name",
        "line 7: node[1].url: \"10.0.0.11\" has no scheme; \
         write \"http://10.0.0.11\" or \"https://10.0.0.11\"",
        "line 9: limits.header_size: \"KB\" is not a unit of size; write \"32KiB\"",
        "line 11: admin.address: 0.0.0.0:9090 can be reached by others, and it asks for no \
         password; set admin.token_file, or write \"127.0.0.1:9090\" or \"[::1]:9090\"",
        "tls.certificate: there is no certificate for the https listener; \
         write [[tls.certificate]] with chain_file and key_file",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn a_problem_serializes_field_by_field() {
    let problem = load(&format!("{MINIMAL}weight = 0\n"))
        .unwrap_err()
        .remove(0);
    let expected = serde_json::json!({
        "key": "node[1].weight",
        "line": 9,
        "what": "0 is out of bounds",
        "hint": "write a number from 1 to 1000",
    });
    assert_eq!(serde_json::to_value(problem).unwrap(), expected);
}

#[test]
fn a_file_that_cannot_be_read_is_one_problem() {
    let problems = read(Path::new("/nowhere/pilotage.toml")).unwrap_err();
    let printed: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(printed.len(), 1);
    assert!(
        printed[0].starts_with("the file cannot be read: "),
        "{printed:?}"
    );
}

proptest! {
    #[test]
    fn any_change_to_a_good_file_is_loaded_or_explained(
        place in 0..FULL.len(),
        length in 0_usize..40,
        text in "[a-z0-9=\"'\\[\\]{}.,: \n-]{0,12}",
    ) {
        let end = FULL.len().min(place + length);
        let changed = format!("{}{text}{}", &FULL[..place], &FULL[end..]);
        let lines = u32::try_from(changed.split('\n').count()).unwrap();
        for problem in load(&changed).err().unwrap_or_default() {
            prop_assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)));
            prop_assert!(!problem.what.is_empty() && !problem.hint.is_empty());
        }
        prop_assert!(!matches!(load(&changed), Err(problems) if problems.is_empty()));
    }
}
