//! What goes wrong with a request, and what the client reads about it.
//!
//! The one place that turns a failure into whose fault it is, a status, a code of the registry's error form and
//! words. It never names a node, a path of ours or an inner error.

use std::time::Duration;

use http::StatusCode;

use crate::registry::error::Code;
use crate::registry::route::Oddity;

use super::scan::Finding;

/// Why a request is answered by us and not by a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The target is ambiguous or malformed.
    Target(Oddity),
    /// The raw header has something that proxies disagree about.
    Header(HeaderFault),
    /// Another host than the public names.
    WrongHost,
    /// The endpoint does not know the method.
    Method,
    /// A path that is not for the outside.
    Internal,
    /// An ACME challenge nobody here has.
    NoChallenge,
    /// A registry client on the plain port.
    PlainRegistry,
    /// The upload's address is forged, altered or expired.
    UnknownUpload,
    /// No node was up for as long as we were willing to wait.
    NoNode,
    /// Every node that may serve this has all it can take.
    Busy,
    /// The node failed and no other could go on.
    Node(NodeTrouble),
    /// The client went away or sent what cannot be read.
    Client,
    /// We are wrong.
    Ours,
}

/// What makes a header block unacceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderFault {
    NoHost,
    TwoHosts,
    BadHost,
    ForeignTarget,
    BareLineFeed,
    TooLarge,
    ControlByte,
    RequestLine,
    Fragment,
    TwoLengths,
    Coding,
}

/// How a node failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeTrouble {
    /// No connection could be made.
    Unreachable,
    /// The connection broke before the answer began.
    Broken,
    /// No byte for too long.
    Stalled,
    /// An answer that is not the registry's.
    BadAnswer,
    /// Its TLS could not be verified.
    Unverified,
}

/// Who has to do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    Client,
    Node,
    Fleet,
    Us,
}

/// Everything the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub status: StatusCode,
    pub code: Code,
    pub message: String,
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// Who has to do something about it.
    pub fn blame(self) -> Blame {
        match self {
            Self::Target(_)
            | Self::Header(_)
            | Self::WrongHost
            | Self::Method
            | Self::Internal
            | Self::NoChallenge
            | Self::PlainRegistry
            | Self::UnknownUpload
            | Self::Client => Blame::Client,
            Self::NoNode | Self::Busy => Blame::Fleet,
            Self::Node(_) => Blame::Node,
            Self::Ours => Blame::Us,
        }
    }

    /// The label for metrics and records.
    pub fn label(self) -> &'static str {
        match self {
            Self::Target(_) => "odd_target",
            Self::Header(_) => "odd_header",
            Self::WrongHost => "wrong_host",
            Self::Method => "method",
            Self::Internal => "internal_path",
            Self::NoChallenge => "no_challenge",
            Self::PlainRegistry => "plain_registry",
            Self::UnknownUpload => "unknown_upload",
            Self::NoNode => "no_node",
            Self::Busy => "busy",
            Self::Node(NodeTrouble::Unreachable) => "node_unreachable",
            Self::Node(NodeTrouble::Broken) => "node_broken",
            Self::Node(NodeTrouble::Stalled) => "node_stalled",
            Self::Node(NodeTrouble::BadAnswer) => "node_bad_answer",
            Self::Node(NodeTrouble::Unverified) => "node_unverified",
            Self::Client => "client",
            Self::Ours => "ours",
        }
    }

    /// What the client reads.
    pub fn told(self) -> Told {
        let (status, code, message) = match self {
            Self::Target(oddity) => (
                StatusCode::BAD_REQUEST,
                Code::Unsupported,
                oddity.to_string(),
            ),
            Self::Header(fault) => (
                StatusCode::BAD_REQUEST,
                Code::Unsupported,
                fault.message().to_owned(),
            ),
            other => {
                let (status, code, message) = other.plain();
                (status, code, message.to_owned())
            }
        };
        Told {
            status,
            code,
            message,
            retry_after: self.retry_after(),
        }
    }

    fn retry_after(self) -> Option<Duration> {
        match self.blame() {
            Blame::Node | Blame::Fleet => Some(RETRY_AFTER),
            Blame::Client | Blame::Us => None,
        }
    }

    fn plain(self) -> (StatusCode, Code, &'static str) {
        match self {
            Self::WrongHost => (
                StatusCode::MISDIRECTED_REQUEST,
                Code::Unsupported,
                "this server does not serve the requested host name; use the registry's public name",
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                Code::Unsupported,
                "the endpoint does not support this method",
            ),
            Self::Internal => (
                StatusCode::NOT_FOUND,
                Code::Unsupported,
                "this path is not served here",
            ),
            Self::NoChallenge => (
                StatusCode::NOT_FOUND,
                Code::Unsupported,
                "no such challenge is pending",
            ),
            Self::PlainRegistry => (
                StatusCode::BAD_REQUEST,
                Code::Unsupported,
                "this port does not serve the registry; use https (and remove the registry from \
                 the client's insecure registries)",
            ),
            Self::UnknownUpload => (
                StatusCode::NOT_FOUND,
                Code::BlobUploadUnknown,
                "the upload is unknown or has expired; start it again",
            ),
            Self::NoNode => (
                StatusCode::SERVICE_UNAVAILABLE,
                Code::Unavailable,
                "no registry node is available at the moment; try again shortly",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                Code::Unavailable,
                "the registry has all the requests it can take; try again shortly",
            ),
            Self::Node(trouble) => (
                StatusCode::SERVICE_UNAVAILABLE,
                Code::Unavailable,
                trouble.message(),
            ),
            Self::Client | Self::Target(_) | Self::Header(_) => (
                StatusCode::BAD_REQUEST,
                Code::Unsupported,
                "the request cannot be understood",
            ),
            Self::Ours => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Code::Unknown,
                "the load balancer failed; its log has the details under this request id",
            ),
        }
    }
}

