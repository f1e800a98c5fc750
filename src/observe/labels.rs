//! The closed sets of values that metric labels may take.
//!
//! A label value always comes from one of these enums, from the route and traffic kinds of the
//! rooms to the left, or from a node's configured name. Nothing that a client sent can become a
//! label, so the number of series has a bound that is known before the first request.

/// A closed set of label values.
pub trait Label: Copy {
    /// Every value, in the order of [`Label::position`].
    const NAMES: &'static [&'static str];

    /// The value as it stands in the metrics page and in logs.
    fn as_str(self) -> &'static str;

    /// Where the value stands in [`Label::NAMES`].
    fn position(self) -> usize;
}

macro_rules! labels {
    ($($(#[$about:meta])* $set:ident { $($(#[$note:meta])* $value:ident = $name:literal,)+ })+) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum $set {
                $($(#[$note])* $value,)+
            }

            impl Label for $set {
                const NAMES: &'static [&'static str] = &[$($name),+];

                fn as_str(self) -> &'static str {
                    match self {
                        $(Self::$value => $name,)+
                    }
                }

                fn position(self) -> usize {
                    #[expect(clippy::as_conversions, reason = "a fieldless enum counts from zero")]
                    let position = self as usize;
                    position
                }
            }
        )+
    };
}

labels! {
    /// How a request ended, as its client saw it.
    Outcome {
        /// A node's answer went out whole.
        Answered = "answered",
        /// Another node finished what the first had begun, and the answer went out whole.
        TakenOver = "taken_over",
        /// The answer is ours: a refusal, an error, a redirect to https.
        Refused = "refused",
        /// The answer had begun and could not be ended.
        Cut = "cut",
        /// The client went away first.
        ClientLeft = "client_left",
    }

    /// The first digit of a status, or that there was no answer.
    StatusClass {
        None = "none",
        Informational = "1xx",
        Success = "2xx",
        Redirection = "3xx",
        ClientError = "4xx",
        ServerError = "5xx",
    }

    /// Which way bytes flow, seen from the client's side of the edge.
    Direction {
        /// From clients.
        In = "in",
        /// To clients.
        Out = "out",
    }

    /// Why a client's connection was not served.
    Refusal {
        /// All connections together reached their limit.
        Connections = "connections",
        /// Those of one client address did.
        ConnectionsOfClient = "connections_of_client",
        /// What came is no request, or its header did not end.
        Malformed = "malformed",
    }

    /// Why the edge closed a connection that it had taken.
    ConnectionClose {
        HandshakeTimeout = "handshake_timeout",
        HeaderTimeout = "header_timeout",
        IdleTimeout = "idle_timeout",
        ClientTimeout = "client_timeout",
        Age = "age",
    }

    /// How a TLS handshake with a client ended.
    Handshake {
        Done = "done",
        Failed = "failed",
        TimedOut = "timed_out",
    }

    /// How one exchange with one node ended.
    Attempt {
        /// The node answered, with whatever status, and the exchange ran to its end.
        Answered = "answered",
        /// No connection, or its TLS did not verify.
        ConnectFailed = "connect_failed",
        /// Lost before the first byte of an answer.
        LostBeforeAnswer = "lost_before_answer",
        /// Lost in the middle of an answer or of a body.
        LostMidway = "lost_midway",
        /// No progress for the time that is allowed.
        Stalled = "stalled",
        /// A 5xx that is not a registry's own answer.
        GatewayError = "gateway_error",
        /// The client went away, which says nothing about the node.
        ClientLeft = "client_left",
    }

    /// What led to asking another node.
    RetryReason {
        ConnectFailed = "connect_failed",
        Lost = "lost",
        Stalled = "stalled",
        GatewayError = "gateway_error",
        /// The node did not know a browser's session that another had made.
        UnknownSession = "unknown_session",
        /// The node refused a token that another may have signed.
        RefusedToken = "refused_token",
    }

    /// What another node went on with.
    TakeoverKind {
        Download = "download",
        Upload = "upload",
        Manifest = "manifest",
    }

    /// Why another node had to go on.
    TakeoverReason {
        ConnectFailed = "connect_failed",
        Lost = "lost",
        Stalled = "stalled",
        /// A 5xx, or no answer of a registry.
        BadAnswer = "bad_answer",
        /// The node did not know the session.
        UnknownSession = "unknown_session",
        /// The node refused credentials that another had accepted.
        Unauthorized = "unauthorized",
        /// The node got other bytes than were sent.
        DigestInvalid = "digest_invalid",
        /// The client came back with an address that it had used before.
        Address = "address",
    }

    /// Why a push would not survive its node.
    Unprotected {
        UploadLimit = "upload_limit",
        TotalLimit = "total_limit",
        DiskShare = "disk_share",
        DiskFailed = "disk_failed",
        /// More uploads run than are known at one time.
        TooMany = "too_many",
        /// Its first bytes passed another balancer, or this one before it was started again.
        BegunElsewhere = "begun_elsewhere",
    }

    /// How a push's wait for room in the spool ended.
    SpoolWait {
        Room = "room",
        /// It goes on unprotected.
        Timeout = "timeout",
    }

    /// What the bytes of a pull said that another node went on with.
    Verified {
        Right = "right",
        /// Two nodes gave different bytes under one digest.
        Wrong = "wrong",
    }

    /// What a client was told in our own words, by its status.
    Synthesized {
        Created = "201",
        Accepted = "202",
        /// How far an upload is.
        Status = "204",
    }

    /// How a probe of one node ended.
    Probe {
        /// Answered, and every component that matters is well.
        Well = "well",
        /// Answered, and says that a component is not well.
        Unwell = "unwell",
        /// Answered with something that is no health answer.
        Unreadable = "unreadable",
        /// No answer in time, or no connection.
        Failed = "failed",
    }

    /// How a reload of the operator's file ended.
    Reload {
        Done = "done",
        Refused = "refused",
    }

    /// How waiting for a node with room, or for any node at all, ended.
    Wait {
        Placed = "placed",
        Timeout = "timeout",
        QueueFull = "queue_full",
        ClientLeft = "client_left",
    }

    /// Why the token of an upload was not honoured.
    TokenRefusal {
        Malformed = "malformed",
        Forged = "forged",
        Expired = "expired",
        /// Sealed for another repository or another upload.
        Foreign = "foreign",
        /// Names a node that is no longer configured.
        NodeGone = "node_gone",
    }

    /// What a client reached that made it wait.
    Limit {
        RequestsOfClient = "requests_of_client",
        RequestsOfAccount = "requests_of_account",
        Transfers = "transfers",
        /// The same wrong credentials, again and again.
        LoginsOfCredential = "logins_of_credential",
        /// Wrong credentials of one account from one client.
        LoginsOfPair = "logins_of_pair",
        /// Wrong credentials from one client.
        LoginsOfClient = "logins_of_client",
        /// Wrong credentials of one account.
        LoginsOfAccount = "logins_of_account",
    }

    /// What came of a request with credentials.
    Login {
        Right = "right",
        Wrong = "wrong",
        /// The answer says nothing about them.
        Unclear = "unclear",
    }

    /// What a node does that makes it work less well behind a balancer.
    Misfit {
        /// It answers plain requests with a redirect to https.
        RedirectsToHttps = "redirects_to_https",
        /// Its Location answers carry a name of its own.
        OwnLocation = "own_location",
        /// Its token service is announced under a name of its own.
        OwnRealm = "own_realm",
        /// It does not know sessions of browsers that other nodes made.
        UnknownSessions = "unknown_sessions",
    }

    /// Why a browser's session did not stay on its node.
    SessionMove {
        /// The node is no longer configured.
        Gone = "gone",
        Draining = "draining",
        Down = "down",
        /// The node failed a request, and another answered it.
        Failed = "failed",
    }

    /// Where the node of a browser's session was found.
    SessionLookup {
        Local = "local",
        OwnCookie = "own_cookie",
        Redis = "redis",
        /// Nowhere: the session was drawn to a node.
        None = "none",
    }

    /// Whether there is a Redis in which instances meet.
    SharedState {
        /// None is configured.
        Off = "off",
        /// It does not answer as it should, and is left alone.
        Away = "away",
        Up = "up",
    }

    /// What Redis is asked for.
    SharedCall {
        /// Whether it serves us.
        Probe = "probe",
        FindUpload = "find_upload",
        MoveUpload = "move_upload",
        ForgetUpload = "forget_upload",
        FindWrite = "find_write",
        NoteWrite = "note_write",
        FindSession = "find_session",
        KeepSession = "keep_session",
        ForgetSession = "forget_session",
        Maintenance = "maintenance",
        /// Limits.
        Script = "script",
        /// Who else there is.
        Roll = "roll",
    }

    /// What came of it.
    SharedOutcome {
        Done = "done",
        /// It has no such entry.
        Missing = "missing",
        TimedOut = "timed_out",
        Refused = "refused",
        /// The connection was lost.
        Lost = "lost",
        /// It was known to be away.
        NotAsked = "not_asked",
    }

    /// Why spans did not reach the collector.
    SpanLoss {
        /// More requests ended than could wait.
        QueueFull = "queue_full",
        /// The collector could not be reached, or did not answer.
        Unsent = "unsent",
        /// The collector would not have them.
        Refused = "refused",
        /// One request had more than are kept.
        TooMany = "too_many",
    }

    /// What was amiss with somebody who asked the admin listener.
    Denial {
        /// No token, or a wrong one.
        Credential = "credential",
        /// It may have come from a page of another site.
        Site = "site",
    }

    /// Work that goes on in the background.
    Task {
        Probes = "probes",
        Certificates = "certificates",
    }
}

impl StatusClass {
    /// The class of a status; anything outside 100 to 599 counts as no answer.
    pub const fn of(status: u16) -> Self {
        match status {
            100..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            500..=599 => Self::ServerError,
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_where_its_name_stands() {
        for outcome in [Outcome::Answered, Outcome::TakenOver, Outcome::ClientLeft] {
            assert_eq!(Outcome::NAMES[outcome.position()], outcome.as_str());
        }
        assert_eq!(
            TokenRefusal::NAMES[TokenRefusal::NodeGone.position()],
            "node_gone"
        );
    }

    #[test]
    fn a_status_outside_the_protocol_has_no_class() {
        assert_eq!(StatusClass::of(0), StatusClass::None);
        assert_eq!(StatusClass::of(204), StatusClass::Success);
        assert_eq!(StatusClass::of(499), StatusClass::ClientError);
        assert_eq!(StatusClass::of(599), StatusClass::ServerError);
        assert_eq!(StatusClass::of(600), StatusClass::None);
    }
}
