//! A bounded table whose entries live for as long as they are used.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Entries that were used within a lifetime, at most so many; the least used go first.
///
/// Two halves take the place of a list of uses: what is used moves to the young half, and when that
/// is full the old one is dropped. So every step costs the same, however large the table is.
#[derive(Debug)]
pub(super) struct Sliding<K, V> {
    lifetime: Duration,
    half: usize,
    young: HashMap<K, Entry<V>>,
    old: HashMap<K, Entry<V>>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    used: Instant,
}

impl<K: Eq + Hash + Copy, V: Clone> Sliding<K, V> {
    pub(super) fn new(lifetime: Duration, capacity: usize) -> Self {
        Self {
            lifetime,
            half: (capacity / 2).max(1),
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// The value, if it was used lately; this is a use.
    pub(super) fn find(&mut self, key: K, now: Instant) -> Option<V> {
        let value = self.take(key, now)?;
        self.insert(key, value.clone(), now);
        Some(value)
    }

    /// Keeps a value, and gives the one that was there.
    pub(super) fn note(&mut self, key: K, value: V, now: Instant) -> Option<V> {
        let before = self.take(key, now);
        self.insert(key, value, now);
        before
    }

    /// Drops an entry, and gives it if it was still good.
    pub(super) fn take(&mut self, key: K, now: Instant) -> Option<V> {
        let young = self.young.remove(&key);
        let entry = self.old.remove(&key).or(young)?;
        let fresh = now.saturating_duration_since(entry.used) < self.lifetime;
        fresh.then_some(entry.value)
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn insert(&mut self, key: K, value: V, now: Instant) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, Entry { value, used: now });
        debug_assert!(self.young.len() <= self.half && self.old.len() <= self.half);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some moment to start from"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_use_prolongs_and_disuse_ends() {
        let (mut table, now) = (Sliding::new(HOUR, 10), start());
        table.note(1, 'a', now);
        let almost = now + Duration::from_mins(59);
        assert_eq!(table.find(1, almost), Some('a'));
        assert_eq!(table.find(1, now + HOUR), Some('a'));
        assert_eq!(table.find(1, now + HOUR * 2), None);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_flood_pushes_out_what_nobody_uses() {
        let (mut table, now) = (Sliding::new(HOUR, 1000), start());
        table.note(0, 'a', now);
        table.note(1, 'b', now);
        for key in 2..100_000 {
            table.note(key, 'c', now);
            if key % 100 == 0 {
                assert_eq!(table.find(0, now), Some('a'), "{key}");
            }
        }
        assert_eq!(table.find(1, now), None);
        assert!(table.len() <= 1000);
    }

    proptest! {
        #[test]
        fn what_is_found_was_noted_last_and_used_lately(
            steps in vec((0..1800_u64, 0..6_u8, 0..4_u8), 1..200),
        ) {
            let mut table = Sliding::new(HOUR, 8);
            let mut now = start();
            let mut model: HashMap<u8, (u8, Instant)> = HashMap::new();
            for (seconds, key, step) in steps {
                now += Duration::from_secs(seconds);
                if step == 0 {
                    let (found, known) = (table.find(key, now), model.get(&key).copied());
                    if let Some(found) = found {
                        let (value, used) = known.unwrap();
                        prop_assert_eq!(found, value);
                        prop_assert!(now.duration_since(used) < HOUR);
                        model.insert(key, (value, now));
                    }
                } else {
                    table.note(key, step, now);
                    model.insert(key, (step, now));
                }
                prop_assert!(table.len() <= 8);
            }
        }
    }
}
