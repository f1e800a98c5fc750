//! HTTP/2 as spoken by the load, with the windows of Go's client.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Request, Response};

use super::client::{Target, Version, piece, usual_headers};
use super::h1::CHUNK;

/// One connection; its clones are other streams of it.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Bytes>,
    authority: String,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> Self {
        let stream = target.connect(Version::Two).await;
        let (sender, connection) = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .handshake(stream)
            .await
            .unwrap();
        // Ends with the last stream.
        tokio::spawn(connection);
        Self {
            sender,
            authority: target.authority.clone(),
        }
    }

    /// Sends a request and reads the head of the answer, which must be a good one, and its body.
    pub(crate) async fn ask(&mut self, method: &str, path: &str) -> (Response<()>, u64) {
        let (answer, _) = self.begin(method, path, true).await;
        finish(answer.await.unwrap()).await
    }

    /// Uploads so many bytes.
    pub(crate) async fn upload(&mut self, path: &str, size: u64) -> Response<()> {
        let (answer, stream) = self.begin("PATCH", path, false).await;
        send_body(stream, size).await;
        finish(answer.await.unwrap()).await.0
    }

    async fn begin(
        &mut self,
        method: &str,
        path: &str,
        end: bool,
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let uri = format!("https://{}{path}", self.authority);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in usual_headers() {
            request = request.header(name, value);
        }
        let request = request.body(()).unwrap();
        poll_fn(|context| self.sender.poll_ready(context))
            .await
            .unwrap();
        self.sender.send_request(request, end).unwrap()
    }
}

async fn send_body(mut stream: SendStream<Bytes>, size: u64) {
    let mut left = size;
    while left > 0 {
        stream.reserve_capacity(piece(left, CHUNK).len());
        let room = poll_fn(|context| stream.poll_capacity(context)).await;
        let bytes = piece(left, room.unwrap().unwrap().min(CHUNK));
        left -= u64::try_from(bytes.len()).unwrap();
        stream.send_data(bytes, left == 0).unwrap();
    }
}

async fn finish(answer: Response<RecvStream>) -> (Response<()>, u64) {
    let (head, mut body) = answer.into_parts();
    assert!(head.status.is_success(), "{head:?}");
    let mut bytes = 0;
    while let Some(piece) = body.data().await {
        let size = piece.unwrap().len();
        bytes += u64::try_from(size).unwrap();
        body.flow_control().release_capacity(size).unwrap();
    }
    (Response::from_parts(head, ()), bytes)
}

const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024 * 1024;
const SEND_BUFFER: usize = 1024 * 1024;
