//! Downloads that survive their node: when a node fails in the middle of a blob, another one goes on.
//!
//! [`takeover::Takeover`] decides. It is told what the nodes answer and how many bytes come, and says whom to
//! ask for what, which bytes to pass, and how to end. A client sees one answer, whole and without a seam,
//! although its bytes may come from several nodes.
//!
//! The room never passes a byte that it has to guess about: two nodes are mixed only when they agree on the
//! digest and the size of the blob. It never ends an answer properly that is not whole. Only [`proof`] looks at
//! the bytes themselves, where the operator wants that. The room never chooses a node: that is done where the machine's actions are carried out.
//!
//! Its words:
//!
//! * a *goal* is what the client wants: a blob, or a range of it;
//! * an *ask* is a request to one node, the first one or one for the rest;
//! * *facts* are what the head of an answer says, reduced to what decides;
//! * an answer is *relayed* when it goes out as it comes because nothing could go on with it;
//! * a *takeover* is an ask for the rest, after a node was lost in the middle.

pub mod facts;
pub mod goal;
pub mod proof;
pub mod settings;
pub mod takeover;
