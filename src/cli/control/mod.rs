//! The commands that ask and tell the running pilotage: nodes, maintenance, requests, transfers, reload, log.
//!
//! They read `[admin]` of the process's configuration to find its listener and its tokens, and say what it answers: a
//! few lines for a person, or with `--json` the answer as it came. What is wrong elsewhere in the file is its business.

pub(super) mod ask;
mod explain;
mod maintenance;
mod nodes;
mod pinned;
mod tell;
mod transfers;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::config;

use self::ask::Desk;
use super::{CONFIG_FILE, Options, complain, counted, refuse, say};

pub(super) use self::explain::ExplainOptions;
pub(super) use self::maintenance::MaintenanceOptions;
pub(super) use self::nodes::NodesOptions;

/// Which process is asked, and how it is told.
#[derive(Debug, Clone, Args)]
pub(super) struct Asking {
    /// The configuration file of the running pilotage
    #[arg(long, value_name = "FILE", global = true, default_value = CONFIG_FILE)]
    config: PathBuf,
    /// Prints the answer as JSON
    #[arg(long, global = true)]
    json: bool,
}

/// What the log is to let through.
#[derive(Debug, Args)]
pub(super) struct LogOptions {
    #[command(flatten)]
    asking: Asking,
    /// Such as info or debug, after commas also for single parts; without it, what counts now is told
    #[arg(value_name = "LEVEL")]
    level: Option<String>,
}

/// One question, and how its answer is told to a person.
struct Question<'q> {
    method: &'q str,
    path: String,
    body: Option<Value>,
    tell: fn(&Value) -> Vec<String>,
}

impl Asking {
    /// Asks, tells the answer, and says with the exit code whether it was a good one.
    fn put(&self, question: &Question<'_>) -> ExitCode {
        let admin = match config::read_admin(&self.config) {
            Ok(admin) => admin,
            Err(problems) => {
                let options = Options {
                    config: self.config.clone(),
                    json: self.json,
                };
                return refuse(&options, &problems);
            }
        };
        let answer = Desk::of(&admin).and_then(|desk| {
            let body = question.body.as_ref().map(Value::to_string);
            desk.ask(question.method, &question.path, body.as_deref())
        });
        match answer {
            Err(error) => self.fail(&json!({ "error": { "what": error } })),
            Ok(answer) => match serde_json::from_str(&answer.body) {
                Ok(said) if answer.is_good() => {
                    self.tell(&said, question.tell);
                    ExitCode::SUCCESS
                }
                Ok(refusal) => self.fail(&refusal),
                Err(_) => self
                    .fail(&json!({ "error": { "what": "it answers, but not as pilotage does" } })),
            },
        }
    }

    fn tell(&self, said: &Value, tell: fn(&Value) -> Vec<String>) {
        if self.json {
            return say(&said.to_string());
        }
        for line in tell(said) {
            say(&line);
        }
    }

    fn fail(&self, refusal: &Value) -> ExitCode {
        if self.json {
            say(&refusal.to_string());
        } else {
            let word = |name: &str| tell::text(refusal, &format!("/error/{name}"));
            let problems = tell::list(refusal, "/error/problems");
            let all = if problems.is_empty() {
                vec![word("what")]
            } else {
                problems
            };
            for problem in all {
                complain(&format!("pilotage: {problem}"));
            }
            let remedy = word("remedy");
            if !remedy.is_empty() {
                complain(&format!("remedy: {remedy}"));
            }
        }
        ExitCode::FAILURE
    }
}

/// Lists the nodes, or gives an order about one.
pub(super) fn nodes(options: &NodesOptions) -> ExitCode {
    options.asking.put(&options.question())
}

/// Begins or ends maintenance, or tells of it.
pub(super) fn maintenance(options: &MaintenanceOptions) -> ExitCode {
    options.asking.put(&options.question())
}

/// Tells what became of a request.
pub(super) fn explain(options: &ExplainOptions) -> ExitCode {
    options.asking.put(&options.question())
}

/// Lists the transfers that are under way.
pub(super) fn transfers(asking: &Asking) -> ExitCode {
    asking.put(&Question {
        method: "GET",
        path: "/v1/transfers".to_owned(),
        body: None,
        tell: transfers::tell,
    })
}

/// Has the configuration read again.
pub(super) fn reload(asking: &Asking) -> ExitCode {
    asking.put(&Question {
        method: "POST",
        path: "/v1/reload".to_owned(),
        body: Some(json!({})),
        tell: |said| {
            let mut lines = vec!["settings reloaded".to_owned()];
            let keys = tell::list(said, "/needs_restart");
            if !keys.is_empty() {
                lines.push(format!(
                    "these change only with a restart: {}",
                    keys.join(", ")
                ));
            }
            lines
        },
    })
}

/// Changes what the log lets through, or tells it.
pub(super) fn log(options: &LogOptions) -> ExitCode {
    let filter = |filter: &String| json!({ "filter": filter });
    options.asking.put(&Question {
        method: if options.level.is_some() {
            "PUT"
        } else {
            "GET"
        },
        path: "/v1/log".to_owned(),
        body: options.level.as_ref().map(filter),
        tell: |said| vec![tell::text(said, "/filter")],
    })
}
