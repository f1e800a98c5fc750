//! Traces on their way to the collector. What is built without them has only the words to say so.

#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod headers;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::observe::metrics::Metrics;
use crate::observe::settings::TracingSettings;
use crate::observe::tracer::Tracer;

/// Traces cannot be sent as the operator wants.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("{path}: {reason}")]
    File {
        path: std::path::PathBuf,
        reason: String,
    },
    #[error("the collector cannot be named")]
    Name,
}

/// The work that sends traces, if there is any.
#[derive(Debug, Default)]
pub(super) struct Sending(Option<JoinHandle<()>>);

impl Sending {
    /// Waits until the last spans are sent, but not long: they are not worth a restart that lingers.
    pub(super) async fn end(self) {
        if let Some(mut work) = self.0
            && timeout(LAST, &mut work).await.is_err()
        {
            work.abort();
        }
    }
}

/// Where requests hand in their spans, and the work that sends them until the stop.
#[cfg(feature = "otlp")]
pub(super) async fn start(
    settings: Option<&TracingSettings>,
    metrics: &Arc<Metrics>,
    stop: &watch::Receiver<bool>,
) -> Result<(Tracer, Sending), TracesError> {
    let Some(settings) = settings else {
        return Ok((Tracer::off(Arc::clone(metrics)), Sending::default()));
    };
    let (tracer, queue) = Tracer::new(Arc::clone(metrics), settings.queue);
    let exporter = export::Exporter::open(settings, Arc::clone(metrics)).await?;
    let work = tokio::spawn(exporter.run(queue, stop.clone()));
    Ok((tracer, Sending(Some(work))))
}

/// Nowhere: no file that names a collector is good for this program.
#[cfg(not(feature = "otlp"))]
#[expect(clippy::unused_async, reason = "with traces it reads files")]
pub(super) async fn start(
    _settings: Option<&TracingSettings>,
    metrics: &Arc<Metrics>,
    _stop: &watch::Receiver<bool>,
) -> Result<(Tracer, Sending), TracesError> {
    Ok((Tracer::off(Arc::clone(metrics)), Sending::default()))
}

/// How long the last spans may take.
const LAST: Duration = Duration::from_secs(5);
