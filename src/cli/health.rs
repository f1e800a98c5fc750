//! `pilotage health`: asks the running process, as containers do that have neither a shell nor curl.

use std::process::ExitCode;

use clap::Args;

use crate::config;

use super::control::ask::Desk;
use super::{Options, complain, refuse, say};

#[derive(Debug, Args)]
pub(super) struct Question {
    #[command(flatten)]
    all: Options,
    /// Asks only whether the process is alive, not whether a pull would find a node
    #[arg(long)]
    live: bool,
}

/// Good when the admin listener of the file's process answers 200. Nothing else is touched.
pub(super) fn health(question: &Question) -> ExitCode {
    let admin = match config::read_admin(&question.all.config) {
        Ok(admin) => admin,
        Err(problems) => return refuse(&question.all, &problems),
    };
    let page = if question.live { "/livez" } else { "/readyz" };
    let answer = Desk::without_token(&admin).ask("GET", page, None);
    let (well, words) = match &answer {
        Ok(answer) => {
            let words = answer.body.lines().next().unwrap_or_default();
            (answer.status == 200, words.to_owned())
        }
        Err(error) => (false, error.clone()),
    };
    if question.all.json {
        say(&serde_json::json!({ "ok": well, "said": words }).to_string());
    } else if well {
        say(&words);
    } else {
        complain(&words);
    }
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
