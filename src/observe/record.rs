//! The access record: what is kept of one request, whatever happened to it.
//!
//! It has no field that could hold a query, a header or a token. Text that came from a client is
//! cut to a bound and escaped, so a record is always exactly one line.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use super::labels::{Label, Outcome};
use crate::fleet::node::NodeId;

/// What is kept of one request. Text fields that came from a client may hold anything.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    pub request_id: &'a str,
    pub client: IpAddr,
    pub method: &'a str,
    /// The authority the client addressed; `None` when it named none.
    pub host: Option<&'a str>,
    /// Such as `HTTP/1.1`.
    pub protocol: &'static str,
    /// Such as `TLSv1.3`; `None` on a plain connection.
    pub tls: Option<&'static str>,
    /// The name of the kind of request.
    pub route: &'static str,
    pub repo: Option<&'a str>,
    /// A tag or a digest.
    pub reference: Option<&'a str>,
    /// The public id of an upload, never its token.
    pub session: Option<&'a str>,
    /// The node that gave the answer, or the last one that was asked.
    pub node: Option<&'a NodeId>,
    /// How many nodes were asked.
    pub attempt: u32,
    /// How many of them went on with what another had begun.
    pub takeovers: u32,
    /// What the client read; 0 when it was sent no answer.
    pub status: u16,
    /// The name of what went wrong.
    pub fault: Option<&'static str>,
    pub outcome: Outcome,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub first_byte: Option<Duration>,
    pub total: Duration,
}

impl Record<'_> {
    /// Appends the fields as members of a JSON object, without braces, each after a comma.
    pub fn write_json(&self, out: &mut String) {
        self.write(&mut Json(out));
    }

    /// Appends the fields as `name=value`, each after a space.
    pub fn write_text(&self, out: &mut String) {
        self.write(&mut Text(out));
    }

    fn write(&self, form: &mut impl Form) {
        form.text("request_id", self.request_id);
        form.display("client", self.client);
        form.text("method", self.method);
        form.optional("host", self.host);
        form.text("protocol", self.protocol);
        form.optional("tls", self.tls);
        form.text("route", self.route);
        form.optional("repo", self.repo);
        form.optional("reference", self.reference);
        form.optional("session", self.session);
        form.optional("node", self.node.map(NodeId::as_str));
        form.number("attempt", self.attempt);
        form.number("takeovers", self.takeovers);
        form.number("status", self.status);
        form.optional("fault", self.fault);
        form.text("outcome", self.outcome.as_str());
        form.number("bytes_in", self.bytes_in);
        form.number("bytes_out", self.bytes_out);
        if let Some(first_byte) = self.first_byte {
            form.milliseconds("first_byte_ms", first_byte);
        }
        form.milliseconds("total_ms", self.total);
    }
}

/// One way to write the fields. Absent ones are left out.
trait Form {
    fn text(&mut self, name: &str, value: &str);
    fn number(&mut self, name: &str, value: impl fmt::Display);

    /// A value whose text has no character that needs care.
    fn display(&mut self, name: &str, value: impl fmt::Display);

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn milliseconds(&mut self, name: &str, value: Duration) {
        let micros = value.as_micros();
        self.number(name, format_args!("{}.{:03}", micros / 1000, micros % 1000));
    }
}

struct Json<'o>(&'o mut String);

impl Form for Json<'_> {
    fn text(&mut self, name: &str, value: &str) {
        append(self.0, format_args!(",\"{name}\":"));
        quote(self.0, value);
    }

    fn number(&mut self, name: &str, value: impl fmt::Display) {
        append(self.0, format_args!(",\"{name}\":{value}"));
    }

    fn display(&mut self, name: &str, value: impl fmt::Display) {
        append(self.0, format_args!(",\"{name}\":\"{value}\""));
    }
}

struct Text<'o>(&'o mut String);

impl Form for Text<'_> {
    fn text(&mut self, name: &str, value: &str) {
        append(self.0, format_args!(" {name}="));
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
        if !value.is_empty() && value.len() <= TEXT_LIMIT && value.bytes().all(plain) {
            self.0.push_str(value);
        } else {
            quote(self.0, value);
        }
    }

    fn number(&mut self, name: &str, value: impl fmt::Display) {
        append(self.0, format_args!(" {name}={value}"));
    }

    fn display(&mut self, name: &str, value: impl fmt::Display) {
        self.number(name, value);
    }
}

