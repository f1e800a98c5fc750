//! The way to the registry behind core.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::header::{
    AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::Flavour;
use super::answer::{self, Answer, Body, Failure};
use super::registry::{REGISTRY_PASSWORD, REGISTRY_USER};

/// The registry of this node.
pub(super) struct Registry {
    client: Client<HttpConnector, Body>,
    address: SocketAddr,
    authorization: Option<HeaderValue>,
}

impl Registry {
    pub(super) fn new(address: SocketAddr, flavour: Flavour) -> Self {
        let credentials = STANDARD.encode(format!("{REGISTRY_USER}:{REGISTRY_PASSWORD}"));
        let basic = HeaderValue::from_str(&format!("Basic {credentials}")).unwrap();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            address,
            authorization: (flavour == Flavour::Harbor2).then_some(basic),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes a request on and its answer back, both as streams. A registry that cannot be reached
    /// is a 502 without a body.
    pub(super) async fn forward<B>(&self, request: Request<B>) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Sync + Unpin + 'static,
        B::Error: Into<Failure> + Send + Sync + Unpin,
    {
        match self.ask(request).await {
            Ok(response) => response.map(|body| body.map_err(Into::into).boxed()),
            Err(_) => answer::empty(StatusCode::BAD_GATEWAY),
        }
    }

    /// Passes a request on.
    pub(super) async fn ask<B>(&self, request: Request<B>) -> Result<Response<Incoming>, Failure>
    where
        B: HttpBody<Data = Bytes> + Send + Sync + Unpin + 'static,
        B::Error: Into<Failure> + Send + Sync + Unpin,
    {
        let (mut parts, body) = request.into_parts();
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        parts.uri = format!("http://{}{target}", self.address).parse::<Uri>()?;
        parts.version = hyper::Version::HTTP_11;
        strip_hop_headers(&mut parts.headers);
        if let Some(authorization) = &self.authorization {
            parts.headers.insert(AUTHORIZATION, authorization.clone());
        }
        let body = Handing {
            body,
            failure: None,
        }
        .map_err(Into::into)
        .boxed();
        let mut response = self
            .client
            .request(Request::from_parts(parts, body))
            .await?;
        strip_hop_headers(response.headers_mut());
        Ok(response)
    }

    /// A question of core's own. The status and the JSON, if it was any; `None` without a registry.
    pub(super) async fn ask_json(&self, target: &str) -> Option<(StatusCode, Value)> {
        let request = Request::get(target).body(answer::full("")).unwrap();
        let response = self.ask(request).await.ok()?;
        let status = response.status();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

/// A body that hands on all it got before it tells of its failure: the registry stores what came
/// before a cut, as it does behind the real core.
struct Handing<B: HttpBody> {
    body: B,
    failure: Option<B::Error>,
}

impl<B: HttpBody + Unpin> HttpBody for Handing<B>
where
    B::Error: Unpin,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Err(failure)) => {
                // Being idle once makes the connection flush.
                self.failure = Some(failure);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn strip_hop_headers(headers: &mut HeaderMap) {
    for name in [
        CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
        HeaderName::from_static("keep-alive"),
    ] {
        headers.remove(name);
    }
}
