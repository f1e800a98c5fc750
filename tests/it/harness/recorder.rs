//! A *recording node*: it keeps exactly the bytes it got and gives scripted answers, so that a test
//! can state what no node must ever see.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::http::answer::find;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    /// Path and query as they stood in the request line.
    pub target: String,
    /// The head, byte for byte, with its empty line.
    pub head: Vec<u8>,
    /// The body as it was framed on the wire.
    pub body: Vec<u8>,
}

impl Received {
    /// The values of a header, trimmed.
    pub fn values(&self, name: &str) -> Vec<String> {
        let head = String::from_utf8_lossy(&self.head);
        head.lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    }

    /// The body without its framing.
    pub fn content(&self) -> Vec<u8> {
        if self.values("transfer-encoding").is_empty() {
            return self.body.clone();
        }
        let (mut content, mut rest) = (Vec::new(), self.body.as_slice());
        while let Some(end) = find(rest, b"\r\n") {
            let size = std::str::from_utf8(&rest[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            content.extend_from_slice(&rest[end + 2..end + 2 + size]);
            rest = &rest[end + 4 + size..];
        }
        content
    }

    /// Whether it looks like a health probe of a balancer.
    pub fn is_probe(&self) -> bool {
        self.target.starts_with("/api/v2.0/") && self.values("x-forwarded-for").is_empty()
            || self.target == "/v2/" && self.values("x-forwarded-for").is_empty()
    }
}

/// The raw bytes of an answer to a request.
pub type Script = dyn Fn(&Received) -> Vec<u8> + Send + Sync;

/// A server that only records. It lives on the runtime it was started on.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// A node that is healthy by Harbor's health document, asks for a login at `/v2/`, and says 200
    /// `{}` to the rest.
    pub async fn healthy(address: SocketAddr) -> Self {
        Self::start(address, |request| match request.target.as_str() {
            "/api/v2.0/health" => answer(200, &[("Content-Type", "application/json")], HEALTH),
            "/v2/" => answer(401, &[("WWW-Authenticate", "Basic realm=\"harbor\"")], "{}"),
            _ => answer(200, &[("Content-Type", "application/json")], "{}"),
        })
        .await
    }

    /// A node with a script of its own.
    pub async fn start(
        address: SocketAddr,
        script: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let (kept, script) = (
            received.clone(),
            Arc::<Script>::from(Box::new(script) as Box<Script>),
        );
        let connections = Arc::<AtomicUsize>::default();
        let counted = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, kept.clone(), script.clone()));
            }
        });
        Self {
            address,
            received,
            connections,
            task,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were made to it, those of probes included.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything received so far but health probes.
    pub fn requests(&self) -> Vec<Received> {
        let mut all = self.received.lock().unwrap().clone();
        all.retain(|request| !request.is_probe());
        all
    }

    /// Everything received so far.
    pub fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The bytes of an answer with a body of known length.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers = headers.collect::<String>();
    let length = body.len();
    format!("HTTP/1.1 {status} Scripted\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Harbor's health document when all is well.
pub const HEALTH: &str = r#"{"components":[{"name":"core","status":"healthy"},
{"name":"database","status":"healthy"},{"name":"jobservice","status":"healthy"},
{"name":"portal","status":"healthy"},{"name":"redis","status":"healthy"},
{"name":"registry","status":"healthy"},{"name":"registryctl","status":"healthy"}],
"status":"healthy"}"#;

async fn serve(mut stream: TcpStream, kept: Arc<Mutex<Vec<Received>>>, script: Arc<Script>) {
    let mut buffer = Vec::new();
    while let Some(request) = receive(&mut stream, &mut buffer).await {
        let bytes = script(&request);
        kept.lock().unwrap().push(request);
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
    // Bytes that never became a request are the most interesting ones.
    if !buffer.is_empty() {
        let broken = Received {
            method: String::new(),
            target: String::new(),
            head: buffer,
            body: Vec::new(),
        };
        kept.lock().unwrap().push(broken);
    }
}

async fn receive(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        match find(buffer, b"\r\n\r\n") {
            Some(end) => break end + 4,
            None if stream.read_buf(buffer).await.unwrap_or(0) == 0 => return None,
            None => {}
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut words = head.lines().next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Received {
        method,
        target,
        head: buffer[..end].to_vec(),
        body: Vec::new(),
    };
    let length = request
        .values("content-length")
        .first()
        .and_then(|text| text.parse().ok());
    let chunked = request
        .values("transfer-encoding")
        .iter()
        .any(|value| value.contains("chunked"));
    let body = loop {
        let rest = &buffer[end..];
        let found = match length {
            _ if chunked => find(rest, b"0\r\n\r\n").map(|at| at + 5),
            Some(length) => (rest.len() >= length).then_some(length),
            None => Some(0),
        };
        match found {
            Some(length) => break length,
            None if stream.read_buf(buffer).await.unwrap_or(0) == 0 => return None,
            None => {}
        }
    };
    request.body = buffer[end..end + body].to_vec();
    buffer.drain(..end + body);
    Some(request)
}
