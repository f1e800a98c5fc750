//! A table with a bound that forgets what was not touched for the longest time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::who::Mark;

/// Values by mark, at most so many.
///
/// Each part has two generations: what is touched moves to the young one, and when that is full the old one is
/// forgotten. So a mark that is touched often stays, and a flood of new ones drives out only what rests.
#[derive(Debug)]
pub(super) struct Table<T> {
    parts: [Mutex<Part<T>>; PARTS],
    /// Entries of one generation of one part.
    bound: usize,
}

#[derive(Debug)]
struct Part<T> {
    young: HashMap<Mark, T>,
    old: HashMap<Mark, T>,
}

impl<T> Table<T> {
    /// A table for about this many entries, and never more.
    pub(super) fn new(entries: usize) -> Self {
        let part = |_| {
            Mutex::new(Part {
                young: HashMap::new(),
                old: HashMap::new(),
            })
        };
        Self {
            parts: std::array::from_fn(part),
            bound: (entries / PARTS / 2).max(1),
        }
    }

    /// Works on the entry of a mark, which is made when there is none.
    pub(super) fn change<R>(&self, mark: Mark, work: impl FnOnce(&mut T) -> R) -> R
    where
        T: Default,
    {
        self.part(mark, |part| {
            if !part.young.contains_key(&mark) {
                let entry = part.old.remove(&mark).unwrap_or_default();
                if part.young.len() >= self.bound {
                    part.old = std::mem::take(&mut part.young);
                }
                part.young.insert(mark, entry);
            }
            work(part.young.entry(mark).or_default())
        })
    }

    /// Looks at the entry of a mark, if there is one, without touching it.
    pub(super) fn look<R>(&self, mark: Mark, work: impl FnOnce(&T) -> R) -> Option<R> {
        self.part(mark, |part| {
            let entry = part.young.get(&mark).or_else(|| part.old.get(&mark));
            entry.map(work)
        })
    }

    fn part<R>(&self, mark: Mark, work: impl FnOnce(&mut Part<T>) -> R) -> R {
        let [index, ..] = mark.bits().to_le_bytes();
        let part = self.parts.get(usize::from(index) % PARTS);
        let part = part.expect("the index is taken modulo the number of parts");
        work(&mut part.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Enough that the threads of one machine rarely meet.
const PARTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::who::tests::anonymizer;
    use super::*;

    fn mark(number: u32) -> Mark {
        anonymizer().secret(&[&number.to_be_bytes()])
    }

    fn size(table: &Table<u32>) -> usize {
        let parts = table.parts.iter().map(|part| part.lock().unwrap());
        parts.map(|part| part.young.len() + part.old.len()).sum()
    }

    #[test]
    fn an_entry_is_made_kept_and_looked_at() {
        let table = Table::<u32>::new(100);
        assert_eq!(table.look(mark(1), |entry| *entry), None);
        table.change(mark(1), |entry| *entry += 5);
        table.change(mark(1), |entry| *entry += 5);
        assert_eq!(table.look(mark(1), |entry| *entry), Some(10));
        assert_eq!(table.look(mark(2), |entry| *entry), None);
    }

    #[test]
    fn a_flood_drives_out_what_rests_and_never_what_is_touched() {
        let table = Table::<u32>::new(320);
        table.change(mark(0), |entry| *entry = 7);
        table.change(mark(1), |entry| *entry = 8);
        for number in 2..10_000 {
            table.change(mark(number), |entry| *entry = number);
            table.change(mark(0), |entry| *entry = 7);
            assert!(size(&table) <= 320);
        }
        assert_eq!(table.look(mark(0), |entry| *entry), Some(7));
        assert_eq!(table.look(mark(1), |entry| *entry), None);
    }
}
