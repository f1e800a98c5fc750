//! Logins that survive: browsers whose sessions nodes share or keep for themselves, and tokens of nodes that sign
//! with different keys. Over three nodes, and one or two balancers.

pub(crate) mod browser;
mod chrome;
mod keys;
mod keys_push;
mod oidc;
mod pair;
mod pinned;
mod rendered;
mod rotary;
mod shared;
mod tied;
