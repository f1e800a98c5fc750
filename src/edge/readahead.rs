//! A stream below TLS that reads the socket in large pieces.
//!
//! TLS asks for a few kilobytes at a time; each of them would be a system call. While a request runs the socket
//! is read into a large buffer, which is given back as soon as the connection is idle: a thousand idle
//! connections keep no buffers. It never changes a byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora::protocols::l4::stream::Stream as TcpStream;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Connection;

/// Large enough for four TLS records.
const PIECE: usize = 64 * 1024;

/// A client's socket with a buffer that comes and goes.
#[derive(Debug)]
pub(super) struct Readahead {
    inner: TcpStream,
    connection: Arc<Connection>,
    buffer: Vec<u8>,
    filled: usize,
    taken: usize,
}

impl Readahead {
    pub(super) fn new(inner: TcpStream, connection: Arc<Connection>) -> Self {
        Self {
            inner,
            connection,
            buffer: Vec::new(),
            filled: 0,
            taken: 0,
        }
    }

    fn hand_over(&mut self, out: &mut ReadBuf<'_>) {
        let rest = self.buffer.get(self.taken..self.filled).unwrap_or_default();
        let size = rest.len().min(out.remaining());
        out.put_slice(rest.get(..size).unwrap_or_default());
        self.taken += size;
    }
}

impl AsyncRead for Readahead {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken < this.filled {
            this.hand_over(out);
            return Poll::Ready(Ok(()));
        }
        if this.connection.uploading() == 0 || out.remaining() >= PIECE {
            this.buffer = Vec::new();
            return Pin::new(&mut this.inner).poll_read(context, out);
        }
        if this.buffer.is_empty() {
            this.buffer = vec![0; PIECE];
        }
        let mut piece = ReadBuf::new(&mut this.buffer);
        ready!(Pin::new(&mut this.inner).poll_read(context, &mut piece))?;
        this.filled = piece.filled().len();
        this.taken = 0;
        this.hand_over(out);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Readahead {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for Readahead {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl UniqueID for Readahead {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Readahead {}

impl GetTimingDigest for Readahead {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for Readahead {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for Readahead {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

impl Peek for Readahead {}
