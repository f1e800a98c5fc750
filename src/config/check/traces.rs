//! Who collects traces, and which.

use std::path::PathBuf;

use crate::config::file;
use crate::config::problem::Problems;
use crate::config::table::Raw;
use crate::observe::settings::{Collector, Encryption, TracingSettings};
use crate::observe::trace::Ratio;

use super::authority::Authority;
use super::value::{number, optional_path, period};

/// Whether this program can send traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Build {
    WithTraces,
    WithoutTraces,
}

impl Build {
    /// What was built.
    pub(super) const THIS: Self = if cfg!(feature = "otlp") {
        Self::WithTraces
    } else {
        Self::WithoutTraces
    };
}

/// Who collects traces; the inner none means nobody.
#[expect(
    clippy::option_option,
    reason = "the outer none is a problem, the inner one is nobody"
)]
pub(in crate::config) fn traces(
    problems: &mut Problems,
    raw: &file::Tracing,
    build: Build,
) -> Option<Option<TracingSettings>> {
    let headers_file = optional_path(problems, &raw.headers_file);
    let ca_file = optional_path(problems, &raw.ca_file);
    let ratio = ratio(problems, &raw.sample_ratio);
    let interval = period(problems, &raw.interval);
    let timeout = period(problems, &raw.timeout);
    let queue = number(problems, &raw.queue, 1..=1_000_000);
    if raw.endpoint.value.is_empty() {
        return Some(None);
    }
    if build == Build::WithoutTraces {
        let what = "names a collector of traces, and this program was built without them";
        let hint = "take [tracing] out, or build pilotage with --features otlp";
        return problems.refuse(&raw.endpoint, what, hint);
    }
    Some(Some(TracingSettings {
        collector: collector(problems, &raw.endpoint, (&raw.ca_file, ca_file?))?,
        headers_file: headers_file?,
        ratio: ratio?,
        interval: interval?,
        timeout: timeout?,
        queue: queue?,
    }))
}

fn ratio(problems: &mut Problems, raw: &Raw<String>) -> Option<Ratio> {
    Ratio::parse(&raw.value).or_else(|| {
        let what = format!("{:?} is no part of all traces", raw.value);
        let hint =
            "write such as \"10%\" or \"0.5%\": 0% to 100%, at most four digits behind the point";
        problems.refuse(raw, what, hint)
    })
}

/// Reads the url. User info and queries are refused unread: they may be credentials.
fn collector(
    problems: &mut Problems,
    raw: &Raw<String>,
    (key, ca_file): (&Raw<String>, Option<PathBuf>),
) -> Option<Collector> {
    if raw.value.contains(['@', '?', '#']) {
        let what = "holds more than an address";
        let hint = "write credentials for the collector into headers_file, and leave out the rest";
        return problems.refuse(raw, what, hint);
    }
    let (scheme, rest) = raw.value.split_once("://").unwrap_or_default();
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) if !path.is_empty() => (authority, format!("/{path}")),
        Some((authority, _)) => (authority, PATH.to_owned()),
        None => (rest, PATH.to_owned()),
    };
    let (encryption, port) = match (scheme, ca_file) {
        ("https", ca_file) => (Encryption::Tls { ca_file }, 443),
        ("http", None) => (Encryption::None, 80),
        ("http", Some(_)) => {
            let what = "says how to verify a collector that is spoken to without TLS";
            return problems.refuse(key, what, "write an https url, or take this key out");
        }
        _ => return problems.refuse(raw, format!("{:?} is not a url", raw.value), EXAMPLE),
    };
    let fits = |byte: u8| byte.is_ascii_graphic();
    if !path.bytes().all(fits) {
        return problems.refuse(raw, format!("{path:?} is no path of a url"), EXAMPLE);
    }
    match Authority::parse(authority) {
        Ok(found) => Some(Collector {
            encryption,
            host: found.host.to_string(),
            port: found.port.unwrap_or(port),
            authority: found.to_string(),
            path,
        }),
        Err(what) => problems.refuse(raw, what, EXAMPLE),
    }
}

/// Where collectors take traces, if the operator says no other place.
const PATH: &str = "/v1/traces";
const EXAMPLE: &str =
    "write such as \"http://127.0.0.1:4318\" or \"https://otlp.example.com/v1/traces\"";

