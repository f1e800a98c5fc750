//! Clients that send exactly what a test wants: raw bytes over HTTP/1.1, and HTTP/2 frame by frame.

pub mod answer;
pub mod h2;

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use self::answer::{Answer, Reader};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where to send, and by what name.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// What goes into `Host`, and without its port into SNI.
    pub authority: String,
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Target {
    pub fn plain(address: SocketAddr, authority: &str) -> Self {
        Self {
            address,
            authority: authority.to_owned(),
            tls: None,
        }
    }

    /// A listener of this machine, by its address.
    pub fn local(address: SocketAddr) -> Self {
        Self::plain(address, &address.to_string())
    }

    pub fn tls(address: SocketAddr, authority: &str, tls: Arc<rustls::ClientConfig>) -> Self {
        Self {
            address,
            authority: authority.to_owned(),
            tls: Some(tls),
        }
    }

    /// A connection; TLS with the certificate checked, when there is TLS.
    pub async fn connect(&self) -> std::io::Result<Connection> {
        self.secure(TcpStream::connect(self.address).await?).await
    }

    /// The same over a socket that somebody else connected.
    pub async fn secure(&self, tcp: TcpStream) -> std::io::Result<Connection> {
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(config) => {
                let name = ServerName::try_from(self.host().to_owned()).unwrap();
                Box::new(
                    TlsConnector::from(config.clone())
                        .connect(name, tcp)
                        .await?,
                )
            }
        };
        Ok(Connection {
            reader: Reader::default(),
            stream,
        })
    }

    /// One request on a connection of its own.
    pub async fn try_send(&self, request: &Request) -> std::io::Result<Answer> {
        let mut connection = self.connect().await?;
        let bytes = request.bytes(&self.authority);
        // A node may answer and close before it read the whole body: the answer counts.
        let written = connection.stream.write_all(&bytes).await;
        let flushed = connection.stream.flush().await;
        match connection.answer(&request.method).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(written.and(flushed).err().unwrap_or(error)),
        }
    }

    /// The same, for requests that must get an answer.
    #[track_caller]
    pub fn send(&self, request: Request) -> impl Future<Output = Answer> {
        let (target, caller) = (self.clone(), std::panic::Location::caller());
        async move {
            target.try_send(&request).await.unwrap_or_else(|error| {
                panic!("{caller}: {} {}: {error}", request.method, request.path)
            })
        }
    }

    fn host(&self) -> &str {
        let authority = self.authority.as_str();
        if let Some((host, _)) = authority
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            return host;
        }
        authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host)
    }
}

/// A request in the making. `Host`, `Content-Length` and `Connection: close` are added when it does
/// not say otherwise.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    #[must_use]
    pub fn basic(self, name: &str, password: &str) -> Self {
        use base64::Engine;
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        self.header("Authorization", &format!("Basic {encoded}"))
    }

    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// The head alone, as it goes over the wire.
    pub fn head(&self, authority: &str) -> String {
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|(had, _)| had.eq_ignore_ascii_case(name))
        };
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !has("host") {
            write!(head, "Host: {authority}\r\n").unwrap();
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let bodiless = matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS");
        let framed = has("content-length") || has("transfer-encoding");
        if !framed && (!bodiless || !self.body.is_empty()) {
            write!(head, "Content-Length: {}\r\n", self.body.len()).unwrap();
        }
        if !has("connection") {
            head.push_str("Connection: close\r\n");
        }
        head + "\r\n"
    }

    /// All of it.
    pub fn bytes(&self, authority: &str) -> Vec<u8> {
        [self.head(authority).as_bytes(), &self.body].concat()
    }
}

/// An open connection.
pub struct Connection {
    stream: Box<dyn Stream>,
    reader: Reader,
}

impl Connection {
    /// Writes exactly these bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads one answer; `method` tells whether it has a body.
    pub async fn answer(&mut self, method: &str) -> std::io::Result<Answer> {
        tokio::time::timeout(PATIENCE, self.reader.read(&mut self.stream, method))
            .await
            .map_err(|_| std::io::Error::other("no answer within a minute"))?
    }

    /// Reads the head of an answer; its body is left for [`Connection::body`].
    pub async fn answer_head(&mut self) -> std::io::Result<Answer> {
        self.reader.read_head(&mut self.stream).await
    }

    /// Reads what comes next of a body, at most `limit` bytes; empty at the end of the connection.
    pub async fn body(&mut self, limit: usize) -> std::io::Result<Vec<u8>> {
        let mut buffered = self.reader.take(limit);
        if buffered.is_empty() {
            buffered.resize(limit, 0);
            let read = self.stream.read(&mut buffered).await?;
            buffered.truncate(read);
        }
        Ok(buffered)
    }

    /// Everything until the other side closes.
    pub async fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        let mut rest = self.reader.take(usize::MAX);
        self.stream.read_to_end(&mut rest).await?;
        Ok(rest)
    }

    /// Says that nothing more will be written.
    pub async fn finish(&mut self) -> std::io::Result<()> {
        self.stream.shutdown().await
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}
