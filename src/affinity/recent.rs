//! Who wrote what just now.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::fleet::node::NodeId;
use crate::registry::name::RepositoryName;

/// A bounded table of recent writes: which node took a digest or a tag of a repository.
///
/// It only says where to ask first. An entry may be gone at any time, and one that is wrong costs
/// no more than a less fitting node.
#[derive(Debug)]
pub struct Recent {
    lifetime: Duration,
    /// Entries in each shard.
    capacity: usize,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<u128, Entry>,
    /// In the order in which they were noted, the oldest first. A write that was noted again leaves
    /// its earlier mark behind, which then means nothing.
    order: VecDeque<Mark>,
    /// Notes so far: tells apart what was noted at the same moment.
    serial: u64,
}

#[derive(Debug)]
struct Entry {
    node: NodeId,
    noted: Instant,
    serial: u64,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    key: u128,
    noted: Instant,
    serial: u64,
}

impl Recent {
    /// A table for some 65,000 writes, each remembered for `lifetime`.
    pub fn new(lifetime: Duration) -> Self {
        Self::with_capacity(lifetime, ENTRIES)
    }

    /// Remembers that `node` took `reference` (a digest or a tag). The last one to do so counts.
    pub fn note(&self, repository: &RepositoryName, reference: &str, node: &NodeId, now: Instant) {
        let key = key(repository, reference);
        self.with(key, |shard| {
            shard.serial = shard.serial.wrapping_add(1);
            let serial = shard.serial;
            shard.entries.insert(
                key,
                Entry {
                    node: node.clone(),
                    noted: now,
                    serial,
                },
            );
            shard.order.push_back(Mark {
                key,
                noted: now,
                serial,
            });
            shard.shrink(self.capacity, self.lifetime, now);
        });
    }

    /// The node that took `reference` within the lifetime.
    pub fn find(
        &self,
        repository: &RepositoryName,
        reference: &str,
        now: Instant,
    ) -> Option<NodeId> {
        let key = key(repository, reference);
        self.with(key, |shard| {
            let entry = shard.entries.get(&key)?;
            (now.duration_since(entry.noted) < self.lifetime).then(|| entry.node.clone())
        })
    }