/// Appends a JSON string. Beside what JSON demands, every control and invisible separator is
/// escaped, so that neither a terminal nor a reader of lines is misled.
fn quote(out: &mut String, value: &str) {
    let (kept, cut) = bounded(value);
    out.push('"');
    for character in kept.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(character),
            other => {
                let mut units = [0; 2];
                for unit in other.encode_utf16(&mut units) {
                    append(out, format_args!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push_str(cut);
    out.push('"');
}

/// As much of a text as is kept, and what stands for the rest.
fn bounded(value: &str) -> (&str, &'static str) {
    let end = value.floor_char_boundary(TEXT_LIMIT);
    match value.split_at_checked(end) {
        Some((kept, rest)) if !rest.is_empty() => (kept, "..."),
        Some(_) | None => (value, ""),
    }
}

fn append(out: &mut String, what: fmt::Arguments<'_>) {
    let written = out.write_fmt(what);
    debug_assert!(written.is_ok(), "a String takes everything");
}

/// The longest repository name has 255 bytes; what is longer is not worth a line of log.
const TEXT_LIMIT: usize = 320;

/// Something that is never shown: neither its text nor its debug form says what is inside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that has to use it.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::observe::names::RECORD_FIELDS;

    static NODE: LazyLock<NodeId> = LazyLock::new(|| NodeId::parse("harbor-1").unwrap());

    fn full(text: &str) -> Record<'_> {
        Record {
            request_id: text,
            client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            method: text,
            host: Some(text),
            protocol: "HTTP/2",
            tls: Some("TLSv1.3"),
            route: "blob",
            repo: Some(text),
            reference: Some(text),
            session: Some(text),
            node: Some(&NODE),
            attempt: 2,
            takeovers: 1,
            status: 200,
            fault: Some("node_lost"),
            outcome: Outcome::TakenOver,
            bytes_in: 0,
            bytes_out: u64::MAX,
            first_byte: Some(Duration::from_micros(1_204)),
            total: Duration::from_hours(1),
        }
    }

    fn json(record: &Record<'_>) -> (String, Value) {
        let mut line = String::from("{\"level\":\"INFO\"");
        record.write_json(&mut line);
        line.push('}');
        let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        (line, value)
    }

    #[test]
    fn a_full_record_has_exactly_the_declared_fields_in_their_order() {
        let (line, value) = json(&full("x"));
        assert_eq!(value.as_object().unwrap().len(), RECORD_FIELDS.len() + 1);
        let places: Vec<_> = RECORD_FIELDS
            .iter()
            .map(|name| line.find(&format!(",\"{name}\":")).unwrap())
            .collect();
        assert!(places.is_sorted());
        let mut text = String::new();
        full("x").write_text(&mut text);
        let names: Vec<_> = text
            .split_whitespace()
            .map(|pair| pair.split('=').next().unwrap())
            .collect();
        assert_eq!(names, RECORD_FIELDS);
    }

    #[test]
    fn what_is_absent_is_left_out() {
        let record = Record {
            repo: None,
            fault: None,
            first_byte: None,
            ..full("x")
        };
        let (_, value) = json(&record);
        for name in ["repo", "fault", "first_byte_ms"] {
            assert_eq!(value.get(name), None);
        }
    }

    #[test]
    fn times_are_milliseconds_with_three_places() {
        let mut text = String::new();
        full("x").write_text(&mut text);
        assert!(
            text.ends_with("first_byte_ms=1.204 total_ms=3600000.000"),
            "{text}"
        );
    }

    #[test]
    fn plain_words_stand_bare_and_others_in_quotes() {
        let mut text = String::new();
        Record {
            host: Some(""),
            repo: Some("a b"),
            ..full("sha256:0f")
        }
        .write_text(&mut text);
        assert!(text.contains(" reference=sha256:0f "));
        assert!(text.contains(" host=\"\" "));
        assert!(text.contains(" repo=\"a b\" "));
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = "\u{1f433}".repeat(1000);
        let (line, value) = json(&Record {
            host: Some(&long),
            ..full("x")
        });
        assert!(line.len() < 2000);
        assert!(value["host"].as_str().unwrap().ends_with("\u{1f433}..."));
    }

    #[test]
    fn a_redacted_value_shows_nothing() {
        let secret = Redacted::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), {
            "[redacted] [redacted] Some([redacted])"
        });
        assert_eq!(*secret.reveal(), "hunter2");
    }

    proptest! {
        #[test]
        fn whatever_a_client_says_is_one_line_and_comes_back(text in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
            let (line, value) = json(&full(&text));
            prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
            for name in ["request_id", "method", "host", "repo", "reference", "session"] {
                prop_assert_eq!(value[name].as_str(), Some(text.as_str()));
            }
        }

        #[test]
        fn the_text_form_is_one_line_of_pairs(text in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
            let mut line = String::new();
            full(&text).write_text(&mut line);
            prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
            prop_assert_eq!(pairs(&line), RECORD_FIELDS);
        }
    }

    /// The names in a line of pairs, read by the rule a log collector goes by.
    fn pairs(line: &str) -> Vec<&str> {
        let mut names = Vec::new();
        let mut rest = line;
        while let Some(after) = rest.strip_prefix(' ') {
            let (name, value) = after.split_once('=').unwrap();
            names.push(name);
            rest = if value.starts_with('"') {
                let mut parts = serde_json::Deserializer::from_str(value).into_iter::<String>();
                parts.next().unwrap().unwrap();
                &value[parts.byte_offset()..]
            } else {
                &value[value.find(' ').unwrap_or(value.len())..]
            };
        }
        assert_eq!(rest, "");
        names
    }
}
