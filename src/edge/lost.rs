//! The time that lost nodes cost a request.

use std::time::{Duration, Instant};

/// Adds up how long a transfer stood still because a node was lost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LostTime {
    before: Duration,
    /// When the loss that was met last began.
    since: Option<Instant>,
    /// When the transfer was where it had been.
    until: Option<Instant>,
}

impl LostTime {
    /// A node is lost that did nothing more since `at`. Several that are lost one after the other are one loss.
    pub(super) fn begins(&mut self, at: Instant) {
        if self.until.is_some() || self.since.is_none() {
            self.before = self.total();
            self.since = Some(at);
            self.until = None;
        }
    }

    /// When the loss began that is not made up for yet.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since.filter(|_| self.until.is_none())
    }

    /// Another node has made up for more of it.
    pub(super) fn goes_on(&mut self, now: Instant) {
        self.until = self.since.map(|_| now);
    }

    /// An answer begins: nothing is missing any more, if anything was.
    pub(super) fn settles(&mut self, now: Instant) {
        if self.until.is_none() {
            self.goes_on(now);
        }
    }

    /// All of it, as far as it was made up for.
    pub(super) fn total(&self) -> Duration {
        let last = self.since.zip(self.until);
        let last = last.map(|(since, until)| until.saturating_duration_since(since));
        self.before + last.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_lost_from_the_loss_until_another_node_is_as_far() {
        let begin = tokio::time::Instant::now().into_std();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut lost = LostTime::default();
        lost.settles(at(1));
        assert_eq!(lost.total(), Duration::ZERO, "nothing was lost");
        lost.begins(at(10));
        lost.begins(at(12));
        assert_eq!(lost.since(), Some(at(10)));
        assert_eq!(lost.total(), Duration::ZERO, "not made up for yet");
        lost.goes_on(at(13));
        lost.goes_on(at(15));
        assert_eq!(lost.since(), None);
        assert_eq!(lost.total(), Duration::from_secs(5));
        lost.settles(at(90));
        assert_eq!(lost.total(), Duration::from_secs(5), "it ran in between");
        lost.begins(at(100));
        lost.settles(at(102));
        assert_eq!(lost.total(), Duration::from_secs(7));
    }
}
