use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::observe::labels::Outcome;

fn settings(format: LogFormat, level: &str) -> LogSettings {
    LogSettings {
        format,
        level: level.to_owned(),
        queue: 64,
        file: None,
    }
}

fn record() -> Record<'static> {
    Record {
        request_id: "0123",
        method: "GET",
        host: Some("registry.example.com"),
        route: "base",
        status: 401,
        outcome: Outcome::Answered,
        bytes_out: 87,
        ..Record::unread(IpAddr::V4(Ipv4Addr::LOCALHOST), Duration::from_millis(3))
    }
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written while something is done with this log.
fn written(settings: &LogSettings, act: impl FnOnce(&Log)) -> String {
    let page = Page::default();
    let metrics = Arc::new(Metrics::new("test"));
    let (subscriber, log, writing) = build(settings, &metrics, Box::new(page.clone())).unwrap();
    tracing::subscriber::with_default(subscriber, || act(&log));
    drop(writing);
    let bytes = page.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn lines_and_records_have_one_form_and_keep_their_order() {
    let text = written(&settings(LogFormat::Json, "info"), |log| {
        tracing::warn!(node = "harbor-1", "node is down");
        log.access(&record());
    });
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["message"], "node is down");
    assert_eq!(lines[0]["node"], "harbor-1");
    assert_eq!(lines[1]["message"], "request");
    assert_eq!(lines[1]["target"], "access");
    assert_eq!(lines[1]["status"], 401);
    for line in &lines {
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
        assert!(line["level"].is_string());
    }
}

#[test]
fn a_text_record_reads_like_a_text_line() {
    let text = written(&settings(LogFormat::Text, "info"), |log| {
        tracing::info!(target: "access", request_id = "0123", "request");
        log.access(&record());
    });
    let heads: Vec<_> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap().1.split_once('=').unwrap().0)
        .collect();
    assert_eq!(heads[0], heads[1], "{text}");
}

#[test]
fn access_records_can_be_left_out() {
    let text = written(&settings(LogFormat::Json, "info,access=off"), |log| {
        log.access(&record());
        tracing::info!("ready");
    });
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_level_can_change_while_lines_are_written() {
    let text = written(&settings(LogFormat::Json, "info"), |log| {
        for (level, word) in [
            ("info", "one"),
            ("debug,access=off", "two"),
            ("off", "three"),
        ] {
            log.set_level(level).unwrap();
            tracing::debug!(why = word, "looked at");
            log.access(&record());
        }
        log.set_level("=").unwrap_err();
    });
    assert_eq!(text.matches("\"request\"").count(), 1, "{text}");
    assert!(text.contains("two"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn foreign_crates_are_quiet_until_they_are_asked() {
    let speak = |_: &Log| {
        tracing::error!(target: "pingora_proxy", "quotes a query");
        tracing::info!(target: "rustls::conn", "detail");
        tracing::warn!(target: "h2::codec", "warning");
    };
    let quiet = written(&settings(LogFormat::Text, "debug"), speak);
    assert_eq!(quiet.lines().count(), 1, "{quiet}");
    assert!(quiet.contains("warning"));
    let asked = written(
        &settings(LogFormat::Text, "warn,pingora_proxy=debug,rustls=info"),
        speak,
    );
    assert_eq!(asked.lines().count(), 3, "{asked}");
}

#[test]
fn a_wrong_level_is_refused_with_its_text() {
    let error = check_level("info,pilotage=loud").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("\"info,pilotage=loud\" is no log level"),
        "{error}"
    );
    assert!(check_level("warn,pilotage=debug").is_ok());
}

/// An output that takes nothing until it is told to.
struct Stuck(Receiver<()>, Page);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An error means that the other end is gone: from then on everything is taken.
        let _ = self.0.recv();
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_queue_drops_and_counts_and_never_blocks() {
    let (release, held): (Sender<()>, Receiver<()>) = channel();
    let page = Page::default();
    let metrics = Arc::new(Metrics::new("test"));
    let stuck = Box::new(Stuck(held, page.clone()));
    let (lines, writing) = writer::start(4, Arc::clone(&metrics), stuck, Next::default()).unwrap();
    for number in 0..1000 {
        lines.put(format!("{number:01000}\n").into_bytes());
    }
    let dropped: u64 = metrics
        .page()
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix("pilotage_observe_log_dropped_total "))
        .unwrap()
        .parse()
        .unwrap();
    assert!(dropped > 0);
    drop(release);
    drop(writing);
    let kept = String::from_utf8(page.0.lock().unwrap().clone())
        .unwrap()
        .lines()
        .count();
    assert_eq!(u64::try_from(kept).unwrap() + dropped, 1000);
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew_and_no_line_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (file, moved) = (folder.path().join("log"), folder.path().join("log.1"));
    let settings = LogSettings {
        file: Some(file.clone()),
        ..settings(LogFormat::Text, "info")
    };
    let metrics = Arc::new(Metrics::new("test"));
    let out = Box::new(open(&file).unwrap());
    let (subscriber, log, writing) = build(&settings, &metrics, out).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("before");
        log.access(&record());
        std::fs::rename(&file, &moved).unwrap();
        log.reopen().unwrap();
        tracing::info!("after");
    });
    drop(writing);
    let [old, new] = [&moved, &file].map(|path| std::fs::read_to_string(path).unwrap());
    assert!(
        new.contains("after") && !old.contains("after"),
        "{old}{new}"
    );
    assert_eq!((old + &new).lines().count(), 3);
}

#[test]
fn a_file_that_cannot_be_opened_is_told_by_name() {
    let settings = LogSettings {
        file: Some("/nowhere/log".into()),
        ..settings(LogFormat::Text, "info")
    };
    let metrics = Arc::new(Metrics::new("test"));
    let error = start(&settings, &metrics).unwrap_err().to_string();
    assert!(
        error.starts_with("/nowhere/log: cannot be opened"),
        "{error}"
    );
}
