//! `pilotage run`: refuses a wrong file before any port is bound, then serves.

use std::process::ExitCode;

use clap::Args;

use crate::{app, config};

use super::{Options, complain, refuse, say};
use crate::app::Beginning;

#[derive(Debug, Args)]
pub(super) struct RunOptions {
    #[command(flatten)]
    options: Options,
    /// Takes the ports over from the running pilotage, which then only ends what it has begun
    #[arg(long)]
    upgrade: bool,
}

/// Serves until a signal ends it.
pub(super) fn run(run: &RunOptions) -> ExitCode {
    let options = &run.options;
    let settings = match config::read(&options.config) {
        Ok(settings) => settings,
        Err(problems) => return refuse(options, &problems),
    };
    let beginning = if run.upgrade {
        Beginning::Upgrade
    } else {
        Beginning::Fresh
    };
    match app::run(options.config.clone(), settings, beginning) {
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
