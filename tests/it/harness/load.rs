//! Clients that are busy while a test does something to the balancer: many small requests, and
//! transfers that take as long as the test likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use super::http::{Connection, Request, Target, h2};
use super::wait::{SOON, until};

/// Small requests without a pause: over connections of their own, over one that is kept, and over
/// HTTP/2.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Sends `path` again and again; every answer must be a 200 with a whole body.
    pub fn start(h1: &Target, h2: &Target, path: &str) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut tasks = Vec::new();
        for number in 0..3 {
            let (target, request) = (if number < 2 { h1 } else { h2 }.clone(), Request::get(path));
            let (stop, done) = (stop.clone(), done.clone());
            tasks.push(tokio::spawn(async move {
                let mut failures = Vec::new();
                let mut sender = Sender::new(number, target);
                while !stop.load(Ordering::Relaxed) {
                    match sender.send(&request).await {
                        Ok(()) => drop(done.fetch_add(1, Ordering::Relaxed)),
                        Err(failure) => failures.push(format!("client {number}: {failure}")),
                    }
                }
                failures
            }));
        }
        Self { stop, done, tasks }
    }

    /// Waits until so many more requests were answered.
    pub async fn goes_on(&self, count: u64) {
        let wanted = self.done.load(Ordering::Relaxed) + count;
        until("requests are answered", SOON, async || {
            (self.done.load(Ordering::Relaxed) >= wanted).then_some(())
        })
        .await;
    }

    /// Ends it; panics when any request failed.
    pub async fn finish_without_failure(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut failures = Vec::new();
        for task in self.tasks {
            failures.extend(task.await.unwrap());
        }
        let done = self.done.load(Ordering::Relaxed);
        assert!(failures.is_empty(), "{done} went well, and: {failures:#?}");
        done
    }
}

enum Sender {
    Each(Target),
    /// With the time of its latest answer.
    Kept(Target, Option<(Connection, Instant)>),
    Two(Target, Option<(h2::Client, Instant)>),
}

impl Sender {
    fn new(number: usize, target: Target) -> Self {
        match number {
            0 => Self::Each(target),
            1 => Self::Kept(target, None),
            _ => Self::Two(target, None),
        }
    }

    async fn send(&mut self, request: &Request) -> Result<(), String> {
        let answer = match self {
            Self::Each(target) => target.try_send(request).await.map_err(|e| e.to_string())?,
            Self::Kept(target, kept) => {
                let mut connection = match recent(kept) {
                    Some(connection) => connection,
                    None => target.connect().await.map_err(|e| e.to_string())?,
                };
                let request = request.clone().header("Connection", "keep-alive");
                let bytes = request.bytes(&target.authority);
                connection.write(&bytes).await.map_err(|e| e.to_string())?;
                let answer = connection.answer("GET").await.map_err(|e| e.to_string())?;
                let last = answer.header("connection") == Some("close");
                *kept = (!last).then(|| (connection, Instant::now()));
                answer
            }
            Self::Two(target, kept) => {
                let connect = async || h2::Client::connect(target).await.map_err(|e| e.to_string());
                let again = async |client: h2::Client| {
                    let answer = client.send(request).await;
                    (client, answer)
                };
                let client = match recent(kept) {
                    Some(client) => client,
                    None => connect().await?,
                };
                let (client, answer) = match client.send_unless_told_to_go(request).await {
                    Ok(Err(error)) if went_unseen(&error) => again(connect().await?).await,
                    Ok(answer) => (client, answer),
                    Err(_) => again(connect().await?).await,
                };
                let answer = answer.map_err(|e| e.to_string())?;
                *kept = Some((client, Instant::now()));
                answer
            }
        };
        if answer.status == 200 && answer.complete {
            Ok(())
        } else {
            Err(format!("{} {}", answer.status, answer.text()))
        }
    }
}

/// What was kept, unless it rested for so long that the other side may have let it go.
fn recent<T>(kept: &mut Option<(T, Instant)>) -> Option<T> {
    let (connection, used) = kept.take()?;
    (used.elapsed() < REST).then_some(connection)
}

/// Whether a request was sent behind the last one that the other side looked at before it went: a farewell without
/// a reason ends only streams beyond the last that it names, and every client sends those again.
fn went_unseen(error: &::h2::Error) -> bool {
    let kind = error.reason() == Some(::h2::Reason::NO_ERROR);
    kind && error.is_go_away() && error.is_remote()
}

/// One transfer that makes little progress at a time, until it is told to finish.
#[derive(Debug)]
pub struct Trickle {
    finish: Arc<AtomicBool>,
    moved: Arc<AtomicU64>,
    task: JoinHandle<Result<Moved, String>>,
}

/// How a trickle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    pub status: u16,
    /// Bytes of the body that went over the wire.
    pub bytes: u64,
}

impl Trickle {
    /// An upload of unknown length over HTTP/1.1: a `PATCH` to the address of a push, a `PUT` else.
    pub fn upload(target: &Target, path: &str) -> Self {
        let (target, path) = (target.clone(), path.to_owned());
        Self::run(async move |pace| upload(&target, &path, pace).await)
    }

