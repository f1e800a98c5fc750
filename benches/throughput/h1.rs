//! HTTP/1.1 as spoken by the load: no more than it needs, so that it costs little.

use std::fmt::Write as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::client::{Connected, Target, Version, piece, usual_headers};

/// One connection, with one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Connected,
    buffer: Vec<u8>,
    /// What has been read and not yet used.
    filled: usize,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) length: u64,
    pub(crate) location: Option<String>,
    pub(crate) range: Option<String>,
}

/// How an upload says where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    /// In the pieces that docker writes.
    Chunked,
}

/// The bytes of a request's head.
pub(crate) fn head(target: &Target, method: &str, path: &str, more: &[&str]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", target.authority);
    for (name, value) in usual_headers() {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    for line in more {
        write!(head, "{line}\r\n").unwrap();
    }
    head.push_str("\r\n");
    head.into_bytes()
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> Self {
        Self {
            stream: target.connect(Version::One).await,
            buffer: vec![0; BUFFER],
            filled: 0,
        }
    }

    /// Sends a head and reads the answer with its body, which must be a good one.
    pub(crate) async fn ask(&mut self, head: &[u8]) -> Head {
        self.send(head).await;
        let answer = self.answer().await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
        self.discard(answer.length).await;
        answer
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends a body of so many bytes.
    pub(crate) async fn send_body(&mut self, size: u64, framing: Framing) {
        let mut left = size;
        while left > 0 {
            let bytes = match framing {
                Framing::Length => piece(left, usize::MAX),
                Framing::Chunked => piece(left, CHUNK),
            };
            left -= u64::try_from(bytes.len()).unwrap();
            match framing {
                Framing::Length => self.stream.write_all(&bytes).await.unwrap(),
                Framing::Chunked => {
                    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                    chunk.extend_from_slice(&bytes);
                    chunk.extend_from_slice(b"\r\n");
                    self.stream.write_all(&chunk).await.unwrap();
                }
            }
        }
        match framing {
            Framing::Length => self.send(b"").await,
            Framing::Chunked => self.send(b"0\r\n\r\n").await,
        }
    }

    /// Reads the head of an answer.
    pub(crate) async fn answer(&mut self) -> Head {
        loop {
            let read = self.buffer.get(..self.filled).unwrap();
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = Head::parse(std::str::from_utf8(read.get(..end).unwrap()).unwrap());
                self.take(end + 4);
                return head;
            }
            let room = self.buffer.get_mut(self.filled..).unwrap();
            let size = self.stream.read(room).await.unwrap();
            assert!(size > 0, "closed before the end of an answer's head");
            self.filled += size;
        }
    }

    /// Reads a body of so many bytes.
    pub(crate) async fn discard(&mut self, size: u64) {
        let mut left = size;
        loop {
            let here = u64::try_from(self.filled).unwrap().min(left);
            self.take(usize::try_from(here).unwrap());
            left -= here;
            if left == 0 {
                return;
            }
            self.filled = self.stream.read(&mut self.buffer).await.unwrap();
            assert!(self.filled > 0, "closed {left} bytes before the end");
        }
    }

    fn take(&mut self, size: usize) {
        self.buffer.copy_within(size..self.filled, 0);
        self.filled -= size;
    }
}

impl Head {
    fn parse(text: &str) -> Self {
        let value = |wanted: &str| {
            let mut fields = text.lines().filter_map(|line| line.split_once(':'));
            let found = fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim().to_owned())
        };
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        let length = value("content-length").and_then(|length| length.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no status in {text}")),
            length: length.unwrap_or_else(|| panic!("no length in {text}")),
            location: value("location"),
            range: value("range"),
        }
    }
}

const BUFFER: usize = 128 * 1024;
/// What Go's copy loop hands to the chunk writer.
pub(crate) const CHUNK: usize = 32 * 1024;
