//! Equal requests for a token that come at one time share one answer.
//!
//! A build that starts a thousand jobs asks a thousand times for the same token with the same password, and each
//! request costs a node a look into its directory. The first one leads: it goes to a node, and whoever asks the
//! same meanwhile, or within a few seconds, gets its answer. If it fails the others go themselves.
//!
//! Answers are kept in memory, never longer than they allow, and only those that grant a token.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use super::who::Mark;

/// Answers that are shared, and those that are awaited.
#[derive(Debug, Default)]
pub struct Sharing(Arc<Mutex<HashMap<Mark, Entry>>>);

/// The body of an answer that grants a token. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Granted {
    pub body: Bytes,
    /// As the node declared it.
    pub media_type: String,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Granted")
    }
}

#[derive(Debug)]
enum Entry {
    Awaited(watch::Receiver<Option<Granted>>),
    Granted(Granted, Instant),
}

/// What a request for a token is to do.
#[derive(Debug)]
pub enum Part {
    /// Ask a node, and tell the others.
    Lead(Lead),
    /// Take this answer.
    Take(Granted),
    /// Ask a node, for nobody else.
    Alone,
}

/// The duty to tell others what a node said. Dropping it tells them to ask themselves.
#[derive(Debug)]
pub struct Lead {
    mark: Mark,
    told: watch::Sender<Option<Granted>>,
    all: Arc<Mutex<HashMap<Mark, Entry>>>,
}

impl Sharing {
    /// Joins those who ask for the same. Waits for whoever leads, but no longer than `patience`.
    pub async fn join(&self, mark: Mark, now: Instant, patience: Duration) -> Part {
        let mut awaited = match self.look(mark, now) {
            Ok(part) => return part,
            Err(awaited) => awaited,
        };
        let told = awaited.wait_for(Option::is_some);
        match tokio::time::timeout(patience, told).await {
            Ok(Ok(granted)) => granted.clone().map_or(Part::Alone, Part::Take),
            // The leader failed, or takes too long.
            Ok(Err(_)) | Err(_) => Part::Alone,
        }
    }

    fn look(&self, mark: Mark, now: Instant) -> Result<Part, watch::Receiver<Option<Granted>>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(&mark) {
            Some(Entry::Granted(granted, until)) if now < *until => {
                return Ok(Part::Take(granted.clone()));
            }
            Some(Entry::Awaited(awaited)) => return Err(awaited.clone()),
            Some(Entry::Granted(..)) | None => {}
        }
        if all.len() >= ENTRIES {
            all.retain(|_, entry| match entry {
                Entry::Awaited(_) => true,
                Entry::Granted(_, until) => now < *until,
            });
        }
        if all.len() >= ENTRIES {
            return Ok(Part::Alone);
        }
        let (told, awaited) = watch::channel(None);
        all.insert(mark, Entry::Awaited(awaited));
        Ok(Part::Lead(Lead {
            mark,
            told,
            all: Arc::clone(&self.0),
        }))
    }

    /// Forgets what may not be given any more.
    pub fn sweep(&self, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, entry| match entry {
            Entry::Awaited(_) => true,
            Entry::Granted(_, until) => now < *until,
        });
    }
}

impl Lead {
    /// Gives the answer to all who wait, and until then to all who ask.
    pub fn tell(self, granted: Granted, until: Instant) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(self.mark, Entry::Granted(granted.clone(), until));
        drop(all);
        self.told.send_replace(Some(granted));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Entry::Awaited(_)) = all.get(&self.mark) {
            all.remove(&self.mark);
        }
    }
}

/// How long an answer is shared that says for how many seconds its token is good. The client must have nearly all
/// of that time left.
pub fn shared_for(seconds: u64) -> Duration {
    Duration::from_secs(seconds / 10).min(LONGEST)
}

/// Long enough for jobs that start together; short enough that a revoked account gets no tokens by this.
const LONGEST: Duration = Duration::from_secs(5);
/// Tokens have a few kilobytes.
const ENTRIES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::super::who::tests::anonymizer;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn mark(name: &str) -> Mark {
        anonymizer().secret(&[name.as_bytes()])
    }

    fn granted(text: &'static str) -> Granted {
        Granted {
            body: Bytes::from_static(text.as_bytes()),
            media_type: "application/json".to_owned(),
        }
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    async fn lead(sharing: &Sharing, name: &str) -> Lead {
        match sharing.join(mark(name), now(), PATIENCE).await {
            Part::Lead(lead) => lead,
            other => panic!("{other:?}"),
        }
    }

    fn taken(part: Part) -> Option<Granted> {
        match part {
            Part::Take(granted) => Some(granted),
            Part::Lead(_) | Part::Alone => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_leads_and_the_others_take_its_answer() {
        let sharing = Arc::new(Sharing::default());
        let first = lead(&sharing, "a").await;
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let sharing = Arc::clone(&sharing);
                tokio::spawn(async move { sharing.join(mark("a"), now(), PATIENCE).await })
            })
            .collect();
        tokio::task::yield_now().await;
        first.tell(granted("token"), now() + Duration::from_secs(2));
        for one in waiting {
            assert_eq!(taken(one.await.unwrap()), Some(granted("token")));
        }
        let late = sharing.join(mark("a"), now(), PATIENCE).await;
        assert_eq!(taken(late), Some(granted("token")));
        let other = sharing.join(mark("b"), now(), PATIENCE).await;
        assert!(matches!(other, Part::Lead(_)));
        tokio::time::advance(Duration::from_secs(2)).await;
        let after = sharing.join(mark("a"), now(), PATIENCE).await;
        assert!(matches!(after, Part::Lead(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_goes_alone_when_the_leader_fails_or_hangs() {
        let sharing = Arc::new(Sharing::default());
        let first = lead(&sharing, "a").await;
        let follower = {
            let sharing = Arc::clone(&sharing);
            tokio::spawn(async move { sharing.join(mark("a"), now(), PATIENCE).await })
        };
        tokio::task::yield_now().await;
        drop(first);
        assert!(matches!(follower.await.unwrap(), Part::Alone));
        let second = lead(&sharing, "a").await;
        let begin = now();
        let part = sharing.join(mark("a"), begin, PATIENCE).await;
        assert!(matches!(part, Part::Alone));
        assert_eq!(now() - begin, PATIENCE);
        drop(second);
        assert!(sharing.0.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_a_bound_and_what_is_over_is_forgotten() {
        let sharing = Sharing::default();
        for number in 0..ENTRIES {
            let first = lead(&sharing, &number.to_string()).await;
            first.tell(granted("token"), now() + Duration::from_secs(1));
        }
        let more = sharing.join(mark("more"), now(), PATIENCE).await;
        assert!(matches!(more, Part::Alone));
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(lead(&sharing, "more").await);
        sharing.sweep(now());
        assert!(sharing.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_token_is_shared_for_a_few_seconds_at_most() {
        assert_eq!(shared_for(1_800), Duration::from_secs(5));
        assert_eq!(shared_for(30), Duration::from_secs(3));
        assert_eq!(shared_for(5), Duration::ZERO);
    }
}
