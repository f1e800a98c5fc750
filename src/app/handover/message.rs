//! What both processes say to each other, and how sockets travel with it.
//!
//! A message is its length in four bytes, most significant first, and JSON. Sockets go with the first bytes.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::ordered::Ordered;

/// One thing that one side says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum Message {
    /// The sockets come with it, in the order of this list.
    Offer(Offer),
    /// There is nothing to be had.
    Refused { reason: String },
    /// The new process takes clients in.
    Serving,
    /// The old one does not any more. Operators may have ordered something since the offer.
    Released {
        #[serde(default)]
        ordered: Option<Ordered>,
    },
}

/// Where a socket was asked to listen, which is not where it does when that was port 0; and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::app) enum Purpose {
    Clients(SocketAddr),
    /// Never becomes a socket for clients, nor the other way round.
    Admin(SocketAddr),
}

/// What is handed over.
#[derive(Serialize, Deserialize)]
pub(super) struct Offer {
    pub(super) version: u32,
    /// What each socket is for, in the order in which they come.
    pub(super) sockets: Vec<Purpose>,
    /// Keys of upload tokens that no file holds, as lines of a key file.
    pub(super) keys: Vec<String>,
    pub(super) ordered: Ordered,
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("version", &self.version)
            .field("sockets", &self.sockets)
            .finish_non_exhaustive()
    }
}

/// Says `message`; `sockets` go with it.
pub(super) async fn say(
    stream: &UnixStream,
    message: &Message,
    sockets: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let bytes = [&length.to_be_bytes(), body.as_slice()].concat();
    let mut sockets = sockets;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let sent = stream
            .async_io(Interest::WRITABLE, || send(stream, rest, sockets))
            .await?;
        sockets = &[];
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

fn send(stream: &UnixStream, bytes: &[u8], sockets: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::Error::other("too many sockets to hand over at once"));
    }
    let sent = sendmsg(
        stream,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(sent)
}

/// Waits for the next message and the sockets that come with it; none when the other side is gone.
pub(super) async fn hear(stream: &UnixStream) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
    let mut sockets = Vec::new();
    let mut length = [0; 4];
    if !fill(stream, &mut length, &mut sockets).await? {
        return Ok(None);
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_MESSAGE {
        return Err(io::Error::other("a message that no process of ours sends"));
    }
    let mut body = vec![0; length];
    if !fill(stream, &mut body, &mut sockets).await? {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&body)?, sockets)))
}

/// Whether there were bytes enough before the end.
async fn fill(
    stream: &UnixStream,
    bytes: &mut [u8],
    sockets: &mut Vec<OwnedFd>,
) -> io::Result<bool> {
    let mut had = 0;
    while let Some(rest) = bytes.get_mut(had..).filter(|rest| !rest.is_empty()) {
        let read = stream
            .async_io(Interest::READABLE, || receive(stream, rest, sockets))
            .await?;
        if read == 0 {
            return Ok(false);
        }
        had += read;
    }
    Ok(true)
}

fn receive(stream: &UnixStream, bytes: &mut [u8], sockets: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        stream,
        &mut [IoSliceMut::new(bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(given) = message {
            sockets.extend(given);
        }
    }
    Ok(received.bytes)
}

/// What the kernel lets travel at one time is 253.
const MAX_SOCKETS: usize = 250;
/// A few dozen addresses and keys are some kilobytes.
const MAX_MESSAGE: usize = 256 * 1024;
