//! What the operator may set about pulls that another node goes on with.

/// How sure a client is to be of what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeoverSettings {
    pub verify: Verify,
}

/// Which pulls are hashed on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// None: nodes are believed that name the same digest and the same size.
    Off,
    /// Whole blobs by their digest; it is compared when more than one node gave bytes.
    Resumed,
}
