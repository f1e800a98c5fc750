//! The registry's API through pilotage, over real nodes, by hand: every endpoint that clients use,
//! over HTTP/1.1 and HTTP/2, with what must be public in the answers and what nodes must see.
//!
//! A *stage* is three nodes behind a balancer; a *hand* sends requests to it as one account over one
//! protocol.

mod browser;
mod challenge;
mod content;
mod differing;
mod early;
mod forwarded;
pub mod hand;
mod listing;
mod location;
pub mod stage;
mod token;
mod upload;
mod upload_end;
