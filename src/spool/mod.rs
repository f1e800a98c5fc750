//! Bytes of a push, kept until it is safe.
//!
//! What a client has sent is kept so that another node can be given all of it when the first one is lost: a small
//! head in memory, the rest in a file without a name, which is gone when the process is. The room never reads
//! what nobody asks for, and never holds up an upload that its node would take.
//!
//! Words: the *ledger* says how much may be kept, of one upload and in all; the *head* is the part of an upload
//! that never leaves memory; a *batch* is what is written to the file at once.

pub mod disk;
pub mod file;
pub mod ledger;
pub mod settings;