    /// A `GET` of a long body over HTTP/1.1.
    pub fn download(target: &Target, path: &str) -> Self {
        let (target, path) = (target.clone(), path.to_owned());
        Self::run(async move |pace| download(&target, &path, pace).await)
    }

    /// The same over a connection of HTTP/2.
    pub fn upload_h2(client: &h2::Client, path: &str) -> Self {
        let (sender, head) = (client.sender.clone(), client.head(method(path), path));
        Self::run(async move |mut pace| {
            let mut sender = sender.ready().await?;
            let (response, mut stream) = sender.send_request(head, false)?;
            while pace.next(PIECE.len()).await {
                stream.send_data(Bytes::from_static(PIECE), false)?;
            }
            stream.send_data(Bytes::new(), true)?;
            let status = response.await?.status().as_u16();
            Ok(pace.end(status))
        })
    }

    /// A `GET` of a long body over a connection of HTTP/2.
    pub fn download_h2(client: &h2::Client, path: &str) -> Self {
        let (sender, head) = (client.sender.clone(), client.head("GET", path));
        Self::run(async move |mut pace| {
            let mut sender = sender.ready().await?;
            let (response, _) = sender.send_request(head, true)?;
            let (head, mut stream) = response.await?.into_parts();
            while let Some(part) = stream.data().await {
                let part = part?;
                stream.flow_control().release_capacity(part.len())?;
                pace.next(part.len()).await;
            }
            Ok(pace.end(head.status.as_u16()))
        })
    }

    fn run<F>(work: impl FnOnce(Pace) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Moved, Failure>> + Send + 'static,
    {
        let (finish, moved) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let pace = Pace {
            finish: finish.clone(),
            moved: moved.clone(),
            ticks: interval(TICK),
        };
        let work = work(pace);
        let task = tokio::spawn(async move { work.await.map_err(|error| error.to_string()) });
        Self {
            finish,
            moved,
            task,
        }
    }

    /// Waits until something more has moved.
    pub async fn goes_on(&self) {
        let now = self.moved.load(Ordering::Relaxed);
        until("the transfer goes on", SOON, async || {
            assert!(
                !self.task.is_finished(),
                "the transfer ended at {now} bytes"
            );
            (self.moved.load(Ordering::Relaxed) > now).then_some(())
        })
        .await;
    }

    /// Lets it go on for this long.
    pub async fn goes_on_for(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.goes_on().await;
        }
    }

    /// How it ended, without telling it to hurry.
    pub async fn ended(self) -> Result<Moved, String> {
        let limit = Duration::from_mins(1);
        let ended = tokio::time::timeout(limit, self.task).await;
        ended.expect("the transfer ends within a minute").unwrap()
    }

    /// Lets it go on as fast as it can, and waits for its end.
    pub async fn finish(self) -> Moved {
        self.finish.store(true, Ordering::Relaxed);
        self.ended().await.unwrap_or_else(|error| panic!("{error}"))
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Lets one piece go at each tick.
struct Pace {
    finish: Arc<AtomicBool>,
    moved: Arc<AtomicU64>,
    ticks: tokio::time::Interval,
}

impl Pace {
    /// Counts a piece and waits for the time of the next; false when it is time to finish.
    async fn next(&mut self, bytes: usize) -> bool {
        if self.finish.load(Ordering::Relaxed) {
            self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
            return false;
        }
        self.ticks.tick().await;
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
        true
    }

    fn end(&self, status: u16) -> Moved {
        Moved {
            status,
            bytes: self.moved.load(Ordering::Relaxed),
        }
    }
}

async fn upload(target: &Target, path: &str, mut pace: Pace) -> Result<Moved, Failure> {
    let request = Request::new(method(path), path).header("Transfer-Encoding", "chunked");
    let mut connection = target.connect().await?;
    connection
        .write(request.head(&target.authority).as_bytes())
        .await?;
    let chunk = [format!("{:x}\r\n", PIECE.len()).as_bytes(), PIECE, b"\r\n"].concat();
    while pace.next(PIECE.len()).await {
        connection.write(&chunk).await?;
    }
    connection.write(b"0\r\n\r\n").await?;
    let answer = connection.answer("PUT").await?;
    Ok(pace.end(answer.status))
}

async fn download(target: &Target, path: &str, mut pace: Pace) -> Result<Moved, Failure> {
    let request = Request::get(path);
    let mut connection = target.connect().await?;
    connection.write(&request.bytes(&target.authority)).await?;
    let head = connection.answer_head().await?;
    let length = head
        .header("content-length")
        .ok_or("no length")?
        .parse::<u64>()?;
    let mut had = 0;
    while had < length {
        let part = connection.body(PART).await?;
        if part.is_empty() {
            return Err(format!("cut after {had} of {length} bytes").into());
        }
        had += part.len() as u64;
        pace.next(part.len()).await;
    }
    Ok(pace.end(head.status))
}

fn method(path: &str) -> &'static str {
    if path.contains("/blobs/uploads/") {
        "PATCH"
    } else {
        "PUT"
    }
}

/// What rested for longer is not used again, as with any client that knows of the other side's limit.
const REST: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(20);
/// The most that a download takes at a time: enough that what is held back on the way does not look like a stop.
const PART: usize = 32 * 1024;
/// One chunk of an upload.
const PIECE: &[u8] = &[b'u'; 100];
