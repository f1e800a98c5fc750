//! What must stay on one node, and how we remember it.
//!
//! A running upload lives on the node that opened it. [`token`] seals that node, and the node's own
//! address of the upload, into the public Location, so that the client brings them back with every
//! request: any balancer that knows the key can go on, with no store shared between them.
//! [`recent`] remembers for about a minute which node took which content, because shared storage
//! may show it to the other nodes only later. [`shared`] is where several instances meet, when there
//! is a Redis: everything in there is an improvement and never a condition.
//!
//! The pure files neither read keys from disk nor the clock nor random numbers: all of these are
//! arguments. Nothing here is ever derived from a client's address, its cookies or its credentials.
//!
//! Its words:
//!
//! * a *session* is an upload in progress, under the name that clients know;
//! * a *token* is what the client carries for us, unreadable to it and worthless elsewhere;
//! * a *key* seals tokens; several may be listed, and the newest seals.

pub mod recent;
pub mod settings;
pub mod shared;
pub mod standing;
pub mod token;
