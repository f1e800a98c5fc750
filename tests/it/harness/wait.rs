//! Waiting without sleeping blindly: look, and look again, until a deadline.

use std::time::Duration;

use tokio::time::Instant;

/// What most things on a busy machine with two cores need at most. Nothing takes that long unless it never comes.
pub const SOON: Duration = Duration::from_mins(1);

/// Asks `look` again and again until it finds something. Panics with `what` when the time is over.
pub async fn until<T>(what: &str, within: Duration, look: impl AsyncFnMut() -> Option<T>) -> T {
    match found(within, look).await {
        Some(found) => found,
        None => panic!("not within {within:?}: {what}"),
    }
}

/// The same, but `None` when the time is over.
pub async fn found<T>(within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    let mut pause = Duration::from_millis(2);
    loop {
        // The last look begins after the deadline: a machine that stood still meanwhile has not used it up.
        let last = Instant::now() >= deadline;
        if let Some(found) = look().await {
            return Some(found);
        }
        if last {
            return None;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
