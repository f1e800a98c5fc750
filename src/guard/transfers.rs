//! What runs at one time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::who::Mark;

/// Transfers under way, by mark. Its bound is that of the requests under way.
#[derive(Debug, Clone, Default)]
pub struct Transfers(Arc<Mutex<HashMap<Mark, u32>>>);

/// A place among the transfers of some marks, until it is dropped.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Ticket {
    marks: Vec<Mark>,
    all: Transfers,
}

impl Transfers {
    /// A place below each of the limits; `None` when one of them is reached.
    pub fn enter(&self, limits: &[(Mark, u32)]) -> Option<Ticket> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full =
            |(mark, limit): &(Mark, u32)| counts.get(mark).is_some_and(|count| count >= limit);
        if limits.iter().any(full) {
            return None;
        }
        Some(self.take(&mut counts, limits))
    }

    /// A place beyond the limits, for what must not be refused.
    pub fn enter_anyway(&self, limits: &[(Mark, u32)]) -> Ticket {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.take(&mut counts, limits)
    }

    /// How many run for a mark.
    pub fn running(&self, mark: Mark) -> u32 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&mark).copied().unwrap_or_default()
    }

    fn take(&self, counts: &mut HashMap<Mark, u32>, limits: &[(Mark, u32)]) -> Ticket {
        let marks: Vec<Mark> = limits.iter().map(|(mark, _)| *mark).collect();
        for mark in &marks {
            *counts.entry(*mark).or_default() += 1;
        }
        let all = self.clone();
        Ticket { marks, all }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        for mark in &self.marks {
            if let Some(count) = counts.get_mut(mark) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    counts.remove(mark);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::who::tests::tried;
    use super::*;

    #[test]
    fn a_place_is_taken_below_every_limit_or_not_at_all() {
        let one = tried("a", "b", "192.0.2.1");
        let all = Transfers::default();
        let limits = [(one.client, 2), (one.account, 1)];
        let first = all.enter(&limits).unwrap();
        assert!(all.enter(&limits).is_none());
        assert_eq!(all.running(one.client), 1);
        let second = all.enter(&[(one.client, 2)]).unwrap();
        drop(first);
        assert_eq!((all.running(one.client), all.running(one.account)), (1, 0));
        let third = all.enter(&limits).unwrap();
        let beyond = all.enter_anyway(&limits);
        assert_eq!((all.running(one.client), all.running(one.account)), (3, 2));
        drop((second, third, beyond));
        assert!(all.0.lock().unwrap().is_empty());
    }
}
