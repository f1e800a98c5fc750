//! What goes wrong with a request, and what the client reads about it.
//!
//! The one place that turns a failure into whose fault it is, a status, a code of the registry's error form and
//! words. It never names a node, a path of ours or an inner error.

use std::time::Duration;

use http::StatusCode;

use crate::observe::labels::{Label as _, Limit};
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
    /// The upload's session is gone, and its bytes are with another instance.
    LostUpload,
    /// A manifest beyond the size that registries take.
    ManifestTooLarge,
    /// No node was up for as long as we were willing to wait.
    NoNode,
    /// What all nodes share is away, and they hide it behind another answer.
    Database,
    /// Every node that may serve this has all it can take.
    Busy,
    /// An operator has closed the registry for what begins to write.
    Maintenance,
    /// The client asks too much.
    TooMany(TooMany),
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

/// Which limit was reached, and when there is room again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    pub limit: Limit,
    pub wait: Duration,
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
    /// Its bytes and those of another are not one blob.
    Differs,
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
            | Self::ManifestTooLarge
            | Self::TooMany(_)
            | Self::Client => Blame::Client,
            Self::NoNode | Self::Busy | Self::Database | Self::Maintenance => Blame::Fleet,
            Self::Node(_) | Self::LostUpload => Blame::Node,
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
            Self::LostUpload => "lost_upload",
            Self::ManifestTooLarge => "manifest_too_large",
            Self::TooMany(reached) => reached.limit.as_str(),
            Self::NoNode => "no_node",
            Self::Busy => "busy",
            Self::Maintenance => "maintenance",
            Self::Database => "database",
            Self::Node(NodeTrouble::Unreachable) => "node_unreachable",
            Self::Node(NodeTrouble::Broken) => "node_broken",
            Self::Node(NodeTrouble::Stalled) => "node_stalled",
            Self::Node(NodeTrouble::BadAnswer) => "node_bad_answer",
            Self::Node(NodeTrouble::Unverified) => "node_unverified",
            Self::Node(NodeTrouble::Differs) => "node_differs",
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
            Self::TooMany(reached) => (
                StatusCode::TOO_MANY_REQUESTS,
                Code::TooManyRequests,
                reached.message().to_owned(),
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
        if let Self::TooMany(reached) = self {
            // In whole seconds, and never too soon.
            return Some(Duration::from_secs(
                reached.wait.as_secs().saturating_add(1),
            ));
        }
        if self == Self::Maintenance {
            return Some(MAINTENANCE);
        }
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
            Self::ManifestTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                Code::TooLarge,
                "the manifest is larger than the 4 MiB that registries take",
            ),
            Self::NoNode => {
                unavailable("no registry node is available at the moment; try again shortly")
            }
            Self::Busy => {
                unavailable("the registry has all the requests it can take; try again shortly")
            }
            Self::Maintenance => {
                unavailable("the registry takes no pushes for the time of maintenance")
            }
            Self::Database => unavailable(
                "the registry cannot check credentials at the moment; try again shortly",
            ),
            Self::LostUpload => {
                unavailable("the upload was lost with its registry node; start it again")
            }
            Self::Node(trouble) => unavailable(trouble.message()),
            Self::Client | Self::TooMany(_) | Self::Target(_) | Self::Header(_) => (
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

fn unavailable(message: &'static str) -> (StatusCode, Code, &'static str) {
    (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message)
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
            Self::Differs => "the registry nodes do not have the same content; try again",
        }
    }
}

impl TooMany {
    /// The same for every account and every cause: nothing can be learnt from it.
    fn message(self) -> &'static str {
        match self.limit {
            Limit::LoginsOfCredential
            | Limit::LoginsOfPair
            | Limit::LoginsOfClient
            | Limit::LoginsOfAccount => "too many failed logins; try again later",
            Limit::RequestsOfClient | Limit::RequestsOfAccount => {
                "too many requests; try again later"
            }
            Limit::Transfers => "too many transfers at one time; try again later",
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
/// Maintenance is not over in seconds.
const MAINTENANCE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
