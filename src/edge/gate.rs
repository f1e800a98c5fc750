//! Where requests wait for a node: briefly, in bounded number, and woken when something changes.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// The waiting room of all requests.
#[derive(Debug, Default)]
pub struct Gate {
    changed: Notify,
    waiting: AtomicUsize,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// Something changed: look again.
    Changed,
    /// The time is over.
    Expired,
    /// Too many wait already.
    Full,
}

/// A place in the waiting room, given back also when the request is dropped while it waits.
struct Seat<'a>(&'a AtomicUsize);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Gate {
    /// Waits until a node may have become usable, at most until `deadline`, if fewer than `limit` wait.
    ///
    /// What changed just before the wait can be missed: whoever waits looks again from time to time.
    pub async fn wait(&self, deadline: Instant, limit: usize) -> Waited {
        let add = |waiting: usize| (waiting < limit).then_some(waiting + 1);
        if self
            .waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, add)
            .is_err()
        {
            return Waited::Full;
        }
        let _seat = Seat(&self.waiting);
        match timeout_at(deadline, self.changed.notified()).await {
            Ok(()) => Waited::Changed,
            Err(_) => Waited::Expired,
        }
    }

    /// Wakes everybody who waits: a request ended, or a node's health changed.
    pub fn wake(&self) {
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.changed.notify_waiters();
        }
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_when_something_changes() {
        let gate = Arc::new(Gate::default());
        let until = Instant::now() + Duration::from_secs(30);
        let waiter = Arc::clone(&gate);
        let waiting = tokio::spawn(async move { waiter.wait(until, 1).await });
        while gate.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        gate.wake();
        assert_eq!(waiting.await.unwrap(), Waited::Changed);
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_has_an_end() {
        let gate = Gate::default();
        let until = Instant::now() + Duration::from_secs(30);
        assert_eq!(gate.wait(until, 1).await, Waited::Expired);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_may_wait() {
        let gate = Gate::default();
        let until = Instant::now() + Duration::from_secs(1);
        let first = gate.wait(until, 1);
        tokio::pin!(first);
        assert!(futures_poll_once(first.as_mut()).await.is_none());
        assert_eq!(gate.wait(until, 1).await, Waited::Full);
        assert_eq!(first.await, Waited::Expired);
    }

    async fn futures_poll_once<F: Future + Unpin>(future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = std::future::ready(()) => None,
        }
    }
}
