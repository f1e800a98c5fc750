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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::super::tests::connection;
    use super::*;

    fn pair() -> (UnixStream, Readahead) {
        let (client, ours) = UnixStream::pair().unwrap();
        (client, Readahead::new(TcpStream::from(ours), connection()))
    }

    fn bytes(size: usize) -> Vec<u8> {
        (0..=250).cycle().take(size).collect()
    }

    /// Reads bytes that must be there.
    async fn take(ours: &mut Readahead, piece: &mut [u8]) -> usize {
        let reading = tokio::time::timeout(Duration::from_secs(10), ours.read(piece));
        reading.await.expect("bytes are there").unwrap()
    }

    #[tokio::test]
    async fn a_buffer_comes_with_an_upload_and_goes_with_it() {
        let (mut client, mut ours) = pair();
        let mut piece = [0; 100];
        client.write_all(&bytes(50)).await.unwrap();
        assert_eq!(take(&mut ours, &mut piece).await, 50);
        assert_eq!(ours.buffer.capacity(), 0, "a header needs none");
        let connection = Arc::clone(&ours.connection);
        connection.begin_body();
        client.write_all(&bytes(250)).await.unwrap();
        assert_eq!(take(&mut ours, &mut piece).await, 100);
        assert_eq!(ours.buffer.len(), PIECE);
        // What has been read ahead is handed over after the upload, too.
        connection.end_body();
        assert_eq!(take(&mut ours, &mut piece).await, 100);
        assert_eq!(take(&mut ours, &mut piece).await, 50);
        let waiting = tokio::time::timeout(Duration::ZERO, ours.read(&mut piece));
        assert!(waiting.await.is_err());
        assert_eq!(ours.buffer.capacity(), 0, "an idle connection keeps none");
    }

    #[tokio::test]
    async fn an_end_and_an_error_pass_through() {
        for uploading in [true, false] {
            let (client, mut ours) = pair();
            if uploading {
                ours.connection.begin_body();
            }
            drop(client);
            assert_eq!(ours.read(&mut [0; 9]).await.unwrap(), 0);
            assert!(ours.write_all(&[0; 9]).await.is_err());
        }
    }

    #[tokio::test]
    async fn what_is_written_goes_out_as_it_is() {
        let (mut client, mut ours) = pair();
        ours.write_all(&bytes(500)).await.unwrap();
        ours.flush().await.unwrap();
        let mut got = vec![0; 500];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(got, bytes(500));
    }

    /// One step: so many bytes are sent, then read in pieces of that size, in or outside an upload.
    type Step = (usize, usize, bool);

    async fn carry(steps: Vec<Step>) {
        let (mut client, mut ours) = pair();
        let total: usize = steps.iter().map(|(sent, ..)| sent).sum();
        let all = bytes(total);
        let (sizes, sent) = (steps.clone(), all.clone());
        let sending = tokio::spawn(async move {
            let mut rest = sent.as_slice();
            for (size, ..) in sizes {
                let (now, later) = rest.split_at(size);
                client.write_all(now).await.unwrap();
                rest = later;
            }
        });
        let mut got = Vec::new();
        let mut steps = steps.iter().cycle();
        let connection = Arc::clone(&ours.connection);
        loop {
            let (_, size, upload) = *steps.next().unwrap();
            if upload {
                connection.begin_body();
            }
            let mut piece = vec![0; size];
            let read = ours.read(&mut piece).await.unwrap();
            if upload {
                connection.end_body();
            }
            if read == 0 {
                break;
            }
            got.extend_from_slice(&piece[..read]);
        }
        sending.await.unwrap();
        assert_eq!(got, all);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_byte_arrives_in_order_whatever_the_sizes(
            steps in prop::collection::vec((0_usize..100_000, 1_usize..80_000, any::<bool>()), 1..6),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(carry(steps));
        }
    }
}
