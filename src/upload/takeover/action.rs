//! What the machine of a push says to do.

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send the client's request as it is, to the session as it is.
    Forward,
    /// Open a session on a node that has not failed this request.
    Open,
    /// PATCH everything from the first byte to the new session.
    ReplayPatch,
    /// PUT everything from the first byte, with its length, to the new session.
    ReplayPut,
    /// Commit the new session with an empty PUT.
    Commit,
    /// Ask for the blob by its digest.
    Seek,
    /// Hash what is kept.
    Hash,
    /// Give the client the node's answer.
    Pass,
    /// Tell the client that its bytes are stored, or its blob is, in our own words.
    Acknowledge,
    /// Tell the client that it failed.
    Refuse(Refusal),
}

/// Why a request of a push fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The node was lost and the bytes are not kept, or the tries are used up.
    Lost,
    /// No node was up for as long as we were willing to wait.
    NoNode,
}

impl Action {
    pub(super) fn is_last(self) -> bool {
        match self {
            Self::Pass | Self::Acknowledge | Self::Refuse(_) => true,
            Self::Forward
            | Self::Open
            | Self::ReplayPatch
            | Self::ReplayPut
            | Self::Commit
            | Self::Seek
            | Self::Hash => false,
        }
    }

    pub(super) fn needs_kept_bytes(self) -> bool {
        matches!(
            self,
            Self::Open | Self::ReplayPatch | Self::ReplayPut | Self::Hash
        )
    }
}
