//! HTTP/2 over TLS, close enough to the frames to misbehave with.

use bytes::Bytes;
use h2::client::SendRequest;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::answer::Answer;
use super::{Request, Target};

/// An open HTTP/2 connection. It ends when this is dropped.
#[derive(Debug)]
pub struct Client {
    pub sender: SendRequest<Bytes>,
    authority: String,
    driver: JoinHandle<()>,
}

impl Client {
    /// Connects with ALPN `h2`; fails when the other side does not choose it.
    pub async fn connect(target: &Target) -> std::io::Result<Self> {
        let config = target.tls.clone().expect("HTTP/2 is spoken over TLS");
        let tcp = TcpStream::connect(target.address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(target.host().to_owned()).unwrap();
        let tls = TlsConnector::from(config).connect(name, tcp).await?;
        if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(std::io::Error::other("the other side did not choose h2"));
        }
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(1 << 22)
            .initial_connection_window_size(1 << 24)
            .handshake(tls)
            .await
            .map_err(std::io::Error::other)?;
        let driver = tokio::spawn(async move {
            // How a connection ends is seen by its streams.
            drop(connection.await);
        });
        Ok(Self {
            sender,
            authority: target.authority.clone(),
            driver,
        })
    }

    /// The head of a request without header fields, for tests that send a body in their own way.
    pub fn head(&self, method: &str, path: &str) -> http::Request<()> {
        let uri = format!("https://{}{path}", self.authority);
        let head = http::Request::builder().method(method).uri(uri);
        head.body(()).unwrap()
    }

    /// One request with its whole body, and the whole answer. A stream that is reset gives an
    /// error, or an incomplete answer when bytes came before.
    pub async fn send(&self, request: &Request) -> Result<Answer, h2::Error> {
        self.send_unless_told_to_go(request).await?
    }

    /// The same; the outer error means that nothing was sent, because the other side takes no more
    /// requests on this connection. Every client then opens another one.
    pub async fn send_unless_told_to_go(
        &self,
        request: &Request,
    ) -> Result<Result<Answer, h2::Error>, h2::Error> {
        let mut head = self.head(&request.method, &request.path);
        for (name, value) in &request.headers {
            let name = http::HeaderName::try_from(name.as_str()).unwrap();
            head.headers_mut().append(name, value.parse().unwrap());
        }
        let mut sender = self.sender.clone().ready().await?;
        let bodiless = request.body.is_empty();
        let (response, mut stream) = sender.send_request(head, bodiless)?;
        Ok(async {
            let mut body = Bytes::from(request.body.clone());
            while !body.is_empty() {
                stream.reserve_capacity(body.len());
                // A stream that takes no more has an answer, or an error, waiting.
                let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await
                else {
                    break;
                };
                let part = body.split_to(room.min(body.len()));
                if stream.send_data(part, body.is_empty()).is_err() {
                    break;
                }
            }
            whole(response.await?).await
        }
        .await)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Reads an answer to its end.
pub async fn whole(response: http::Response<h2::RecvStream>) -> Result<Answer, h2::Error> {
    let (head, mut stream) = response.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        (
            name.to_string(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    let mut answer = Answer {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body: Vec::new(),
        complete: true,
    };
    while let Some(part) = stream.data().await {
        let Ok(part) = part else {
            answer.complete = false;
            break;
        };
        answer.body.extend_from_slice(&part);
        drop(stream.flow_control().release_capacity(part.len()));
    }
    Ok(answer)
}
