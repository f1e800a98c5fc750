//! observe: what operators see.
//!
//! Metrics, log lines, the access record of every request, and the pages of the admin listener.
//! Everything that is counted or logged has its name here, in [`names`], and nowhere else; what a
//! label may say is in [`labels`].
//!
//! The room never decides anything, never blocks a request (a log line that cannot be taken is
//! dropped and counted), and never shows a credential, a cookie, a token or a query: the record has
//! no field for them, and [`record::Redacted`] hides what has to be carried past.
//!
//! Words: a *record* is what is kept of one request; a *line* is one message to a human; a *fault*
//! is the name of what went wrong; *ready* means that a client asking now would be served; a *trail* is what
//! is kept of a request while it runs, for the *spans* of its trace.

mod affinity;
pub mod control;
pub mod findings;
mod guard;
pub mod history;
pub mod labels;
pub mod log;
pub mod metrics;
pub mod names;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod progress;
pub mod record;
pub mod rescues;
pub mod settings;
mod shared;
pub mod status;
pub mod steps;
pub mod trace;
pub mod tracer;
pub mod trail;
pub mod writer;
