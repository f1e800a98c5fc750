//! The recorded exchanges, read from their files.

use std::fs;
use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// One exchange with a node: what was asked, and what came back.
#[derive(Debug)]
pub(super) struct Recording {
    /// The name of its file without the ending.
    pub(super) name: String,
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) host: String,
    /// `None` where the connection ended before an answer.
    pub(super) answer: Option<Answer>,
}

/// The answer of a node.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// As far as it was recorded.
    pub(super) body: Vec<u8>,
}

/// The folder of the recordings.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/harbor-2.9.5")
}

/// All recordings, in the order in which they were made.
pub(super) fn all() -> Vec<Recording> {
    let entries = fs::read_dir(folder()).expect("the folder of the recordings");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "http"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Recording {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let bytes = fs::read(path).unwrap();
    let (_, rest) = split(&bytes, b">>> request\n").expect(&name);
    let (request, response) = split(rest, b"<<< response\n").expect(&name);
    let (first, headers, _) = message(request);
    let mut words = first.split(' ');
    let method = words.next().unwrap().parse().expect(&name);
    let target = words.next().expect(&name).to_owned();
    let host = headers["host"].to_str().unwrap().to_owned();
    let (first, headers, body) = message(response);
    let status = first.strip_prefix("HTTP/1.1 ");
    let answer = status.map(|status| Answer {
        status: status[..3].parse().expect(&name),
        headers,
        body,
    });
    Recording {
        name,
        method,
        target,
        host,
        answer,
    }
}

/// First line, headers and body. The line feed that ends the file is cut off by the declared length.
fn message(bytes: &[u8]) -> (String, HeaderMap, Vec<u8>) {
    let (head, body) = split(bytes, b"\n\n").unwrap_or((bytes, b""));
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = HeaderValue::from_str(value.trim()).unwrap();
        headers.append(HeaderName::try_from(name).unwrap(), value);
    }
    let length = headers.get("content-length");
    let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = body.to_vec();
    body.truncate(length.unwrap_or(body.len()));
    (first, headers, body)
}

fn split<'b>(bytes: &'b [u8], mark: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let at = bytes
        .windows(mark.len())
        .position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}