impl NodeTrouble {
    fn message(self) -> &'static str {
        match self {
            Self::Unreachable | Self::Unverified => {
                "the registry node for this request cannot be reached; try again"
            }
            Self::Broken => "the registry node failed before it answered; try again",
            Self::Stalled => "the registry node did not answer in time; try again",
            Self::BadAnswer => {
                "the registry node gave an answer that is not the registry's; try again"
            }
        }
    }
}

impl HeaderFault {
    fn message(self) -> &'static str {
        match self {
            Self::NoHost => "the request has no Host header",
            Self::TwoHosts => "the request has more than one Host header",
            Self::BadHost => "the Host header is not a host name with an optional port",
            Self::ForeignTarget => "the request target names another host than the Host header",
            Self::BareLineFeed => "a header line ends with a line feed but no carriage return",
            Self::TooLarge => "the request header is larger than this server allows",
            Self::ControlByte => "a header value contains a control byte",
            Self::RequestLine => {
                "the request line is not a method, a target and a version; write spaces and bytes \
                 that cannot be seen as percent escapes"
            }
            Self::Fragment => "the request target has a fragment (#), which no server may be sent",
            Self::TwoLengths => "the request has both a Content-Length and a Transfer-Encoding",
            Self::Coding => "the body is transfer-encoded in another way than chunked, once",
        }
    }
}

impl From<Finding> for Option<HeaderFault> {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Clean => None,
            Finding::BareLineFeed => Some(HeaderFault::BareLineFeed),
            Finding::TooLarge => Some(HeaderFault::TooLarge),
            Finding::RequestLine => Some(HeaderFault::RequestLine),
            Finding::Fragment => Some(HeaderFault::Fragment),
            Finding::TwoLengths => Some(HeaderFault::TwoLengths),
        }
    }
}

