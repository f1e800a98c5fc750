//! Simulation: the machines of downloads and uploads against fleets that fail in every way, by seed.
//!
//! No sockets, no clock. A seed draws a fleet, a client and every fault; a model that knows every byte
//! predicts what the machine has to do at each step. The same seed always plays the same way.
//!
//! * `PILOTAGE_SIM_SEEDS=100000` plays so many seeds instead of the usual number: the wide run.
//! * `PILOTAGE_SIM_SEED=7` plays one seed, as a failure tells it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a simulation fails by panicking"
)]

mod download;
mod seeds;
mod upload;
mod world;

#[test]
fn downloads_survive_whatever_their_nodes_do() {
    seeds::sweep("downloads", 120_000, &download::OUTCOMES, download::run);
}

#[test]
fn uploads_survive_whatever_their_nodes_do() {
    seeds::sweep("uploads", 100_000, &upload::OUTCOMES, upload::run);
}

#[test]
fn uploads_survive_whatever_becomes_of_the_instances_that_carry_them() {
    let outcomes = &upload::instances::OUTCOMES;
    seeds::sweep("instances", 40_000, outcomes, upload::instances::run);
}
