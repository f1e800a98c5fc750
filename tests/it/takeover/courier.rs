//! A client by hand that pushes as one of the real ones does, and stops at every moment that matters.

use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;
use tokio::time::timeout;

use crate::harness::balancer::Balancer;
use crate::harness::certs::Offer;
use crate::harness::cluster::token;
use crate::harness::core::Account;
use crate::harness::http::answer::Answer;
use crate::harness::http::{Connection, Request, Target, h2 as http2};
use crate::harness::image::digest;
use crate::harness::scripted::location;

/// How the bytes of a blob are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A PATCH of a length that is not told, and an empty PUT: docker.
    Streamed,
    /// A PATCH of a length that is told, and an empty PUT: skopeo, podman, crane.
    Patched,
    /// A PUT with everything: containerd, oras, helm.
    Put,
    /// A PATCH with a range for each quarter, and an empty PUT: regclient.
    Chunks,
}

/// Where a push stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A node has opened the upload, and nothing was sent.
    Begun,
    /// So many percent of the blob were sent.
    Body(u64),
    /// Everything was acknowledged; the commit comes next.
    Between,
    /// The empty PUT was sent.
    Committing,
}

/// How a body ended for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As its head had announced.
    Proper,
    /// The connection was closed too early, by FIN.
    Closed,
    /// The connection or the stream was reset.
    Reset,
}

impl Ending {
    fn of(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Reset,
        }
    }
}

/// Percent of the blob after which a push stops for a moment.
const STOPS: [u64; 5] = [0, 1, 50, 99, 100];

/// Somebody who talks to the balancer by hand over one protocol.
#[derive(Debug)]
pub struct Courier {
    wire: Wire,
    pub offer: Offer,
    authority: String,
    authorization: String,
}

#[derive(Debug)]
enum Wire {
    /// A connection for each request.
    Http1(Target),
    /// One connection for all.
    Http2(http2::Client),
}

/// A request whose body is under way.
#[derive(Debug)]
pub struct Sending {
    line: Line,
    method: String,
    chunked: bool,
}

#[derive(Debug)]
enum Line {
    Http1(Connection),
    Http2(ResponseFuture, SendStream<Bytes>),
}

impl Courier {
    pub async fn of(balancer: &Balancer, offer: Offer, account: Account) -> Self {
        let target = balancer.target(Offer::Http1);
        let token = token(&target, account, &["lab/any"]).await;
        let wire = match offer {
            Offer::Http1 => Wire::Http1(target),
            Offer::Http2 => {
                let target = balancer.target(Offer::Http2);
                Wire::Http2(http2::Client::connect(&target).await.unwrap())
            }
        };
        Self {
            wire,
            offer,
            authority: balancer.public_authority(),
            authorization: format!("Bearer {token}"),
        }
    }

    /// One request with a body that is sent at once.
    pub async fn send(&self, request: Request) -> Answer {
        let mut sending = self.begin(request.clone(), Some(request.body.len())).await;
        sending.send(&request.body).await;
        sending.answer().await
    }

    /// Sends the head of a request; its body has `length` bytes, if the client tells.
    pub async fn begin(&self, request: Request, length: Option<usize>) -> Sending {
        let method = request.method.clone();
        let mut request = request.header("Authorization", &self.authorization);
        let bodiless = matches!(method.as_str(), "GET" | "HEAD");
        let chunked = length.is_none() && self.offer == Offer::Http1;
        if let Some(length) = length.filter(|_| !bodiless) {
            request = request.header("Content-Length", &length.to_string());
        } else if chunked {
            request = request.header("Transfer-Encoding", "chunked");
        }
        let line = match &self.wire {
            Wire::Http1(target) => {
                let mut connection = target.connect().await.unwrap();
                let head = request.head(&target.authority);
                connection.write(head.as_bytes()).await.unwrap();
                Line::Http1(connection)
            }
            Wire::Http2(client) => {
                let uri = format!("https://{}{}", self.authority, request.path);
                let head = http::Request::builder().method(method.as_str()).uri(uri);
                let mut head = head.body(()).unwrap();
                for (name, value) in &request.headers {
                    let name = http::HeaderName::try_from(name.as_str()).unwrap();
                    head.headers_mut().append(name, value.parse().unwrap());
                }
                let mut sender = client.sender.clone().ready().await.unwrap();
                let ended = bodiless || length == Some(0);
                let (response, stream) = sender.send_request(head, ended).unwrap();
                Line::Http2(response, stream)
            }
        };
        Sending {
            line,
            method,
            chunked,
        }
    }

    /// Opens an upload.
    pub async fn start(&self, repository: &str) -> Answer {
        let path = format!("/v2/{repository}/blobs/uploads/");
        self.send(Request::new("POST", &path)).await
    }