/// Long enough for a node to come back, short enough that a client still waits.
const RETRY_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::registry::error::{envelope, parse_envelope};

    /// One of every kind.
    fn all() -> Vec<Fault> {
        let header = [
            HeaderFault::NoHost,
            HeaderFault::TwoHosts,
            HeaderFault::BadHost,
            HeaderFault::ForeignTarget,
            HeaderFault::BareLineFeed,
            HeaderFault::TooLarge,
            HeaderFault::ControlByte,
            HeaderFault::RequestLine,
            HeaderFault::Fragment,
            HeaderFault::TwoLengths,
            HeaderFault::Coding,
        ];
        let node = [
            NodeTrouble::Unreachable,
            NodeTrouble::Broken,
            NodeTrouble::Stalled,
            NodeTrouble::BadAnswer,
            NodeTrouble::Unverified,
        ];
        let others = [
            Fault::Target(Oddity::DotSegment),
            Fault::WrongHost,
            Fault::Method,
            Fault::Internal,
            Fault::NoChallenge,
            Fault::PlainRegistry,
            Fault::UnknownUpload,
            Fault::NoNode,
            Fault::Busy,
            Fault::Client,
            Fault::Ours,
        ];
        let header = header.into_iter().map(Fault::Header);
        let node = node.into_iter().map(Fault::Node);
        others.into_iter().chain(header).chain(node).collect()
    }

    #[test]
    fn the_status_says_whose_fault_it_is() {
        for fault in all() {
            let told = fault.told();
            match fault.blame() {
                Blame::Client => assert!(told.status.is_client_error(), "{fault:?}"),
                Blame::Node | Blame::Fleet => {
                    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
                    assert_eq!(told.code, Code::Unavailable, "{fault:?}");
                }
                Blame::Us => assert_eq!(told.status, StatusCode::INTERNAL_SERVER_ERROR),
            }
        }
    }

    #[test]
    fn only_what_may_pass_by_itself_is_worth_another_try() {
        for fault in all() {
            let passes = matches!(fault.blame(), Blame::Node | Blame::Fleet);
            assert_eq!(fault.told().retry_after.is_some(), passes, "{fault:?}");
        }
    }

    #[test]
    fn the_words_fit_every_form_and_name_no_address() {
        for fault in all() {
            let Told { code, message, .. } = fault.told();
            assert!(message.len() > 20, "{fault:?}: {message}");
            assert!(!message.ends_with('.'), "{message}");
            assert!(
                !message.contains(['<', '&', '\n']),
                "it goes into a page: {message}"
            );
            let spelled = message.split(|c: char| !c.is_ascii_digit() && c != '.');
            let address = spelled.filter_map(|word| word.parse::<std::net::IpAddr>().ok());
            assert_eq!(address.count(), 0, "{message}");
            assert!(!message.contains("://"), "{message}");
            let body = envelope(code, &message, &[]);
            let read = parse_envelope(body.as_bytes()).unwrap();
            assert_eq!((read.len(), &read[0].message), (1, &message));
        }
    }

    #[test]
    fn labels_are_words_and_tell_what_happened_apart() {
        let mut seen = HashSet::new();
        for fault in all() {
            let label = fault.label();
            let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(label.bytes().all(is_word), "{label}");
            let known = !seen.insert(label);
            let shared = matches!(fault, Fault::Header(_));
            assert!(!known || shared, "{label} twice");
        }
    }

    #[test]
    fn clients_begin_a_lost_upload_again() {
        let told = Fault::UnknownUpload.told();
        assert_eq!(told.status, StatusCode::NOT_FOUND);
        assert_eq!(told.code, Code::BlobUploadUnknown);
    }

    #[test]
    fn a_finding_is_a_fault_of_the_header() {
        assert_eq!(Option::<HeaderFault>::from(Finding::Clean), None);
        let fault = Option::from(Finding::BareLineFeed);
        assert_eq!(fault, Some(HeaderFault::BareLineFeed));
        assert_eq!(Option::from(Finding::TooLarge), Some(HeaderFault::TooLarge));
    }
}
