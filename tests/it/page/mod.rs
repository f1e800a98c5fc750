//! The page to look at, in a real browser before a real cluster.

mod access;
mod changes;
mod events;
mod pictures;
mod rescue;
mod stalled;
mod states;
mod window;
