//! Sends finished traces together, over OTLP/http. A collector that is away costs memory up to the queue, and no
//! request any time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::discovery::fixed;
use crate::edge::exchange::uuid;
use crate::fleet::node::NodeId;
use crate::observe::labels::SpanLoss;
use crate::observe::metrics::Metrics;
use crate::observe::otlp::{self, Sender};
use crate::observe::settings::{Collector, Encryption, TracingSettings};
use crate::observe::trail::Trace;
use crate::upstream::Failure;
use crate::upstream::live::Live;
use crate::upstream::peer::{Pace, Target};
use crate::upstream::settings::{NodeScheme, NodeSettings, Timeouts, Verify};

use super::{TracesError, headers};

/// Sends traces to one collector.
pub(super) struct Exporter {
    settings: TracingSettings,
    sender: Sender,
    target: Target,
    timeouts: Timeouts,
    live: Live,
    metrics: Arc<Metrics>,
    health: Health,
}

/// Whether the collector took what was sent last: a change is told, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    Away,
}

/// Why a batch did not arrive.
#[derive(Debug)]
enum Trouble {
    /// It may be sent again after a while; how long, if the collector says it.
    Later(String, Option<Duration>),
    /// It will never be taken.
    Never(String),
}

impl Exporter {
    /// Reads the files that the settings name. Nothing is connected yet.
    pub(super) async fn open(
        settings: &TracingSettings,
        metrics: Arc<Metrics>,
    ) -> Result<Self, TracesError> {
        if let Some(file) = &settings.headers_file {
            headers::read(file).await?;
        }
        let limit = settings.timeout;
        let target =
            Target::open(node(&settings.collector)?, 0).map_err(|error| TracesError::File {
                path: error.path,
                reason: error.reason,
            })?;
        Ok(Self {
            settings: settings.clone(),
            sender: Sender {
                version: env!("CARGO_PKG_VERSION"),
                instance: uuid(fastrand::u128(..)),
            },
            target,
            timeouts: Timeouts {
                connect: limit,
                write: limit,
                read: limit,
                commit: limit,
                idle: limit,
            },
            live: Live::new(1),
            metrics,
            health: Health::Well,
        })
    }

    /// Sends what comes until the stop, and then what is left.
    pub(super) async fn run(mut self, mut queue: Receiver<Trace>, mut stop: watch::Receiver<bool>) {
        loop {
            let batch = self.collect(&mut queue, &mut stop).await;
            let last = *stop.borrow() || queue.is_closed();
            if !batch.is_empty() {
                self.deliver(&batch, &mut stop).await;
            }
            if last && queue.is_empty() {
                return;
            }
        }
    }

    /// Waits for the first trace, and for others that may go with it.
    async fn collect(
        &self,
        queue: &mut Receiver<Trace>,
        stop: &mut watch::Receiver<bool>,
    ) -> Vec<Trace> {
        let (mut batch, mut spans) = (Vec::new(), 0);
        let mut until = None;
        while spans < MOST_SPANS {
            let trace = tokio::select! {
                biased;
                trace = queue.recv() => trace,
                () = async { drop(stop.wait_for(|stopped| *stopped).await) } => None,
                () = wait(until) => None,
            };
            let Some(trace) = trace else {
                break;
            };
            spans += trace.spans.len();
            batch.push(trace);
            until = until.or_else(|| Some(Instant::now() + self.settings.interval));
        }
        batch
    }

    /// Sends a batch, again after a while if the collector is away. Meanwhile others wait in the queue.
    async fn deliver(&mut self, batch: &[Trace], stop: &mut watch::Receiver<bool>) {
        let body = Bytes::from(otlp::request(&self.sender, batch));
        let spans: usize = batch.iter().map(|trace| trace.spans.len()).sum();
        let spans = u64::try_from(spans).unwrap_or(u64::MAX);
        let mut pause = FIRST_PAUSE;
        for number in 1..=TRIES {
            let limit = self.settings.timeout;
            let sent = timeout(limit, self.send(body.clone())).await;
            let trouble = match sent {
                Ok(Ok(rejected)) => return self.taken(spans, rejected),
                Ok(Err(trouble)) => trouble,
                Err(_) => Trouble::Later("it did not answer in time".to_owned(), None),
            };
            let told = match trouble {
                Trouble::Never(fault) => {
                    self.metrics.spans_dropped(SpanLoss::Refused, spans);
                    return self.away(&fault);
                }
                Trouble::Later(fault, told) => {
                    self.away(&fault);
                    told
                }
            };
            if number == TRIES || *stop.borrow() {
                break;
            }
            tokio::select! {
                () = sleep(told.unwrap_or(pause).min(LONGEST_PAUSE)) => {}
                () = async { drop(stop.wait_for(|stopped| *stopped).await) } => {}
            }
            pause *= 2;
        }
        self.metrics.spans_dropped(SpanLoss::Unsent, spans);
    }