/// Who collects traces, for a person.
pub(in crate::config) fn describe(settings: &TracingSettings) -> String {
    let Collector {
        encryption,
        authority,
        path,
        ..
    } = &settings.collector;
    let scheme = match encryption {
        Encryption::None => "http",
        Encryption::Tls { .. } => "https",
    };
    let ratio = settings.ratio;
    format!("sends {ratio} of the traces that begin here to {scheme}://{authority}{path}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use toml::de::DeTable;

    use super::*;
    use crate::config::file::File;
    use crate::config::notes::Notes;

    /// What a section comes to: the settings, and its problems as they are printed.
    fn checked(section: &str, build: Build) -> (Option<TracingSettings>, Vec<String>) {
        let text = format!("[tracing]\n{section}");
        let document = DeTable::parse(&text).unwrap();
        let mut notes = Notes::new(&text);
        let file = File::read(Some(document.get_ref()), &mut notes);
        let mut problems = Problems::default();
        let settings = traces(&mut problems, &file.tracing, build);
        let problems = problems.into_sorted();
        let problems = problems.iter().map(ToString::to_string).collect();
        (settings.flatten(), problems)
    }

    fn good(section: &str) -> TracingSettings {
        let (settings, problems) = checked(section, Build::WithTraces);
        assert_eq!(problems, [""; 0]);
        settings.unwrap()
    }

    #[test]
    fn traces_go_nowhere_unless_a_collector_is_named() {
        assert_eq!(checked("", Build::WithTraces), (None, Vec::new()));
        let only_ratio = checked("sample_ratio = \"50%\"", Build::WithoutTraces);
        assert_eq!(only_ratio, (None, Vec::new()));
        let settings = good("endpoint = \"http://collector:4318\"");
        assert_eq!(settings.ratio, Ratio::parse("10%").unwrap());
        assert_eq!(settings.interval, Duration::from_secs(5));
        assert_eq!((settings.queue, settings.headers_file), (4_096, None));
    }

    #[test]
    fn a_program_without_traces_refuses_a_collector_with_words() {
        let (settings, problems) = checked("endpoint = \"http://a:4318\"", Build::WithoutTraces);
        assert_eq!(settings, None);
        let expected = "line 2: tracing.endpoint: names a collector of traces, and this program was built \
                        without them; take [tracing] out, or build pilotage with --features otlp";
        assert_eq!(problems, [expected]);
    }

    #[test]
    fn a_collector_is_read_from_its_url() {
        for (url, host, port, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1", 4318, "/v1/traces"),
            ("http://collector/", "collector", 80, "/v1/traces"),
            ("https://[::1]:4318/a/b", "::1", 4318, "/a/b"),
            ("https://otlp.example.com/x", "otlp.example.com", 443, "/x"),
        ] {
            let found = good(&format!("endpoint = \"{url}\"")).collector;
            assert_eq!(
                (found.host.as_str(), found.port, found.path.as_str()),
                (host, port, path)
            );
        }
        let tls = good("endpoint = \"https://a\"\nca_file = \"/ca.pem\"");
        let ca_file = Some("/ca.pem".into());
        assert_eq!(tls.collector.encryption, Encryption::Tls { ca_file });
        let told = describe(&tls);
        assert_eq!(
            told,
            "sends 10% of the traces that begin here to https://a/v1/traces"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_no_credential_is_shown() {
        for (section, expected) in [
            (
                "endpoint = \"http://bo:hunter2@a\"",
                "line 2: tracing.endpoint: holds more than an address",
            ),
            (
                "endpoint = \"http://a/v1?key=hunter2\"",
                "line 2: tracing.endpoint: holds more than an address",
            ),
            (
                "endpoint = \"a:4318\"",
                "line 2: tracing.endpoint: \"a:4318\" is not a url",
            ),
            (
                "endpoint = \"grpc://a:4317\"",
                "line 2: tracing.endpoint: \"grpc://a:4317\" is not a url",
            ),
            ("endpoint = \"http://a b\"", "line 2: tracing.endpoint: "),
            (
                "endpoint = \"http://a/\u{e9}\"",
                "line 2: tracing.endpoint: ",
            ),
            (
                "endpoint = \"http://a\"\nca_file = \"/ca.pem\"",
                "line 3: tracing.ca_file: says how to verify",
            ),
            (
                "sample_ratio = \"0.1\"",
                "line 2: tracing.sample_ratio: \"0.1\" is no part of all traces",
            ),
            ("headers_file = \"otlp\"", "line 2: tracing.headers_file: "),
            ("queue = 0", "line 2: tracing.queue: "),
            ("timeout = \"0s\"", "line 2: tracing.timeout: "),
        ] {
            let (_, problems) = checked(section, Build::WithTraces);
            let [problem] = problems.as_slice() else {
                panic!("{section}: {problems:?}");
            };
            assert!(problem.starts_with(expected), "{problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
