//! The code checks itself: sizes, the line of rooms, purity, declared names, the operator's files.
//!
//! Every check is a function from text to complaints, so that each can be shown a bad sample and
//! has to catch it. The map of rooms is read from the documentation in `src/lib.rs`, which is
//! thereby kept true.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a check fails by panicking"
)]

#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/papers.rs"]
mod papers;
#[path = "tidy/project.rs"]
mod project;
#[path = "tidy/queries.rs"]
mod queries;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/samples.rs"]
mod samples;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

/// Fails with every complaint, not only the first.
fn expect_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Fails unless one complaint says this.
fn expect_one(complaints: &[String], part: &str) {
    assert!(
        complaints.iter().any(|complaint| complaint.contains(part)),
        "nothing says {part:?} in {complaints:?}"
    );
}
