//! What an operator changes while pilotage runs, and what he can ask.
//!
//! The pages of the admin listener, on an address that clients cannot reach: probes, metrics, and a versioned JSON
//! API whose description is `conf/openapi.json`, and the page for people. What is changed here stands beside the
//! configuration: it survives a reload and an upgrade, ends with a restart, and is logged with who said it. Nothing
//! that is changed interrupts a transfer.
//!
//! The room decides who may ask and what the question means. It never touches a transfer, never writes the
//! operator's file, and never shows a token or a credential.
//!
//! Words: a *page* is what one path answers; *who* is the operator as far as he is known: a named token, a
//! certificate, or the machine itself; a *refusal* says what is wrong, where, and what to do.

pub mod access;
mod answer;
pub mod desk;
mod host;
pub mod page;
pub mod route;
pub mod settings;
pub mod tokens;
mod views;
