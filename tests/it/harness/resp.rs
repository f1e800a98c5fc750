//! Something that speaks the protocol of Redis and misbehaves as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::ports::{self, Subnet};

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Knows nothing and takes everything.
    Good,
    /// Says this to every command.
    Refusing(&'static str),
    /// Answers well, after so long.
    Slow(Duration),
}

/// The server. It ends when this drops.
#[derive(Debug)]
pub struct Resp {
    pub address: SocketAddr,
    state: Arc<Mutex<(Manner, u64)>>,
    _serving: JoinSet<()>,
}

impl Resp {
    pub async fn start() -> Self {
        let address = ports::free(Subnet::take().host(1));
        let listener = TcpListener::bind(address).await.unwrap();
        let state = Arc::new(Mutex::new((Manner::Good, 0)));
        let mut serving = JoinSet::new();
        let shared = Arc::clone(&state);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(talk(socket, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            state,
            _serving: serving,
        }
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub fn set(&self, manner: Manner) {
        self.state.lock().unwrap().0 = manner;
    }

    /// How many commands came so far.
    pub fn commands(&self) -> u64 {
        self.state.lock().unwrap().1
    }
}

async fn talk(socket: TcpStream, state: Arc<Mutex<(Manner, u64)>>) {
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    while let Some(words) = command(&mut read).await {
        let manner = {
            let mut state = state.lock().unwrap();
            state.1 += 1;
            state.0
        };
        let good = match words.first().map(String::as_str) {
            Some("GET") => "$-1\r\n".to_owned(),
            Some("DEL") => ":0\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        };
        let answer = match manner {
            Manner::Good => good,
            Manner::Refusing(why) => format!("-{why}\r\n"),
            Manner::Slow(pause) => {
                tokio::time::sleep(pause).await;
                good
            }
        };
        if write.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The words of one command.
async fn command(read: &mut BufReader<tokio::net::tcp::OwnedReadHalf>) -> Option<Vec<String>> {
    let count = number(read, '*').await?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number(read, '$').await?;
        let mut bytes = vec![0; length + 2];
        read.read_exact(&mut bytes).await.ok()?;
        bytes.truncate(length);
        words.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    Some(words)
}

async fn number(read: &mut BufReader<tokio::net::tcp::OwnedReadHalf>, mark: char) -> Option<usize> {
    let mut line = String::new();
    read.read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix(mark)?.parse().ok()
}
