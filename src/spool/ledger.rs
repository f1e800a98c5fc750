//! How much is kept, and how much more may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes that all uploads keep.
#[derive(Debug)]
pub struct Ledger {
    each: u64,
    total: u64,
    used: AtomicU64,
}

/// Why an upload is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// It is larger than one upload may be.
    Upload,
    /// All uploads together are too large.
    Total,
    /// The file system is nearly full.
    Disk,
    /// The file cannot be written or read.
    Failed,
}

impl Full {
    /// The label for metrics and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload_limit",
            Self::Total => "total_limit",
            Self::Disk => "disk_share",
            Self::Failed => "disk_failed",
        }
    }
}

/// The part of one upload; dropping it gives everything back.
#[derive(Debug)]
pub struct Account {
    ledger: Arc<Ledger>,
    taken: u64,
}

impl Ledger {
    /// A ledger with a limit for each upload and one for all, in bytes.
    pub fn new(each: u64, total: u64) -> Self {
        Self {
            each,
            total,
            used: AtomicU64::new(0),
        }
    }

    /// Bytes that are kept now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// Opens the account of one upload.
    pub fn open(self: &Arc<Self>) -> Account {
        Account {
            ledger: Arc::clone(self),
            taken: 0,
        }
    }
}

impl Account {
    /// Whether `size` more bytes could be booked now.
    pub fn has_room(&self, size: u64) -> Result<(), Full> {
        let fits = |taken: u64, limit: u64| taken.checked_add(size).is_some_and(|sum| sum <= limit);
        if !fits(self.taken, self.ledger.each) {
            Err(Full::Upload)
        } else if !fits(self.ledger.used(), self.ledger.total) {
            Err(Full::Total)
        } else {
            Ok(())
        }
    }

    /// Books `size` more bytes, all or none.
    pub fn take(&mut self, size: u64) -> Result<(), Full> {
        let taken = self.taken.checked_add(size).ok_or(Full::Upload)?;
        if taken > self.ledger.each {
            return Err(Full::Upload);
        }
        let limit = self.ledger.total;
        let add = |used: u64| used.checked_add(size).filter(|sum| *sum <= limit);
        let used = &self.ledger.used;
        used.fetch_update(Ordering::AcqRel, Ordering::Acquire, add)
            .map_err(|_| Full::Total)?;
        self.taken = taken;
        Ok(())
    }

    /// Gives `size` bytes back.
    pub fn give_back(&mut self, size: u64) {
        let size = size.min(self.taken);
        self.taken -= size;
        self.ledger.used.fetch_sub(size, Ordering::AcqRel);
    }

    /// Bytes of this upload.
    pub fn taken(&self) -> u64 {
        self.taken
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.ledger.used.fetch_sub(self.taken, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_upload_cannot_keep_more_than_its_limit() {
        let ledger = Arc::new(Ledger::new(10, 100));
        let mut account = ledger.open();
        assert_eq!(account.take(8), Ok(()));
        assert_eq!(account.take(3), Err(Full::Upload));
        assert_eq!(account.take(2), Ok(()));
        assert_eq!(account.take(u64::MAX), Err(Full::Upload));
        assert_eq!((account.taken(), ledger.used()), (10, 10));
    }

    #[test]
    fn all_uploads_share_one_limit() {
        let ledger = Arc::new(Ledger::new(10, 15));
        let (mut first, mut second) = (ledger.open(), ledger.open());
        assert_eq!(first.take(10), Ok(()));
        assert_eq!(first.has_room(1), Err(Full::Upload));
        assert_eq!(
            (second.has_room(5), second.has_room(6)),
            (Ok(()), Err(Full::Total))
        );
        assert_eq!(second.take(6), Err(Full::Total));
        drop(first);
        assert_eq!(second.take(6), Ok(()));
    }

    proptest! {
        #[test]
        fn the_ledger_sums_what_its_accounts_hold(steps in prop::collection::vec((0_usize..4, 0_u64..40), 0..60)) {
            let ledger = Arc::new(Ledger::new(64, 150));
            let mut accounts: Vec<Option<Account>> = (0..4).map(|_| Some(ledger.open())).collect();
            for (index, size) in steps {
                match &mut accounts[index] {
                    Some(account) if size > 0 => drop(account.take(size)),
                    slot => *slot = Some(ledger.open()),
                }
                let sum: u64 = accounts.iter().flatten().map(Account::taken).sum();
                prop_assert_eq!(sum, ledger.used());
                prop_assert!(sum <= 150);
            }
            drop(accounts);
            prop_assert_eq!(ledger.used(), 0);
        }
    }
}
