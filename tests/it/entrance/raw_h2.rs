//! HTTP/2 by hand: heads that no well-behaved library would send.

use std::time::Duration;

use crate::harness::http::{Connection, Target};

/// How the other side answered a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Status(u16),
    /// The stream was reset, with this code.
    Reset(u32),
    /// The connection was given up, with this code, or simply closed.
    Gone(u32),
}

impl Reply {
    /// The request was turned away: by an answer of 400 or, where the head is no request at all, by
    /// an end of the stream or the connection that says so.
    pub(super) fn refuses(self) -> bool {
        match self {
            // What is too large has a status of its own in the library.
            Self::Status(status) => matches!(status, 400 | 431),
            Self::Reset(code) | Self::Gone(code) => code != 0,
        }
    }
}

/// Sends one HEADERS frame with exactly these fields on a connection of its own.
pub(super) async fn send(target: &Target, fields: &[(&[u8], &[u8])], data: &[u8]) -> Reply {
    let mut connection = target.connect().await.unwrap();
    let block = fields.iter().flat_map(|(name, value)| literal(name, value));
    let block = block.collect::<Vec<_>>();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let end_stream = u8::from(data.is_empty());
    let mut pieces = block.chunks(16_000).peekable();
    let mut kind = HEADERS;
    while let Some(piece) = pieces.next() {
        let end_headers = if pieces.peek().is_none() { 4 } else { 0 };
        let flags = end_headers | if kind == HEADERS { end_stream } else { 0 };
        bytes.extend(frame(kind, flags, 1, piece));
        kind = CONTINUATION;
    }
    if !data.is_empty() {
        bytes.extend(frame(DATA, 1, 1, data));
    }
    drop(connection.write(&bytes).await);
    tokio::time::timeout(Duration::from_secs(12), reply(&mut connection))
        .await
        .expect("a stream that is answered, reset or closed")
}

async fn reply(connection: &mut Connection) -> Reply {
    let mut had = Vec::new();
    loop {
        while had.len() >= 9 {
            let length = usize::from(had[0]) << 16 | usize::from(had[1]) << 8 | usize::from(had[2]);
            if had.len() < 9 + length {
                break;
            }
            let (kind, payload) = (had[3], had[9..9 + length].to_vec());
            had.drain(..9 + length);
            match kind {
                HEADERS => return Reply::Status(status(&payload)),
                RST_STREAM => return Reply::Reset(number(&payload)),
                GOAWAY => return Reply::Gone(number(&payload[4..])),
                _ => {}
            }
        }
        match connection.body(16_384).await {
            Ok(part) if !part.is_empty() => had.extend(part),
            Ok(_) | Err(_) => return Reply::Gone(u32::MAX),
        }
    }
}

/// The status of a head; it is always the first field.
fn status(block: &[u8]) -> u16 {
    match block[0] {
        0x88 => return 200,
        0x89 => return 204,
        0x8a => return 206,
        0x8b => return 304,
        0x8c => return 400,
        0x8d => return 404,
        0x8e => return 500,
        _ => {}
    }
    let (huffman, length) = (block[1] & 0x80 != 0, usize::from(block[1] & 0x7f));
    let text = &block[2..2 + length];
    if !huffman {
        return std::str::from_utf8(text).unwrap().parse().unwrap();
    }
    let bits = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let bits = bits.collect::<Vec<_>>();
    let mut at = 0;
    let mut status = 0;
    for _ in 0..3 {
        // Digits have codes of five bits (0 to 2) or six (3 to 9).
        let take = |count: usize| {
            bits[at..at + count]
                .iter()
                .fold(0, |sum, bit| sum * 2 + bit)
        };
        let (digit, length) = match take(5) {
            short @ 0..=2 => (short, 5),
            _ => (take(6) - 0x19 + 3, 6),
        };
        status = status * 10 + u16::from(digit);
        at += length;
    }
    status
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

/// A field that is not indexed and not compressed.
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        // Integers of more than seven bits go on in groups of seven.
        if text.len() < 127 {
            bytes.push(text.len() as u8);
        } else {
            bytes.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                bytes.push((rest % 128) as u8 | 0x80);
                rest /= 128;
            }
            bytes.push(rest as u8);
        }
        bytes.extend_from_slice(text);
    }
    bytes
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// What a client may send before it is allowed more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    pub(super) stream: u32,
    pub(super) connection: u32,
}

