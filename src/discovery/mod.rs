//! Where nodes come from.
//!
//! A node is written down with an address or with a name. The room turns a name into all addresses that it has
//! now, when it is asked to: at the start, after a reload, and again when a node cannot be reached.
//!
//! All addresses of a name belong to one node. The room never judges whether a node is well, and never connects.
//!
//! Words: to *resolve* is to turn a name into addresses; *fixed* nodes are those of the operator's file.

pub mod fixed;
