//! What is generated from the command line itself: completions for shells, and manual pages.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man as Page;

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
    let mut command = command.disable_help_subcommand(true);
    command.build();
    match pages(&command, &options.folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let folder = options.folder.display();
            complain(&format!("{folder}: pages cannot be written: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Each page says at its foot whose it is. The version is on the first page only: a release changes no other.
fn pages(command: &Command, folder: &Path) -> io::Result<()> {
    for inner in command.get_subcommands() {
        pages(inner, folder)?;
    }
    let page = Page::new(command.clone()).source(NAME);
    page.generate_to(folder).map(drop)
}

const NAME: &str = "pilotage";