/// Reads the windows that the other side opens in its greeting.
pub(super) async fn windows(target: &Target) -> Windows {
    let mut connection = target.connect().await.unwrap();
    let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    hello.extend(frame(SETTINGS, 0, 0, &[]));
    connection.write(&hello).await.unwrap();
    let mut windows = Windows {
        stream: 65_535,
        connection: 65_535,
    };
    let mut had = Vec::new();
    loop {
        had.extend(connection.body(16_384).await.unwrap());
        while had.len() >= 9 {
            let length = usize::from(had[0]) << 16 | usize::from(had[1]) << 8 | usize::from(had[2]);
            if had.len() < 9 + length {
                break;
            }
            let (kind, flags, payload) = (had[3], had[4], had[9..9 + length].to_vec());
            had.drain(..9 + length);
            match kind {
                SETTINGS if flags & 1 == 0 => {
                    let initial = payload.chunks(6).find(|pair| pair[..2] == [0, 4]);
                    windows.stream = initial.map_or(windows.stream, |pair| number(&pair[2..]));
                }
                WINDOW_UPDATE => windows.connection += number(&payload),
                _ => {}
            }
        }
        if windows.stream > 65_535 && windows.connection > 65_535 {
            return windows;
        }
    }
}

const WINDOW_UPDATE: u8 = 8;

/// A farewell of the other side: it takes no stream beyond `last`, and `code` says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Farewell {
    pub(crate) last: u32,
    pub(crate) code: u32,
}

/// Asks for one thing on a connection of its own, does something when the answer is there, and then reads all
/// farewells until the other side closes.
pub(crate) async fn farewells(target: &Target, then: impl AsyncFnOnce()) -> Vec<Farewell> {
    let mut connection = target.connect().await.unwrap();
    let fields: [(&[u8], &[u8]); 4] = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", target.authority.as_bytes()),
        (b":path", b"/v2/_catalog"),
    ];
    let block = fields.iter().flat_map(|(name, value)| literal(name, value));
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(
        HEADERS,
        4 | END_STREAM,
        1,
        &block.collect::<Vec<_>>(),
    ));
    connection.write(&bytes).await.unwrap();
    let mut then = Some(then);
    let mut farewells = Vec::new();
    let mut had = Vec::new();
    loop {
        while had.len() >= 9 {
            let length = usize::from(had[0]) << 16 | usize::from(had[1]) << 8 | usize::from(had[2]);
            if had.len() < 9 + length {
                break;
            }
            let (kind, flags, payload) = (had[3], had[4], had[9..9 + length].to_vec());
            had.drain(..9 + length);
            match kind {
                GOAWAY => farewells.push(Farewell {
                    last: number(&payload),
                    code: number(&payload[4..]),
                }),
                PING if flags == 0 => {
                    drop(connection.write(&frame(PING, ACK, 0, &payload)).await);
                }
                SETTINGS if flags == 0 => {
                    drop(connection.write(&frame(SETTINGS, ACK, 0, &[])).await);
                }
                HEADERS | DATA if flags & END_STREAM != 0 => {
                    then.take().expect("one answer")().await;
                }
                _ => {}
            }
        }
        let reading = tokio::time::timeout(Duration::from_secs(30), connection.body(16_384));
        match reading.await.expect("bytes, or an end") {
            Ok(part) if !part.is_empty() => had.extend(part),
            Ok(_) | Err(_) => return farewells,
        }
    }
}

/// What a gentle end looks like: first that no more should come, then which one was the last.
pub(crate) const GENTLE: [Farewell; 2] = [
    Farewell {
        last: (1 << 31) - 1,
        code: 0,
    },
    Farewell { last: 1, code: 0 },
];

const PING: u8 = 6;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