    /// One try; how many of the spans the collector would not have.
    async fn send(&self, body: Bytes) -> Result<u64, Trouble> {
        let later = |fault: String| Trouble::Later(fault, None);
        let Collector { host, port, .. } = &self.settings.collector;
        let addresses = fixed::resolve(host, *port).await;
        let addresses = addresses.map_err(|error| later(error.to_string()))?;
        self.target.resolve_to(addresses);
        let request = self.request(body.len()).await?;
        let broken = |failure: Failure| later(words(failure).to_owned());
        let begun = self
            .live
            .begin(&self.target, &self.timeouts, Pace::Read, request);
        let mut push = begun.await.map_err(broken)?;
        push.send(body).await.map_err(broken)?;
        push.end().await.map_err(broken)?;
        let head = push.head().await.map_err(broken)?.clone();
        if head.status.is_success() {
            // It has them. What it would not have of them it may say, or not: to send them again would be wrong.
            let answer = timeout(LAST_WORD, push.body(MOST_ANSWER)).await;
            let answer = answer.ok().and_then(Result::ok).unwrap_or_default();
            return Ok(otlp::rejected(&answer));
        }
        Err(refusal(&head))
    }

    async fn request(&self, length: usize) -> Result<RequestHeader, Trouble> {
        let collector = &self.settings.collector;
        let build = || -> pingora::Result<RequestHeader> {
            let mut request =
                RequestHeader::build(Method::POST, collector.path.as_bytes(), Some(8))?;
            request.insert_header(header::HOST, collector.authority.as_str())?;
            request.insert_header(header::USER_AGENT, AGENT)?;
            request.insert_header(header::CONTENT_TYPE, "application/x-protobuf")?;
            request.insert_header(header::CONTENT_LENGTH, length)?;
            Ok(request)
        };
        let later = |fault: String| Trouble::Later(fault, None);
        let mut request = build().map_err(|_| later("it cannot be addressed".to_owned()))?;
        if let Some(file) = &self.settings.headers_file {
            // Each time, because credentials are replaced while we run.
            let found = headers::read(file).await;
            for (name, value) in found.map_err(|error| later(error.to_string()))? {
                let added = request.append_header(name, value);
                added.map_err(|_| later("its headers cannot be sent".to_owned()))?;
            }
        }
        Ok(request)
    }

    fn taken(&mut self, spans: u64, rejected: u64) {
        let rejected = rejected.min(spans);
        self.metrics.spans_sent(spans - rejected);
        self.metrics.spans_dropped(SpanLoss::Refused, rejected);
        if self.health == Health::Away {
            self.health = Health::Well;
            tracing::info!(address = self.place(), "collector takes traces again");
        }
    }

    fn away(&mut self, fault: &str) {
        if self.health == Health::Well {
            self.health = Health::Away;
            tracing::warn!(
                address = self.place(),
                fault,
                "collector does not take traces: they are dropped when too many wait"
            );
        }
    }

    fn place(&self) -> &str {
        &self.settings.collector.authority
    }
}

/// The collector as something to connect to.
fn node(collector: &Collector) -> Result<NodeSettings, TracesError> {
    let scheme = match &collector.encryption {
        Encryption::None => NodeScheme::Http,
        Encryption::Tls { ca_file } => NodeScheme::Https {
            name: collector.host.clone(),
            verify: match ca_file {
                None => Verify::System,
                Some(ca_file) => Verify::Authority {
                    ca_file: ca_file.clone(),
                },
            },
        },
    };
    Ok(NodeSettings {
        id: NodeId::parse("collector").map_err(|_| TracesError::Name)?,
        scheme,
        host: collector.host.clone(),
        port: collector.port,
        weight: 1,
        draining: false,
        names: Vec::new(),
    })
}

/// What an answer means that is no success, by the protocol's list of those that may be tried again.
fn refusal(head: &ResponseHeader) -> Trouble {
    let fault = format!("it answers {}", head.status.as_u16());
    let pause = head.headers.get(header::RETRY_AFTER);
    let pause = pause.and_then(|value| value.to_str().ok()?.parse().ok());
    match head.status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Trouble::Later(fault, pause.map(Duration::from_secs)),
        _ => Trouble::Never(fault),
    }
}

fn words(failure: Failure) -> &'static str {
    match failure {
        Failure::NoNode | Failure::Unreachable => "it cannot be connected to",
        Failure::Unverified => "its certificate cannot be verified",
        Failure::Broken => "it broke the connection off",
        Failure::Stalled => "it did not answer in time",
    }
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

const AGENT: &str = concat!("pilotage/", env!("CARGO_PKG_VERSION"));
/// Spans that are sent together, as far as whole traces allow: some hundred kilobytes.
const MOST_SPANS: usize = 512;
/// How often one batch is sent before it is given up.
const TRIES: u32 = 4;
/// Doubled with each try.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the body of an answer may follow its head.
const LAST_WORD: Duration = Duration::from_secs(1);
/// What collectors answer has some bytes.
const MOST_ANSWER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_collector_will_never_take_is_not_sent_again() {
        let head = |status: u16, after: Option<&str>| {
            let mut head = ResponseHeader::build(status, None).unwrap();
            if let Some(after) = after {
                head.insert_header(header::RETRY_AFTER, after).unwrap();
            }
            head
        };
        for status in [400, 401, 404, 413, 500] {
            let trouble = refusal(&head(status, None));
            assert!(matches!(trouble, Trouble::Never(_)), "{status}");
        }
        for status in [429, 502, 503, 504] {
            let trouble = refusal(&head(status, None));
            assert!(matches!(trouble, Trouble::Later(_, None)), "{status}");
        }
        let trouble = refusal(&head(503, Some("7")));
        let pause = Some(Duration::from_secs(7));
        assert!(matches!(trouble, Trouble::Later(_, told) if told == pause));
    }
}
