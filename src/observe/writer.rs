//! The thread that writes lines, and the bounded queue before it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::metrics::Metrics;

/// Where finished lines are handed in. Never blocks: what finds the queue full is dropped and
/// counted.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    sender: SyncSender<Message>,
    metrics: Arc<Metrics>,
}

impl Lines {
    /// Hands in one line with its line end.
    pub(super) fn put(&self, line: Vec<u8>) {
        match self.sender.try_send(Message::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.metrics.log_dropped();
            }
        }
    }
}

/// Every call is one line: that is how the formatting layer writes.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the writer going. When this is dropped, all lines handed in before are written, unless the
/// other end takes none for some seconds.
#[derive(Debug)]
#[must_use = "lines are lost when this is dropped before the end"]
pub struct Writing {
    sender: SyncSender<Message>,
    done: Receiver<()>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        for _ in 0..STOP_TRIES {
            match self.sender.try_send(Message::Stop) {
                Ok(()) => break,
                Err(TrySendError::Full(_)) => thread::sleep(STOP_PAUSE),
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
        // A time-out means that nobody reads: the rest is lost, and the process ends all the same.
        let _ = self.done.recv_timeout(STOP_PATIENCE);
    }
}

/// A file that the writer goes on with from its next line. It is no message, because a full queue must not keep
/// it from the writer.
#[derive(Debug, Clone, Default)]
pub(super) struct Next(Arc<Mutex<Option<File>>>);

impl Next {
    /// Hands in a file; one that was handed in before and not yet taken is closed unused.
    pub(super) fn put(&self, file: File) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    fn take(&self) -> Option<File> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Starts the thread, with room for so many waiting lines.
pub(super) fn start(
    queue: usize,
    metrics: Arc<Metrics>,
    out: Box<dyn Write + Send>,
    next: Next,
) -> io::Result<(Lines, Writing)> {
    let (sender, receiver) = sync_channel(queue.max(1));
    let (finished, done) = sync_channel(1);
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || {
            let rest = if queue < ROOMY { Duration::ZERO } else { REST };
            write_all(&receiver, out, &next, rest);
            let _ = finished.try_send(());
        })?;
    Ok((
        Lines {
            sender: sender.clone(),
            metrics,
        },
        Writing { sender, done },
    ))
}

enum Message {
    Line(Vec<u8>),
    Stop,
}

/// Writes until told to stop; flushes whenever nothing waits. A failing output is ignored: there is
/// no other place to say so.
///
/// Whoever hands in a line while the thread waits for one has to wake it, which costs more than all the rest of a
/// small request's record. So it waits only after a rest in which lines gather.
fn write_all(
    receiver: &Receiver<Message>,
    out: Box<dyn Write + Send>,
    next: &Next,
    rest: Duration,
) {
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let mut rested = true;
    loop {
        let message = match receiver.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {
                let _ = out.flush();
                if !rested {
                    thread::sleep(rest);
                    rested = true;
                    continue;
                }
                match receiver.recv() {
                    Ok(message) => message,
                    Err(_) => break,
                }
            }
        };
        rested = false;
        if let Some(file) = next.take() {
            let _ = out.flush();
            out = BufWriter::with_capacity(BUFFER, Box::new(file));
        }
        match message {
            Message::Line(line) => drop(out.write_all(&line)),
            Message::Stop => break,
        }
    }
    let _ = out.flush();
}

/// Some dozens of lines in one call to the kernel when many wait.
const BUFFER: usize = 64 * 1024;
/// Lines that come within it are written together; nobody who reads along notices.
const REST: Duration = Duration::from_millis(5);
/// A queue that no rest fills: so many lines in five milliseconds are more than one machine answers.
const ROOMY: usize = 1024;
const STOP_TRIES: usize = 100;
const STOP_PAUSE: Duration = Duration::from_millis(10);
const STOP_PATIENCE: Duration = Duration::from_secs(2);
