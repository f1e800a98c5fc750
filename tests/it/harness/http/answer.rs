//! Answers, and how they are read from an HTTP/1.1 connection.

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    /// In the order and spelling received.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// False when the connection ended before the announced end of the body.
    pub complete: bool,
}

impl Answer {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let fits = move |had: &str| had.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(move |(had, _)| fits(had))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code of a refusal in the registry's form; empty without one.
    pub fn error_code(&self) -> String {
        self.json()["errors"][0]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Panics with the whole answer unless it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }
}

/// Reads answers and keeps what came too early.
#[derive(Debug, Default)]
pub(super) struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    pub(super) async fn read<S>(&mut self, stream: &mut S, method: &str) -> std::io::Result<Answer>
    where
        S: AsyncRead + Unpin + ?Sized,
    {
        let mut answer = self.read_head(stream).await?;
        // Interim answers are not what anybody asked for.
        while (100..200).contains(&answer.status) {
            answer = self.read_head(stream).await?;
        }
        if method == "HEAD" || matches!(answer.status, 204 | 304) {
            answer.complete = true;
        } else if answer
            .header("transfer-encoding")
            .is_some_and(|v| v.contains("chunked"))
        {
            answer.complete = self.read_chunks(stream, &mut answer.body).await?;
        } else if let Some(length) = answer.header("content-length") {
            let length = length.parse().map_err(std::io::Error::other)?;
            answer.complete = self.fill(stream, length).await?;
            answer.body = self.take(length);
        } else {
            answer.complete = true;
            while self.more(stream).await? {}
            answer.body = self.take(usize::MAX);
        }
        Ok(answer)
    }

    pub(super) async fn read_head<S>(&mut self, stream: &mut S) -> std::io::Result<Answer>
    where
        S: AsyncRead + Unpin + ?Sized,
    {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if !self.more(stream).await? {
                let seen = String::from_utf8_lossy(&self.buffer).into_owned();
                let message = format!("the connection ended in the head of an answer: {seen:?}");
                return Err(std::io::Error::new(
                    std::io::ErrorKind::UnexpectedEof,
                    message,
                ));
            }
        };
        let head = self.take(end + 4);
        parse_head(&String::from_utf8_lossy(&head))
            .ok_or_else(|| std::io::Error::other(String::from_utf8_lossy(&head).into_owned()))
    }

    /// Takes at most `limit` of the bytes that were read already.
    pub(super) fn take(&mut self, limit: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(limit.min(self.buffer.len()));
        std::mem::replace(&mut self.buffer, rest)
    }

    /// True when the last chunk came.
    async fn read_chunks<S>(&mut self, stream: &mut S, body: &mut Vec<u8>) -> std::io::Result<bool>
    where
        S: AsyncRead + Unpin + ?Sized,
    {
        loop {
            let end = loop {
                match find(&self.buffer, b"\r\n") {
                    Some(end) => break end,
                    None if !self.more(stream).await? => return Ok(false),
                    None => {}
                }
            };
            let line = String::from_utf8_lossy(&self.take(end + 2))
                .trim()
                .to_owned();
            let size = line.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(std::io::Error::other)?;
            let whole = self.fill(stream, size + 2).await?;
            let chunk = self.take(size + 2);
            body.extend_from_slice(&chunk[..size.min(chunk.len())]);
            if !whole || size == 0 {
                return Ok(whole);
            }
        }
    }

    async fn fill<S>(&mut self, stream: &mut S, wanted: usize) -> std::io::Result<bool>
    where
        S: AsyncRead + Unpin + ?Sized,
    {
        while self.buffer.len() < wanted {
            if !self.more(stream).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads once; false at the end. A reset after bytes counts as an end: the caller sees an
    /// incomplete answer.
    async fn more<S>(&mut self, stream: &mut S) -> std::io::Result<bool>
    where
        S: AsyncRead + Unpin + ?Sized,
    {
        self.buffer.reserve(64 * 1024);
        match stream.read_buf(&mut self.buffer).await {
            Ok(read) => Ok(read > 0),
            Err(_) if !self.buffer.is_empty() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Where `wanted` begins in `bytes`.
pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn parse_head(head: &str) -> Option<Answer> {
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .map(|line| {
            line.split_once(':')
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Answer {
        status,
        headers,
        body: Vec::new(),
        complete: false,
    })
}
