//! `pilotage health`: asks the running process, as containers do that have neither a shell nor curl.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::config;

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
    let settings = match config::read(&question.all.config) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&question.all, &problems),
    };
    let page = if question.live { "/livez" } else { "/readyz" };
    let answer = ask(settings.admin.address, page);
    let (well, words) = match &answer {
        Ok(answer) => (answer.status == "200", answer.words.clone()),
        Err(error) => (false, format!("{}: {error}", settings.admin.address)),
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

/// What the admin listener said.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: String,
    /// The first line of the page.
    words: String,
}

fn ask(address: SocketAddr, page: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {page} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| {
        let what = "answers, but not as pilotage does";
        std::io::Error::new(std::io::ErrorKind::InvalidData, what)
    })
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some(Answer {
        status: status.to_owned(),
        words: body.lines().next().unwrap_or_default().to_owned(),
    })
}

/// Less than the shortest time that container engines give a check.
const PATIENCE: Duration = Duration::from_secs(3);
/// The pages that are asked are one line long.
const LONGEST: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_one_line() {
        let answer = |status: &str, words: &str| {
            Some(Answer {
                status: status.to_owned(),
                words: words.to_owned(),
            })
        };
        let text = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nstopping\n";
        assert_eq!(parse(text), answer("503", "stopping"));
        assert_eq!(parse("HTTP/1.1 200 OK\r\n\r\n"), answer("200", ""));
        assert_eq!(parse("SSH-2.0-x\r\n\r\n"), None);
        assert_eq!(parse("HTTP/1.1"), None);
    }
}
