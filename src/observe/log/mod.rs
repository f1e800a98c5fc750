//! Log lines and access records, on their way out of the process.
//!
//! Both go through one bounded queue to one writer thread, so neither a slow terminal nor a full
//! pipe ever holds a request up. An access record is a line like any other, of level info with the
//! target `access` and the constant message `request`; a level of `info,access=off` leaves it out.
//!
//! Foreign crates are kept quiet, because their lines quote what clients sent: pingora says nothing
//! (what it would report, we report ourselves), the rest only warnings. A level that names one of
//! them brings its lines back, and with them queries and headers: for a test bed only.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Registry};

use super::metrics::Metrics;
use super::record::Record;
use super::settings::{LogFormat, LogSettings};
use super::writer::{self, Lines, Next, Writing};

/// Where access records are handed in.
#[derive(Debug, Clone)]
pub struct Log {
    lines: Lines,
    format: LogFormat,
    filter: Handle<EnvFilter, Registry>,
    /// The filter that counts now, as it was written.
    level: Arc<Mutex<String>>,
    file: Option<Arc<Path>>,
    next: Next,
}

impl Log {
    /// The file that lines go to; none is standard error.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Opens the file anew, because the one of before was moved away. When that fails, lines go on to the old one.
    pub fn reopen(&self) -> Result<(), LogError> {
        if let Some(path) = self.file() {
            self.next.put(open(path)?);
        }
        Ok(())
    }

    /// Writes from now on what this level lets through.
    pub fn set_level(&self, level: &str) -> Result<(), LogError> {
        let fresh = filter(level)?;
        self.filter.reload(fresh).map_err(LogError::Changed)?;
        level.clone_into(&mut self.level.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// The level that counts now.
    pub fn level(&self) -> String {
        let level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        level.clone()
    }

    /// Writes the record of one request, if access records are wanted.
    pub fn access(&self, record: &Record<'_>) {
        if !tracing::enabled!(target: "access", tracing::Level::INFO) {
            return;
        }
        let mut line = String::with_capacity(LINE_CAPACITY);
        match self.format {
            LogFormat::Json => {
                line.push_str("{\"timestamp\":\"");
                write_time(&mut line);
                line.push_str(
                    "\",\"level\":\"INFO\",\"target\":\"access\",\"message\":\"request\"",
                );
                record.write_json(&mut line);
                line.push_str("}\n");
            }
            LogFormat::Text => {
                write_time(&mut line);
                line.push_str("  INFO access: request");
                record.write_text(&mut line);
                line.push('\n');
            }
        }
        self.lines.put(line.into_bytes());
    }
}

/// Starts logging to standard error or to the file of the settings. The lines under way are written when
/// [`Writing`] is dropped, which therefore has to be the last thing a process does.
pub fn start(settings: &LogSettings, metrics: &Arc<Metrics>) -> Result<(Log, Writing), LogError> {
    let out: Box<dyn Write + Send> = match &settings.file {
        None => Box::new(io::stderr()),
        Some(path) => Box::new(open(path)?),
    };
    let (subscriber, log, writing) = build(settings, metrics, out)?;
    // This also carries over what crates say through the older `log` facade.
    subscriber.try_init().map_err(LogError::Started)?;
    Ok((log, writing))
}

/// Says what is wrong with a level, without starting anything.
pub fn check_level(level: &str) -> Result<(), LogError> {
    filter(level).map(drop)
}

/// Says what is wrong with a level that is wanted while pilotage runs, by somebody who may not read the file: parts
/// that are not ours would write what clients send, credentials included.
pub fn check_runtime_level(level: &str) -> Result<(), LogError> {
    let ours = |directive: &str| {
        let target = match directive.split_once('=') {
            Some((target, _)) => target,
            None if directive.parse::<LevelFilter>().is_ok() => return true,
            None => directive,
        };
        let room = target
            .trim()
            .strip_prefix("pilotage")
            .unwrap_or(target.trim());
        room.is_empty() && target.contains("pilotage")
            || room.starts_with("::")
            || matches!(room, "access" | "control")
    };
    if level
        .split(',')
        .all(|directive| directive.trim().is_empty())
    {
        // As a filter it would let nothing through, the records of requests included.
        return Err(LogError::Nothing);
    }
    match level.split(',').find(|directive| !ours(directive.trim())) {
        Some(foreign) => Err(LogError::Foreign(foreign.trim().to_owned())),
        None => check_level(level),
    }
}

/// What can go wrong when logging starts.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{level:?} is no log level: {source}")]
    Level { level: String, source: ParseError },
    #[error(
        "{0:?} is no part of pilotage: only the configuration file may have such lines written"
    )]
    Foreign(String),
    #[error("no level is given")]
    Nothing,
    #[error("the thread that writes the log cannot start: {0}")]
    Thread(io::Error),
    #[error("logging has been started before: {0}")]
    Started(TryInitError),
    #[error("the log level cannot be changed: {0}")]
    Changed(reload::Error),
    #[error("{path}: cannot be opened for writing: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Lines are added to what is there. Others than the group have no business in it: it names clients.
fn open(path: &Path) -> Result<File, LogError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640);
    options.open(path).map_err(|source| LogError::File {
        path: path.to_owned(),
        source,
    })
}

fn build(
    settings: &LogSettings,
    metrics: &Arc<Metrics>,
    out: Box<dyn Write + Send>,
) -> Result<(impl Subscriber + Send + Sync, Log, Writing), LogError> {
    let (filter, handle) = reload::Layer::new(filter(&settings.level)?);
    let next = Next::default();
    let started = writer::start(settings.queue, Arc::clone(metrics), out, next.clone());
    let (lines, writing) = started.map_err(LogError::Thread)?;
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(lines.clone());
    let layer = match settings.format {
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
        LogFormat::Text => layer.boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(layer);
    Ok((
        subscriber,
        Log {
            lines,
            format: settings.format,
            filter: handle,
            level: Arc::new(Mutex::new(settings.level.clone())),
            file: settings.file.as_deref().map(Arc::from),
            next,
        },
        writing,
    ))
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder()
        .with_regex(false)
        .parse(format!("{QUIET},{level}"))
        .map_err(|source| LogError::Level {
            level: level.to_owned(),
            source,
        })
}

fn write_time(line: &mut String) {
    let written: fmt::Result = SystemTime.format_time(&mut Writer::new(line));
    debug_assert!(written.is_ok(), "a String takes everything");
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// What comes later in the list wins, so the operator's words come after these.
const QUIET: &str = "pingora=off,h2=warn,hyper=warn,rustls=warn,tokio=warn";

/// Room for a usual access record.
const LINE_CAPACITY: usize = 640;

#[cfg(test)]
mod tests;
