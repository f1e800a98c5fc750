//! `pilotage check`: what is wrong with the file, or what it means.

use std::process::ExitCode;

use crate::config;

use super::{Options, refuse, say};

/// Reads the file and nothing else.
pub(super) fn check(options: &Options) -> ExitCode {
    match config::read(&options.config) {
        Err(problems) => refuse(options, &problems),
        Ok(settings) if options.json => {
            say(&serde_json::json!({ "ok": true, "summary": settings.summary() }).to_string());
            ExitCode::SUCCESS
        }
        Ok(settings) => {
            for line in settings.summary() {
                say(&line);
            }
            ExitCode::SUCCESS
        }
    }
}
