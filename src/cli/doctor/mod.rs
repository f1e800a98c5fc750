//! `pilotage doctor`: what is wrong with the nodes, between them, and with our own side.
//!
//! It reads the file that `run` reads and asks the nodes directly, whether a pilotage runs or not. Rounds ask
//! ([`reach`], [`greet`], [`tokens`], [`sessions`], [`bodies`], [`uploads`], [`own`]), [`judge`] compares what was
//! said, and [`render`] tells it. Every wait has an end, and no credential, token or cookie is ever told.

mod ask;
mod bodies;
mod catalog;
mod finding;
mod greet;
mod judge;
mod own;
mod progress;
mod reach;
mod release;
mod render;
mod rounds;
mod said;
mod sessions;
mod tokens;
mod told;
mod uploads;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::affinity::shared::address::Secret;
use crate::config;
use crate::registry::name::RepositoryName;
use crate::upstream::authorities::check_authorities;

use self::ask::Account;
use self::catalog::Check;
use self::finding::Report;
use self::render::Style;
use self::rounds::{Order, Pushes};
use super::{Options, complain, refuse, say};

/// What an operator may say to the doctor.
#[derive(Debug, Args)]
pub(super) struct DoctorOptions {
    #[command(flatten)]
    common: Options,
    /// Makes these checks and no other; several are parted by commas
    #[arg(
        long,
        value_name = "CHECK",
        value_delimiter = ',',
        hide_possible_values = false
    )]
    only: Vec<Check>,
    /// Leaves these checks out
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    skip: Vec<Check>,
    /// An account for the checks that push: a robot with push and pull on one project is enough
    #[arg(long, value_name = "NAME", requires_all = ["password_file", "project"])]
    user: Option<String>,
    /// The file that holds its password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// The project that the small pushes go to; without it nothing is pushed
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Lets a small push rest for so many seconds on each node, to find time limits on the way
    #[arg(long, value_name = "SECONDS", requires = "user",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pause: Option<u64>,
}

/// Looks at everything that was asked for, and prints it.
pub(super) fn doctor(options: &DoctorOptions) -> ExitCode {
    let settings = match config::read(&options.common.config) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&options.common, &problems),
    };
    let order = match order(options) {
        Ok(order) => order,
        Err(why) => return wrong(options, &why),
    };
    // Ours must be there before any library builds a TLS configuration; a second one is refused silently.
    drop(rustls::crypto::ring::default_provider().install_default());
    if let Err(error) = check_authorities() {
        return wrong(options, &error.to_string());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return wrong(options, &format!("runtime: {error}")),
    };
    let report = runtime.block_on(rounds::examine(&settings, &order));
    // A look at a certificate may still wait for somebody who is silent.
    runtime.shutdown_background();
    print(options, &report);
    ExitCode::from(report.exit_code())
}

fn order(options: &DoctorOptions) -> Result<Order, String> {
    let all = if options.only.is_empty() {
        Check::ALL.to_vec()
    } else {
        options.only.clone()
    };
    let wanted: BTreeSet<_> = all.into_iter().collect();
    let skipped = options.skip.iter().copied().collect();
    let project = options.project.as_deref().unwrap_or("library");
    let repository = format!("{project}/{SCRATCH}");
    if RepositoryName::parse(&repository).is_none() {
        return Err(format!(
            "--project: {project:?} is not the name of a project"
        ));
    }
    let account = match (&options.user, &options.password_file) {
        (Some(name), Some(path)) => {
            let password = std::fs::read_to_string(path)
                .map_err(|error| format!("--password-file: {}: {error}", path.display()))?;
            let password = Secret::new(&password);
            Some(Account {
                name: name.clone(),
                password,
            })
        }
        _ => None,
    };
    let pushes = match &options.project {
        Some(_) => Pushes::Wanted,
        None => Pushes::NotWanted,
    };
    Ok(Order {
        wanted: wanted.difference(&skipped).copied().collect(),
        file: options.common.config.clone(),
        account,
        repository,
        pushes,
        pause: options.pause.map(Duration::from_secs),
    })
}

fn wrong(options: &DoctorOptions, why: &str) -> ExitCode {
    if options.common.json {
        say(&serde_json::json!({ "ok": false, "error": why }).to_string());
    } else {
        complain(&format!("pilotage: {why}"));
    }
    ExitCode::from(2)
}

fn print(options: &DoctorOptions, report: &Report) {
    if options.common.json {
        say(&render::value(report).to_string());
        return;
    }
    let style = if std::io::stdout().is_terminal() {
        Style::Coloured
    } else {
        Style::Plain
    };
    say(render::text(report, style).trim_end());
}

/// The repository that the small pushes go to. Nothing is ever tagged there.
const SCRATCH: &str = "pilotage-doctor";
