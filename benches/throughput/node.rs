//! A node that costs as little as a server can: answers from memory, bodies counted and dropped.
//!
//! It knows what the load asks for and nothing else: the ping, one manifest, blobs whose digest read
//! as a number is their size, and uploads.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, LOCATION, RANGE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The words that make this binary a node.
pub(crate) const PLAIN: &str = "as-node";
pub(crate) const TLS: &str = "as-tls-node";

/// Serves until it is killed. Prints the address it listens on.
pub(crate) fn run(words: &[String]) {
    let acceptor = match words {
        [_, chain, key, ..] => Some(acceptor(chain, key)),
        _ => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            drop(socket.set_nodelay(true));
            match acceptor.clone() {
                None => drop(tokio::spawn(serve(socket, Version::One))),
                Some(acceptor) => drop(tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(socket).await else {
                        return;
                    };
                    let version = match stream.get_ref().1.alpn_protocol() {
                        Some(b"h2") => Version::Two,
                        _ => Version::One,
                    };
                    serve(stream, version).await;
                })),
            }
        }
    });
}

fn acceptor(chain: &str, key: &str) -> TlsAcceptor {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(chain).unwrap().collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.unwrap(), key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config).into()
}

enum Version {
    One,
    Two,
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, version: Version) {
    let stream = TokioIo::new(stream);
    // A client that leaves is no failure of a node.
    match version {
        Version::One => drop(
            hyper::server::conn::http1::Builder::new()
                .max_buf_size(PIECE.len() * 2)
                .serve_connection(stream, service_fn(answer))
                .await,
        ),
        Version::Two => drop(
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .serve_connection(stream, service_fn(answer))
                .await,
        ),
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Piecewise>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let answer = Response::builder().header("Docker-Distribution-Api-Version", "registry/2.0");
    let answer = if head.method == Method::GET {
        if let Some(digest) = path.strip_prefix(super::load::BLOBS) {
            let size = u64::from_str_radix(digest, 16).unwrap_or(0);
            answer
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(Piecewise { left: size })
        } else {
            let size = if path == "/v2/" { 2 } else { MANIFEST };
            answer
                .header(CONTENT_TYPE, "application/json")
                .body(Piecewise { left: size })
        }
    } else {
        let taken = count(body).await;
        let status = match head.method {
            Method::PUT => StatusCode::CREATED,
            _ => StatusCode::ACCEPTED,
        };
        answer
            .status(status)
            .header(LOCATION, location(&head.headers))
            .header("Docker-Upload-Uuid", UUID)
            .header(RANGE, format!("0-{}", taken.saturating_sub(1)))
            .body(Piecewise { left: 0 })
    };
    Ok(answer.unwrap())
}

async fn count(mut body: Incoming) -> u64 {
    let mut taken = 0;
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, Bytes::len);
        taken += u64::try_from(size).unwrap();
    }
    taken
}

fn location(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let scheme = headers.get("x-forwarded-proto");
    let scheme = scheme.and_then(|scheme| scheme.to_str().ok());
    let (scheme, host) = (scheme.unwrap_or("http"), host.unwrap_or("node"));
    format!(
        "{scheme}://{host}{}{UUID}?_state={STATE}",
        super::load::UPLOADS
    )
}

/// So many bytes that mean nothing.
struct Piecewise {
    left: u64,
}

impl Body for Piecewise {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = usize::try_from(self.left).map_or(PIECE.len(), |left| left.min(PIECE.len()));
        self.left -= u64::try_from(size).unwrap();
        let piece = Bytes::from_static(PIECE).slice(..size);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

static PIECE: &[u8] = &[b'p'; 256 * 1024];
/// The usual size of an image's manifest.
const MANIFEST: u64 = 1_500;
const WINDOW: u32 = 4 * 1024 * 1024;
const UUID: &str = "0f3c1f6a-6a0e-4c52-9a39-8a1e8d1f2b3c";
const STATE: &str = "bFgJ1Xc0a7mZ8nQe6sVtWyR2pLk4hGd3fUoIiYqTzErXbNvMcKjHlPwSaDuOg5B9\
    eyJOYW1lIjoibGFiL2FwcCIsIlVVSUQiOiIwZjNjMWY2YS02YTBlLTRjNTItOWEzOS04YTFlOGQxZjJiM2MifQ";
