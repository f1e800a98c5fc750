//! `pilotage run`: refuses a wrong file before any port is bound, then serves.

use std::process::ExitCode;

use crate::{app, config};

use super::{Options, complain, refuse, say};

/// Serves until a signal ends it.
pub(super) fn run(options: &Options) -> ExitCode {
    let settings = match config::read(&options.config) {
        Ok(settings) => settings,
        Err(problems) => return refuse(options, &problems),
    };
    match app::run(options.config.clone(), settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if options.json {
                say(&serde_json::json!({ "ok": false, "error": error.to_string() }).to_string());
            } else {
                complain(&format!("pilotage: {error}"));
            }
            ExitCode::FAILURE
        }
    }
}
