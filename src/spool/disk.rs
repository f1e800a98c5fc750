//! How full a file system is.

/// What is in use of a file system and what may still be taken, in bytes, as `df` counts it: of what the system keeps
/// for itself, nothing is in use and nothing is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    used: u64,
    available: u64,
}

impl Disk {
    /// From the numbers that the system gives: blocks in all, free ones, and those that we may take.
    pub fn new(block_size: u64, (blocks, free, available): (u64, u64, u64)) -> Self {
        Self {
            used: blocks.saturating_sub(free).saturating_mul(block_size),
            available: available.saturating_mul(block_size),
        }
    }

    /// Whether more than `share` percent are in use. One that does not tell is beyond nothing.
    pub fn is_beyond(self, share: u64) -> bool {
        u128::from(self.used) * 100 > self.usable() * u128::from(share)
    }

    /// How much is in use, rounded up: beyond a share exactly when this is more than the share.
    pub fn percent(self) -> u64 {
        let percent = (u128::from(self.used) * 100).div_ceil(self.usable().max(1));
        u64::try_from(percent).unwrap_or(100)
    }

    /// How many bytes may come until `share` percent are in use.
    pub fn room(self, share: u64) -> u64 {
        let allowed = self.usable() * u128::from(share) / 100;
        let room = allowed.saturating_sub(u128::from(self.used));
        u64::try_from(room).unwrap_or(u64::MAX)
    }

    fn usable(self) -> u128 {
        u128::from(self.used) + u128::from(self.available)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_disk_is_as_full_as_df_says() {
        let reserved = Disk::new(1, (1000, 500, 400));
        assert!(reserved.is_beyond(55), "500 of 900 are 56 %");
        assert!(!reserved.is_beyond(56));
        assert_eq!(reserved.percent(), 56);
        assert!(
            !Disk::new(1, (1000, 0, 0)).is_beyond(100),
            "never beyond all"
        );
        assert!(Disk::new(1, (1000, 999, 999)).is_beyond(0));
        assert!(
            !Disk::new(1, (0, 0, 0)).is_beyond(0),
            "one that does not tell"
        );
        assert!(Disk::new(1, (u64::MAX, 1, 1)).is_beyond(85));
    }

    #[test]
    fn what_the_system_keeps_for_itself_is_no_room() {
        let reserved = Disk::new(4096, (1000, 500, 400));
        assert_eq!(reserved.room(100), 400 * 4096);
        assert_eq!(reserved.room(56), 4 * 4096);
        assert_eq!(reserved.room(50), 0);
    }

    proptest! {
        #[test]
        fn percent_and_room_agree_with_what_is_beyond(
            blocks in 0_u64..5000, free in 0_u64..5000, available in 0_u64..5000, share in 0_u64..=100,
        ) {
            let disk = Disk::new(512, (blocks, free, available));
            prop_assert_eq!(disk.is_beyond(share), disk.percent() > share);
            if disk.is_beyond(share) {
                prop_assert_eq!(disk.room(share), 0);
            }
        }
    }
}
