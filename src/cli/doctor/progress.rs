//! What is being done now, for the person who waits.

use std::io::{IsTerminal as _, Write as _};

/// One line that is written over and over, on a terminal only.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            shown: std::io::stderr().is_terminal(),
        }
    }

    /// Says what is done now.
    pub(super) fn now(&self, what: &str) {
        if self.shown {
            let mut out = std::io::stderr().lock();
            drop(write!(out, "\r\x1b[K{what} ...").and_then(|()| out.flush()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let mut out = std::io::stderr().lock();
            drop(write!(out, "\r\x1b[K").and_then(|()| out.flush()));
        }
    }
}
