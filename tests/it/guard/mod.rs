//! What one client may ask: wrong logins, rates, transfers, and tokens that are shared, over real nodes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    unreachable_pub,
    reason = "test code: a surprise is a failed test, and says where"
)]

mod by_clients;
mod instances;
mod limits;
mod logins;
mod meeting;
mod outage;
pub mod scene;
mod tokens;