    /// How long a write is remembered.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    fn with_capacity(lifetime: Duration, entries: usize) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self {
            lifetime,
            capacity: (entries / SHARDS).max(1),
            shards,
        }
    }

    fn with<T>(&self, key: u128, work: impl FnOnce(&mut Shard) -> T) -> T {
        let [index, ..] = key.to_le_bytes();
        let shard = self.shards.get(usize::from(index) % SHARDS);
        let shard = shard.expect("the index is taken modulo the number of shards");
        work(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    /// Drops what has expired and, beyond the capacity, what is oldest.
    fn shrink(&mut self, capacity: usize, lifetime: Duration, now: Instant) {
        while let Some(Mark { key, noted, serial }) = self.order.front().copied() {
            let is_expired = now.duration_since(noted) >= lifetime;
            if self.order.len() <= capacity && !is_expired {
                break;
            }
            self.order.pop_front();
            if self
                .entries
                .get(&key)
                .is_some_and(|entry| entry.serial == serial)
            {
                self.entries.remove(&key);
            }
        }
        debug_assert!(self.entries.len() <= self.order.len());
        debug_assert!(self.order.len() <= capacity);
    }
}

/// A hash in place of the names: long ones must not make the table large.
fn key(repository: &RepositoryName, reference: &str) -> u128 {
    xxh3_128_with_seed(
        reference.as_bytes(),
        xxh3_64(repository.as_str().as_bytes()),
    )
}

/// A push of some hundred layers each second for a minute.
const ENTRIES: usize = 65_536;
/// Enough that the threads of one machine rarely meet.
const SHARDS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some moment to start from"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    fn repository(name: &str) -> RepositoryName {
        RepositoryName::parse(name).unwrap()
    }

    fn node(name: &str) -> NodeId {
        NodeId::parse(name).unwrap()
    }

    fn size(recent: &Recent) -> (usize, usize) {
        let sizes = recent.shards.iter().map(|shard| {
            let shard = shard.lock().unwrap();
            (shard.entries.len(), shard.order.len())
        });
        sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
    }

    #[test]
    fn a_write_is_remembered_for_its_lifetime() {
        let (recent, now) = (Recent::new(MINUTE), start());
        let app = repository("lab/app");
        recent.note(&app, "sha256:aa", &node("a"), now);
        let almost = now + Duration::from_millis(59_999);
        assert_eq!(recent.find(&app, "sha256:aa", almost), Some(node("a")));
        assert_eq!(recent.find(&app, "sha256:aa", now + MINUTE), None);
    }

    #[test]
    fn repository_and_reference_both_count() {
        let (recent, now) = (Recent::new(MINUTE), start());
        recent.note(&repository("lab/app"), "latest", &node("a"), now);
        assert_eq!(recent.find(&repository("lab/app"), "v1", now), None);
        assert_eq!(recent.find(&repository("lab/app2"), "latest", now), None);
    }

    #[test]
    fn the_last_writer_counts_and_its_time_too() {
        let (recent, now) = (Recent::new(MINUTE), start());
        let app = repository("lab/app");
        recent.note(&app, "latest", &node("a"), now);
        let later = now + MINUTE / 2;
        recent.note(&app, "latest", &node("b"), later);
        for index in 0..1000 {
            recent.note(&app, &format!("tag-{index}"), &node("c"), now + MINUTE);
        }
        let soon = now + MINUTE + MINUTE / 4;
        assert_eq!(recent.find(&app, "latest", soon), Some(node("b")));
        assert_eq!(recent.find(&app, "latest", later + MINUTE), None);
    }

    #[test]
    fn a_flood_pushes_out_the_oldest_only() {
        let (recent, now) = (Recent::with_capacity(MINUTE, 1600), start());
        let app = repository("lab/app");
        for index in 0..100_000 {
            recent.note(&app, &format!("tag-{index}"), &node("a"), now);
        }
        assert!(size(&recent).0 <= 1600 && size(&recent).1 <= 1600);
        assert_eq!(recent.find(&app, "tag-0", now), None);
        for index in 99_500..100_000 {
            let found = recent.find(&app, &format!("tag-{index}"), now);
            assert_eq!(found, Some(node("a")), "{index}");
        }
    }

    #[test]
    fn what_has_expired_takes_no_room() {
        let (recent, now) = (Recent::new(MINUTE), start());
        let app = repository("lab/app");
        for (round, at) in [("old", now), ("new", now + MINUTE)] {
            for index in 0..1000 {
                recent.note(&app, &format!("{round}-{index}"), &node("a"), at);
            }
        }
        assert_eq!(size(&recent), (1000, 1000));
    }

    #[test]
    fn noting_the_same_again_and_again_takes_no_more_room() {
        let (recent, now) = (Recent::with_capacity(MINUTE, 160), start());
        let app = repository("lab/app");
        for _ in 0..10_000 {
            recent.note(&app, "latest", &node("a"), now);
        }
        assert_eq!(size(&recent), (1, 10));
        assert_eq!(recent.find(&app, "latest", now), Some(node("a")));
    }

    proptest! {
        #[test]
        fn what_is_found_was_noted_last_and_lately(
            steps in vec((0..20_u64, 0..6_u8, 0..3_u8), 1..200),
        ) {
            let recent = Recent::with_capacity(MINUTE, 32);
            let app = repository("lab/app");
            let mut now = start();
            let mut model: HashMap<u8, (u8, Instant)> = HashMap::new();
            for (seconds, reference, writer) in steps {
                now += Duration::from_secs(seconds);
                recent.note(&app, &reference.to_string(), &node(&writer.to_string()), now);
                model.insert(reference, (writer, now));
                for (reference, (writer, noted)) in &model {
                    let found = recent.find(&app, &reference.to_string(), now);
                    let is_late = now.duration_since(*noted) >= MINUTE;
                    prop_assert!(found.is_none() || !is_late);
                    if let Some(found) = found {
                        prop_assert_eq!(found, node(&writer.to_string()));
                    }
                }
            }
        }
    }
}
