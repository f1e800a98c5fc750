//! What one probe found.

use std::fmt;

use serde::Deserialize;

use super::component::{Component, Effect, Reach, Traffic, effect};

/// What one probe of one node found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// No usable answer came at all.
    Unreachable(Unreachable),
    /// The node answered. Probes that know no components leave `parts` empty.
    Answered { parts: Vec<Part>, ping: Ping },
}

/// One component as the node describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub component: Component,
    /// The node's own word for it.
    pub name: String,
    pub state: PartState,
}

/// Whether a component works. The error is for operators: it may name inner addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartState {
    Healthy,
    Unhealthy { error: String },
}

/// How `/v2/` answered beside the health document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ping {
    /// The probe did not ask.
    NotAsked,
    /// 200 or 401: the registry API answers.
    Answered,
    /// Anything else: nobody could pull, push or log in.
    Failed(Unreachable),
}

/// Why a node, or one of its paths, gave no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// Its name has no address.
    Unresolved,
    Refused,
    TimedOut,
    /// The TLS handshake failed, or the certificate is not the expected one.
    Tls,
    /// The connection ended before the answer was whole.
    Closed,
    /// An answer with a status that no healthy node gives here.
    BadAnswer(u16),
    /// It answers, and has no page where each Harbor has its health document.
    NoHarbor,
    /// An answer that is not the expected document.
    Unreadable,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => f.write_str("name has no address"),
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Tls => f.write_str("tls failed: no https port, or no certificate that is trusted"),
            Self::Closed => f.write_str("connection closed early"),
            Self::BadAnswer(status) => write!(f, "unexpected status {status}"),
            Self::NoHarbor => f.write_str(
                "no harbor answers (404); for plain registries set probe = \"registry\" in [health]",
            ),
            Self::Unreadable => f.write_str("answer not understood"),
        }
    }
}

/// A document that is not Harbor's health document.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("health document is not the expected json")]
    Json(#[from] serde_json::Error),
    #[error("health document lists no component")]
    Empty,
    #[error("health document lists {0} components")]
    TooMany(usize),
}

impl Report {
    /// Reads Harbor's health document, whose HTTP status says nothing. `/v2/` counts as not asked.
    ///
    /// A registry that answers its own check with a server error is read as [`Component::Storage`]
    /// failing: the process lives, what it needs does not.
    pub fn from_harbor_json(document: &[u8]) -> Result<Self, ReportError> {
        let document: Document = serde_json::from_slice(document)?;
        match document.components.len() {
            0 => return Err(ReportError::Empty),
            n if n > MAX_PARTS => return Err(ReportError::TooMany(n)),
            _ => {}
        }
        let parts = document
            .components
            .into_iter()
            .map(Entry::into_part)
            .collect();
        Ok(Self::Answered {
            parts,
            ping: Ping::NotAsked,
        })
    }

    /// The same report, knowing how `/v2/` answered. An unreachable node stays unreachable.
    #[must_use]
    pub fn with_ping(self, ping: Ping) -> Self {
        match self {
            Self::Unreachable(reason) => Self::Unreachable(reason),
            Self::Answered { parts, .. } => Self::Answered { parts, ping },
        }
    }

    /// What the report means for one kind of traffic.
    pub(super) fn judge(&self, traffic: Traffic) -> Verdict {
        let (parts, ping) = match self {
            Self::Unreachable(reason) => return Verdict::Bad(Why::Unreachable(*reason)),
            Self::Answered { parts, ping } => (parts, *ping),
        };
        let mut degraded = None;
        for part in parts {
            let PartState::Unhealthy { error } = &part.state else {
                continue;
            };
            let why = || Why::Component {
                component: part.component,
                error: error.clone(),
            };
            match (effect(part.component, traffic), part.component.reach()) {
                (Effect::Fatal, Reach::Own) => return Verdict::Bad(why()),
                (Effect::Fatal, Reach::Shared) | (Effect::Degraded, _) => {
                    degraded.get_or_insert_with(why);
                }
                (Effect::None, _) => {}
            }
        }
        match (ping, traffic) {
            (Ping::Failed(reason), Traffic::Pull | Traffic::Push | Traffic::Token) => {
                return Verdict::Bad(Why::Ping(reason));
            }
            (Ping::Failed(_), Traffic::Api | Traffic::Ui)
            | (Ping::NotAsked | Ping::Answered, _) => {}
        }
        degraded.map_or(Verdict::Good, Verdict::Degraded)
    }
}

/// What one report means for one kind of traffic.
///
/// A fatal fault of a shared component is only `Degraded` here: whether it is this node's trouble
/// or everybody's can be seen from the whole fleet alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Degraded(Why),
    Bad(Why),
}

/// Why a node stands as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No probe has answered yet.
    NotProbed,
    /// Probes find nothing wrong.
    Well,
    Unreachable(Unreachable),
    Component {
        component: Component,
        error: String,
    },
    /// The health document is fine, but `/v2/` does not answer.
    Ping(Unreachable),
    /// What requests met.
    Met(Signal),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotProbed => f.write_str("not probed yet"),
            Self::Well => f.write_str("probes are good"),
            Self::Unreachable(reason) => write!(f, "probe: {reason}"),
            Self::Component { component, error } if error.is_empty() => {
                write!(f, "{component} is unhealthy")
            }
            Self::Component { component, error } => write!(f, "{component} is unhealthy: {error}"),
            Self::Ping(reason) => write!(f, "/v2/: {reason}"),
            Self::Met(signal) => write!(f, "requests: {signal}"),
        }
    }
}

