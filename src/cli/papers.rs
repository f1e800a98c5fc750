//! What is generated from the command line itself: completions for shells, and manual pages.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use super::complain;

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell that is to complete
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct Man {
    /// The folder, which must be there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Prints the script of a shell.
pub(super) fn completions(mut command: Command, options: &Completions) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, NAME, &mut script);
    match io::Write::write_all(&mut io::stdout().lock(), &script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes a page for the program and one for each of its commands.
pub(super) fn man(command: Command, options: &Man) -> ExitCode {
    match clap_mangen::generate_to(command, &options.folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let folder = options.folder.display();
            complain(&format!("{folder}: pages cannot be written: {error}"));
            ExitCode::FAILURE
        }
    }
}

const NAME: &str = "pilotage";