    /// Reads a blob, or the part that a range names, slowly enough for a test to strike: it is told after
    /// each piece how much came so far. The answer is incomplete when its body was cut off.
    pub async fn pull(
        &self,
        path: &str,
        range: Option<&str>,
        mut had: impl AsyncFnMut(usize),
    ) -> (Answer, Ending) {
        let mut request = Request::get(path);
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        match self.begin(request, None).await.line {
            Line::Http1(mut connection) => {
                let mut answer = connection.answer_head().await.unwrap();
                let length = answer.header("content-length").expect("a length");
                let length = length.parse::<usize>().unwrap();
                let mut ending = Ending::Proper;
                while answer.body.len() < length {
                    let reading = timeout(PATIENCE, connection.body(PIECE));
                    match reading.await.expect("bytes, or an end") {
                        Ok(piece) if piece.is_empty() => {
                            ending = Ending::Closed;
                            break;
                        }
                        Ok(piece) => answer.body.extend(piece),
                        Err(error) => {
                            ending = Ending::of(&error);
                            break;
                        }
                    }
                    had(answer.body.len()).await;
                }
                answer.complete = answer.body.len() == length;
                (answer, ending)
            }
            Line::Http2(response, stream) => {
                drop(stream);
                let (head, mut stream) = response.await.unwrap().into_parts();
                let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                    (name.to_string(), value.to_str().unwrap().to_owned())
                };
                let mut answer = Answer {
                    status: head.status.as_u16(),
                    headers: head.headers.iter().map(header).collect(),
                    ..Answer::default()
                };
                let mut ending = Ending::Proper;
                while let Some(piece) = timeout(PATIENCE, stream.data()).await.expect("bytes") {
                    let Ok(piece) = piece else {
                        ending = Ending::Reset;
                        break;
                    };
                    stream.flow_control().release_capacity(piece.len()).unwrap();
                    answer.body.extend_from_slice(&piece);
                    had(answer.body.len()).await;
                }
                answer.complete = ending == Ending::Proper;
                (answer, ending)
            }
        }
    }

    /// Pushes a blob and asks whether it is there; all answers, in order. Every request is made once.
    pub async fn push(
        &self,
        repository: &str,
        (content, form): (&[u8], Form),
        mut at: impl AsyncFnMut(Moment),
    ) -> Vec<Answer> {
        let mut answers = vec![self.start(repository).await];
        at(Moment::Begun).await;
        let digest = digest(content);
        let size = content.len();
        let parts = match form {
            Form::Chunks => 4,
            Form::Streamed | Form::Patched | Form::Put => 1,
        };
        for part in 0..parts {
            let (from, to) = (size * part / parts, size * (part + 1) / parts);
            let upload = location(answers.last().unwrap());
            let request = match form {
                Form::Put => Request::new("PUT", &format!("{upload}&digest={digest}")),
                Form::Streamed | Form::Patched => Request::new("PATCH", &upload),
                Form::Chunks => Request::new("PATCH", &upload)
                    .header("Content-Range", &format!("{from}-{}", to - 1)),
            };
            let request = match form {
                Form::Streamed => request,
                _ => request.header("Content-Type", "application/octet-stream"),
            };
            let length = (form != Form::Streamed).then_some(to - from);
            let mut sending = self.begin(request, length).await;
            let mut sent = from;
            for stop in STOPS {
                let mark = size * stop as usize / 100;
                if (from..=to).contains(&mark) && (mark > from || part == 0) {
                    sending.send(&content[sent..mark]).await;
                    sent = mark;
                    at(Moment::Body(stop)).await;
                }
            }
            sending.send(&content[sent..to]).await;
            answers.push(sending.answer().await);
            if answers.last().unwrap().status >= 300 {
                return answers;
            }
        }
        if form != Form::Put {
            at(Moment::Between).await;
            let upload = location(answers.last().unwrap());
            let put = Request::new("PUT", &format!("{upload}&digest={digest}"));
            let sending = self.begin(put, Some(0)).await;
            at(Moment::Committing).await;
            answers.push(sending.answer().await);
        }
        let path = format!("/v2/{repository}/blobs/{digest}");
        answers.push(self.send(Request::new("HEAD", &path)).await);
        answers
    }
}

impl Sending {
    /// Sends more of the body. Whether it was wanted is seen by the answer.
    pub async fn send(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            let going = async {
                match &mut self.line {
                    Line::Http1(connection) if self.chunked => {
                        let start = format!("{:x}\r\n", piece.len());
                        let chunk = [start.as_bytes(), piece, b"\r\n"].concat();
                        connection.write(&chunk).await.is_ok()
                    }
                    Line::Http1(connection) => connection.write(piece).await.is_ok(),
                    Line::Http2(_, stream) => push_data(stream, piece).await,
                }
            };
            if !timeout(PATIENCE, going).await.expect("bytes are taken") {
                return;
            }
        }
    }

    /// Ends the body and reads the answer.
    pub async fn answer(self) -> Answer {
        self.try_answer()
            .await
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    pub async fn try_answer(self) -> std::io::Result<Answer> {
        let Self {
            line,
            method,
            chunked,
        } = self;
        let reading = async {
            match line {
                Line::Http1(mut connection) => {
                    if chunked {
                        // Whoever answered early reads no more.
                        drop(connection.write(b"0\r\n\r\n").await);
                    }
                    connection.answer(&method).await
                }
                Line::Http2(response, mut stream) => {
                    drop(stream.send_data(Bytes::new(), true));
                    let response = response.await.map_err(std::io::Error::other)?;
                    http2::whole(response).await.map_err(std::io::Error::other)
                }
            }
        };
        timeout(PATIENCE, reading)
            .await
            .expect("an answer within a minute")
    }
}

/// Sends bytes as the other side takes them; false when it takes no more.
async fn push_data(stream: &mut SendStream<Bytes>, piece: &[u8]) -> bool {
    let mut rest = Bytes::copy_from_slice(piece);
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
            return false;
        };
        let part = rest.split_to(room.min(rest.len()));
        if stream.send_data(part, false).is_err() {
            return false;
        }
    }
    true
}

const PIECE: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_mins(1);
