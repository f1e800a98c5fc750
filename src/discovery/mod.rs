//! Where nodes come from.
//!
//! Today: from the operator's file, by address or by name. All addresses of a name belong to one node. The room
//! never judges whether a node is well.

pub mod fixed;
