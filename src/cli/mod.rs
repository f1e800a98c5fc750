//! What an operator types, and what the shell gets back.
//!
//! The room parses the command line, calls what it names and prints what came of it, as text for people or as
//! JSON for programs. It never decides anything about requests or nodes, and it alone writes to the terminal.
//!
//! Exit codes: 0 good, 1 failed, 2 wrong usage or wrong configuration; of the doctor 0 good, 1 warnings, 2 errors.
//! Words: a *problem* is something wrong in the configuration file, with its place and what to write instead; a
//! *finding* is something wrong in the world, with evidence and a remedy.

mod check;
mod control;
mod doctor;
mod health;
mod papers;
mod run;
mod upgrade;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::config::Problem;

/// A load balancer for container registries that keeps pushes and pulls whole when a node fails.
#[derive(Debug, Parser)]
#[command(name = "pilotage", version)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serves the registry until a signal ends it; SIGHUP reads the configuration again
    Run(run::RunOptions),
    /// Starts a new process that takes over from the running one, and returns when it serves
    Upgrade(Options),
    /// Reads the configuration and prints all that is wrong with it, or a short summary
    Check(Options),
    /// Asks the running pilotage of this configuration whether it can serve; for container health checks
    Health(health::Question),
    /// Asks the nodes, Redis and this machine what is wrong, and says how to mend it
    Doctor(doctor::DoctorOptions),
    /// Lists the nodes of the running pilotage, drains them, switches them off and on, weighs them
    Nodes(control::NodesOptions),
    /// Refuses pushes that begin, with a message, while running uploads and pulls go on
    Maintenance(control::MaintenanceOptions),
    /// Tells what became of a request: why this node, what was tried, what was rescued
    Explain(control::ExplainOptions),
    /// Lists pushes and pulls that are under way, with their progress
    Transfers(control::Asking),
    /// Has the running pilotage read its configuration again, as SIGHUP does, and tells what came of it
    Reload(control::Asking),
    /// Changes what the log of the running pilotage lets through, until its next reload
    Log(control::LogOptions),
    /// Prints a script that completes these commands in a shell
    Completions(papers::Completions),
    /// Writes the manual pages of these commands into a folder
    Man(papers::Man),
}

#[derive(Debug, Args)]
struct Options {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    config: PathBuf,
    /// Prints JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    // Wrong usage ends here, with clap's own words and exit code 2.
    let command = Command::parse();
    match command.verb {
        Verb::Run(options) => run::run(&options),
        Verb::Upgrade(options) => upgrade::upgrade(&options),
        Verb::Check(options) => check::check(&options),
        Verb::Health(options) => health::health(&options),
        Verb::Doctor(options) => doctor::doctor(&options),
        Verb::Nodes(options) => control::nodes(&options),
        Verb::Maintenance(options) => control::maintenance(&options),
        Verb::Explain(options) => control::explain(&options),
        Verb::Transfers(asking) => control::transfers(&asking),
        Verb::Reload(asking) => control::reload(&asking),
        Verb::Log(options) => control::log(&options),
        Verb::Completions(options) => papers::completions(Command::command(), &options),
        Verb::Man(options) => papers::man(Command::command(), &options),
    }
}

/// Prints every problem of the configuration; the exit code says that it is wrong.
fn refuse(options: &Options, problems: &[Problem]) -> ExitCode {
    if options.json {
        say(&serde_json::json!({ "ok": false, "problems": problems }).to_string());
    } else {
        let file = options.config.display();
        for problem in problems {
            complain(&format!("{file}: {problem}"));
        }
        complain(&format!("{file}: {}", counted(problems.len(), "problem")));
    }
    ExitCode::from(2)
}

/// Some things, by their number.
fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// A line for whoever reads the result. A closed pipe is no failure of ours.
fn say(line: &str) {
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

/// A line for the person at the terminal.
fn complain(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Where the package and the units have it.
const CONFIG_FILE: &str = "/etc/pilotage/pilotage.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_reads_a_file_finds_the_same_one_unasked() {
        let mut command = Command::command();
        command.build();
        let mut seen = 0;
        for verb in command.get_subcommands() {
            let Some(file) = verb.get_arguments().find(|one| one.get_id() == "config") else {
                let alone = ["completions", "man", "help"].contains(&verb.get_name());
                assert!(alone, "{verb}");
                continue;
            };
            assert_eq!(file.get_default_values(), [CONFIG_FILE], "{verb}");
            assert!(!file.is_required_set(), "{verb}");
            seen += 1;
        }
        assert!(seen > 5, "{seen}");
    }

    #[test]
    fn one_thing_is_not_several() {
        let told = [0, 1, 2].map(|count| counted(count, "problem"));
        assert_eq!(told, ["0 problems", "1 problem", "2 problems"]);
    }

    #[test]
    fn every_command_line_is_well_formed() {
        Command::command().debug_assert();
    }
}
