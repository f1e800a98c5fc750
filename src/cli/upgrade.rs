//! `pilotage upgrade`: starts the new process beside the running one, and returns when it serves.
//!
//! A service manager needs a command that ends; what it started goes on.

use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};

use super::{Options, complain, say};

/// Starts `run --upgrade`, and says how that ended or that it serves.
pub(super) fn upgrade(options: &Options) -> ExitCode {
    match start(options).and_then(|mut child| follow(options, &mut child)) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!(
                "pilotage: the new process cannot be started: {error}"
            ));
            ExitCode::FAILURE
        }
    }
}

fn start(options: &Options) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["run", "--upgrade", "--config"])
        .arg(&options.config);
    if options.json {
        command.arg("--json");
    }
    // A key pressed at this terminal means us and not what we leave behind.
    command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
}

/// Waits for the first line: the new process says that it serves, or what is wrong.
fn follow(options: &Options, child: &mut Child) -> io::Result<ExitCode> {
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    if line.starts_with(READY) {
        if options.json {
            let pid = child.id();
            say(&serde_json::json!({ "ok": true, "process": pid }).to_string());
        } else {
            say(&format!(
                "process {} serves; the one of before ends with its last transfer",
                child.id()
            ));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !line.is_empty() {
        say(line.trim_end());
    }
    let status = child.wait()?;
    let code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    Ok(ExitCode::from(code.max(1)))
}

/// How the ready line begins.
const READY: &str = r#"{"ready":true"#;
