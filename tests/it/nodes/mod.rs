//! Nodes: set up in ways of their own, verified, sick, lost, coming back, or with all they can take.

mod addresses;
mod balancing;
#[cfg(feature = "otlp")]
mod collected;
mod components;
mod drain;
mod leaving;
mod lost;
mod misconfigured;
mod patience;
mod plain;
mod probes;
mod queue;
mod retries;
mod returning;
mod scene;
mod secure;
#[cfg(feature = "otlp")]
mod traced;
mod work;
