//! What must stay on one node, and how we remember it.
//!
//! A running upload lives on the node that opened it. [`token`] seals that node, and the node's own
//! address of the upload, into the public Location, so that the client brings them back with every
//! request: any balancer that knows the key can go on, with no store shared between them.
//! [`recent`] remembers for about a minute which node took which content, because shared storage
//! may show it to the other nodes only later. [`browser`] knows which node has a browser's session,
//! and [`issuer`] which node accepts a token; registry traffic never looks at the former. [`shared`]
//! is where several instances meet, when there is a Redis: everything in there is an improvement and
//! never a condition.
//!
//! The pure files neither read keys from disk nor the clock nor random numbers: all of these are
//! arguments. Of a cookie or a token only a hash is kept, and nothing of a client's address.
//!
//! Its words:
//!
//! * a *session* is an upload in progress, under the name that clients know; a browser's is a *UI
//!   session*, known by its *mark*, a keyed hash of its cookie;
//! * a *token* is what the client carries for us, unreadable to it and worthless elsewhere;
//! * a *key* seals tokens; several may be listed, and the newest seals.

pub mod browser;
pub mod issuer;
pub mod recent;
pub mod settings;
pub mod shared;
mod sliding;
pub mod standing;
pub mod ties;
pub mod token;
