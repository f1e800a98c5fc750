//! What an operator asks and changes while pilotage runs.

mod access;
mod commands;
mod described;
mod instances;
mod maintenance;
mod orders;
mod schema;
mod secured;
mod told;