/// A way in which a node failed a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    ConnectFailed,
    Died,
    BadGateway,
    Stalled,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectFailed => "connect failed",
            Self::Died => "died in mid-stream",
            Self::BadGateway => "answered with a gateway error",
            Self::Stalled => "made no progress",
        })
    }
}

#[derive(Deserialize)]
struct Document {
    components: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    status: String,
    #[serde(default)]
    error: String,
}

impl Entry {
    fn into_part(self) -> Part {
        let mut component = Component::from_harbor_name(&self.name);
        let state = if self.status == "healthy" {
            PartState::Healthy
        } else {
            if component == Component::Registry && self.error.contains(ANSWERED_WITH_5XX) {
                component = Component::Storage;
            }
            PartState::Unhealthy {
                error: shorten(&self.error, MAX_ERROR),
            }
        };
        Part {
            component,
            name: shorten(&self.name, MAX_NAME),
            state,
        }
    }
}

fn shorten(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// How Harbor's checker words an answer with a server error.
const ANSWERED_WITH_5XX: &str = "unexpected status code: 5";
/// Harbor lists eight parts, older releases eleven; more than this is some other document.
const MAX_PARTS: usize = 64;
/// Enough for Harbor's longest messages, in characters.
const MAX_ERROR: usize = 512;
/// Enough for any name of a part, in characters.
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn document(entries: &[(&str, &str)]) -> Vec<u8> {
        let components: Vec<_> = entries
            .iter()
            .map(|(name, error)| match *error {
                "" => serde_json::json!({"name": name, "status": "healthy"}),
                error => serde_json::json!({"name": name, "status": "unhealthy", "error": error}),
            })
            .collect();
        serde_json::json!({"status": "whatever", "components": components})
            .to_string()
            .into()
    }

    fn judged(entries: &[(&str, &str)]) -> [u8; 5] {
        let report = Report::from_harbor_json(&document(entries)).unwrap();
        Traffic::ALL.map(|traffic| match report.judge(traffic) {
            Verdict::Good => b'g',
            Verdict::Degraded(_) => b'd',
            Verdict::Bad(_) => b'b',
        })
    }

    #[test]
    fn what_harbor_wrote_with_its_registry_dead_is_read() {
        let text = br#"{"components":[{"name":"core","status":"healthy"},{"error":"failed to check
            health: dial tcp 192.0.2.1:5000: connect: connection refused","name":"registry",
            "status":"unhealthy"}],"status":"unhealthy"}"#;
        let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'\n').collect();
        let Report::Answered { parts, ping } = Report::from_harbor_json(&text).unwrap() else {
            panic!("the node answered");
        };
        assert_eq!(ping, Ping::NotAsked);
        assert_eq!(parts[0].state, PartState::Healthy);
        assert_eq!(parts[1].component, Component::Registry);
        assert!(
            matches!(&parts[1].state, PartState::Unhealthy { error } if error.contains(":5000"))
        );
    }

    #[test]
    fn a_fault_touches_only_the_traffic_that_needs_the_part() {
        let rest = [("core", ""), ("portal", "")];
        assert_eq!(&judged(&rest), b"ggggg");
        assert_eq!(
            &judged(&[("trivy", "gone"), ("jobservice", "gone")]),
            b"ggggg"
        );
        assert_eq!(&judged(&[("registry", "connection refused")]), b"bbgdg");
        assert_eq!(&judged(&[("core", "x")]), b"bbbbb");
        assert_eq!(&judged(&[("portal", "x")]), b"ggggb");
        assert_eq!(&judged(&[("redis", "x")]), b"ddddd");
    }

    #[test]
    fn a_shared_fault_alone_condemns_nobody() {
        assert_eq!(&judged(&[("database", "x")]), b"ddddd");
        assert_eq!(
            &judged(&[("registry", "received unexpected status code: 503 x")]),
            b"ddgdg"
        );
    }

    #[test]
    fn an_own_fault_outweighs_a_shared_one_listed_before_it() {
        assert_eq!(
            &judged(&[("database", "x"), ("registry", "connection refused")]),
            b"bbddd"
        );
    }

    #[test]
    fn a_dead_v2_path_stops_registry_traffic_only() {
        let report = Report::from_harbor_json(&document(&[("core", "")])).unwrap();
        let report = report.with_ping(Ping::Failed(Unreachable::BadAnswer(502)));
        for traffic in [Traffic::Pull, Traffic::Push, Traffic::Token] {
            let why = Why::Ping(Unreachable::BadAnswer(502));
            assert_eq!(report.judge(traffic), Verdict::Bad(why));
        }
        assert_eq!(report.judge(Traffic::Api), Verdict::Good);
        assert_eq!(report.judge(Traffic::Ui), Verdict::Good);
    }

    #[test]
    fn other_documents_are_refused() {
        for text in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"status":"healthy"}"#,
            r#"{"components":[]}"#,
        ] {
            assert!(Report::from_harbor_json(text.as_bytes()).is_err(), "{text}");
        }
        let many: Vec<_> = (0..=MAX_PARTS).map(|_| ("core", "")).collect();
        let refused = Report::from_harbor_json(&document(&many));
        assert!(matches!(refused, Err(ReportError::TooMany(65))));
    }

    #[test]
    fn a_long_error_is_kept_short() {
        let long = "é".repeat(10_000);
        let report = Report::from_harbor_json(&document(&[("core", &long)])).unwrap();
        let Verdict::Bad(Why::Component { error, .. }) = report.judge(Traffic::Ui) else {
            panic!("core is fatal");
        };
        assert_eq!(error.chars().count(), MAX_ERROR);
    }
}
