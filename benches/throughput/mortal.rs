//! Nodes that can die: they live in this process, so the moment of a death is known exactly.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION, RANGE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::client::piece;
use super::load::{BLOBS, UPLOADS};

/// A registry node of this process. Dropping it closes its port and its connections at once.
#[derive(Debug)]
pub(crate) struct Mortal {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    serving: JoinHandle<()>,
}

/// What a node has had and given of the one blob that it is asked for.
#[derive(Debug)]
struct Seen {
    /// Bytes of uploads that it took.
    taken: watch::Sender<u64>,
    /// Bytes that it gives of a blob before it falls silent.
    gives: u64,
    given: AtomicU64,
}

impl Mortal {
    /// A node that gives no more than so many bytes of a blob.
    pub(crate) async fn start(gives: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let seen = Arc::new(Seen {
            taken: watch::Sender::new(0),
            gives,
            given: AtomicU64::new(0),
        });
        Self {
            address: listener.local_addr().unwrap(),
            serving: tokio::spawn(serve(listener, Arc::clone(&seen))),
            seen,
        }
    }

    /// Waits until the node has taken so many bytes.
    pub(crate) async fn has_taken(&self, bytes: u64) {
        let mut taken = self.seen.taken.subscribe();
        taken.wait_for(|taken| *taken >= bytes).await.unwrap();
    }

    /// Whether it is the one that gives or takes.
    pub(crate) fn is_busy(&self) -> bool {
        *self.seen.taken.borrow() > 0 || self.seen.given.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, seen: Arc<Seen>) {
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        drop(socket.set_nodelay(true));
        let seen = Arc::clone(&seen);
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&seen)));
            let builder = hyper::server::conn::http1::Builder::new();
            drop(
                builder
                    .serve_connection(TokioIo::new(socket), service)
                    .await,
            );
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Seen>,
) -> Result<Response<Given>, Infallible> {
    let (head, mut body) = request.into_parts();
    let mut had = 0;
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, Bytes::len);
        had += u64::try_from(size).unwrap();
        let size = u64::try_from(size).unwrap();
        seen.taken.send_modify(|taken| *taken += size);
    }
    let answer = Response::builder().header("Docker-Distribution-Api-Version", "registry/2.0");
    let path = head.uri.path();
    if let Some(digest) = path
        .strip_prefix(BLOBS)
        .filter(|_| head.method == Method::GET)
    {
        let total = u64::from_str_radix(digest, 16).unwrap();
        let range = head.headers.get(RANGE).map(|range| range.to_str().unwrap());
        let from = range.and_then(|range| range.strip_prefix("bytes=")?.split('-').next());
        let from: u64 = from.map_or(0, |from| from.parse().unwrap());
        let (status, silent) = match range {
            None => (StatusCode::OK, total - seen.gives),
            Some(_) => (StatusCode::PARTIAL_CONTENT, 0),
        };
        let answer = answer
            .status(status)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header("Docker-Content-Digest", format!("sha256:{digest}"))
            .header(ETAG, format!("\"sha256:{digest}\""))
            .header(CONTENT_RANGE, format!("bytes {from}-{}/{total}", total - 1));
        let left = total - from;
        return Ok(answer.body(Given { left, silent, seen }).unwrap());
    }
    let status = match head.method {
        Method::POST | Method::PATCH => StatusCode::ACCEPTED,
        Method::PUT => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let answer = answer
        .status(status)
        .header(LOCATION, format!("{UPLOADS}{ID}?_state=x"))
        .header("Docker-Upload-Uuid", ID)
        .header(RANGE, format!("0-{}", had.saturating_sub(1)));
    let (left, silent) = (0, 0);
    Ok(answer.body(Given { left, silent, seen }).unwrap())
}

/// Bytes that mean nothing, of which the last so many never come.
struct Given {
    left: u64,
    silent: u64,
    seen: Arc<Seen>,
}

impl Body for Given {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.left <= self.silent {
            return Poll::Pending;
        }
        let piece = piece(self.left - self.silent, usize::MAX);
        let size = u64::try_from(piece.len()).unwrap();
        self.left -= size;
        self.seen.given.fetch_add(size, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

const ID: &str = "0f3c1f6a-6a0e-4c52-9a39-8a1e8d1f2b3c";
