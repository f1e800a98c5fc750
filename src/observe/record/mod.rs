//! The access record: what is kept of one request, whatever happened to it.
//!
//! It has no field that could hold a query, a header or a token. Text that came from a client is
//! cut to a bound and escaped, so a record is always exactly one line.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use super::labels::{Label, Outcome, Synthesized, Unprotected};
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
    /// The node that was asked first, if that is another one.
    pub first_node: Option<&'a NodeId>,
    /// How many nodes were asked.
    pub attempt: u32,
    /// How many of them went on with what another had begun.
    pub takeovers: u32,
    pub rescued: Rescued,
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

/// What it took that a client did not notice the loss of a node, or what would not be done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rescued {
    /// How long the transfer stood still.
    pub lost: Duration,
    /// Kept bytes that were sent once more.
    pub replayed: u64,
    /// Why the push would not survive its node.
    pub unprotected: Option<Unprotected>,
    /// The status that the client was told in our own words.
    pub synthesized: Option<Synthesized>,
}

impl Record<'_> {
    /// A request of which nothing could be read, and whose client left after `total`.
    pub fn unread(client: IpAddr, total: Duration) -> Self {
        Self {
            request_id: "",
            client,
            method: "",
            host: None,
            protocol: "HTTP/1.1",
            tls: None,
            route: "unknown",
            repo: None,
            reference: None,
            session: None,
            node: None,
            first_node: None,
            attempt: 0,
            takeovers: 0,
            rescued: Rescued::default(),
            status: 0,
            fault: None,
            outcome: Outcome::ClientLeft,
            bytes_in: 0,
            bytes_out: 0,
            first_byte: None,
            total,
        }
    }

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
        form.optional("first_node", self.first_node.map(NodeId::as_str));
        form.number("attempt", self.attempt);
        form.number("takeovers", self.takeovers);
        let rescued = &self.rescued;
        if !rescued.lost.is_zero() {
            form.milliseconds("lost_ms", rescued.lost);
        }
        if rescued.replayed > 0 {
            form.number("replayed_bytes", rescued.replayed);
        }
        form.optional("unprotected", rescued.unprotected.map(Label::as_str));
        form.optional("synthesized", rescued.synthesized.map(Label::as_str));
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

impl Json<'_> {
    /// By hand: the machinery of formatting costs more than the few bytes.
    fn name(&mut self, name: &str) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
    }
}

impl Form for Json<'_> {
    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        quote(self.0, value);
    }

    fn number(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        append(self.0, format_args!("{value}"));
    }

    fn display(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        append(self.0, format_args!("\"{value}\""));
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
    // Nearly every text is one of these, and copied at once.
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if kept.bytes().all(plain) {
        out.push_str(kept);
    } else {
        escape(out, kept);
    }
    out.push_str(cut);
    out.push('"');
}

fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
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
}

/// As much of a text as is kept, and what stands for the rest.
pub(super) fn bounded(value: &str) -> (&str, &'static str) {
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
mod tests;
