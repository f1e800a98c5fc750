//! What one client may ask: wrong logins, rates, transfers, and tokens that are shared, over real nodes.

mod by_clients;
mod farm;
mod instances;
mod limits;
mod logins;
mod meeting;
mod outage;
pub mod scene;
mod tokens;
