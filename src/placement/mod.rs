//! Which node serves a request, and which next.
//!
//! [`choose::choose`] turns what the fleet says of its nodes, and what a request is drawn to, into
//! an ordered list. [`budget::Budget`] says whether the list may be followed beyond its first
//! entry.
//!
//! The room never asks a node, never waits for room and never draws random numbers: draws and the
//! time are arguments, so that the same input gives the same order.
//!
//! Its words:
//!
//! * a *pin* binds a request to the node where its upload lives;
//! * a *soft key* draws a repository to one node, the same one on every balancer, as long as that
//!   node is not busier than the others;
//! * a *share* is a node's weight, reduced while it starts slowly.

pub mod balance;
pub mod budget;
pub mod choose;
pub mod rendezvous;
