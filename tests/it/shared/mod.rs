//! Several instances act as one through Redis, and each goes on without it.

mod by_clients;
mod faults;
mod keyspace;
mod links;
mod refusals;
mod roll;
mod rotation;
pub(crate) mod scene;
mod uploads;
