//! What all simulations are made of: draws, blobs, and bodies cut into pieces.

use std::ops::Range;
use std::sync::LazyLock;

/// All chance of a run.
#[derive(Debug)]
pub(crate) struct Chance(fastrand::Rng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn number(&mut self, range: Range<u64>) -> u64 {
        self.0.u64(range)
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.0.u64(0..100) < percent
    }

    /// One of these, each as likely as its weight says.
    pub(crate) fn weighted<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let sum = choices.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.0.u64(0..sum);
        for (weight, choice) in choices {
            match drawn.checked_sub(*weight) {
                Some(rest) => drawn = rest,
                None => return *choice,
            }
        }
        unreachable!("what is drawn lies below the sum")
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }

    /// A size as blobs have them here: often tiny, often at an edge.
    pub(crate) fn size(&mut self) -> u64 {
        let most = self.weighted(&[(2, 3), (4, 100), (3, 5_000), (1, LARGEST)]);
        self.0.u64(0..=most)
    }

    /// A position below a length, often the first or the last.
    pub(crate) fn position(&mut self, length: u64) -> u64 {
        let last = length.saturating_sub(1);
        let drawn = self.0.u64(0..=last);
        self.weighted(&[(2, 0), (1, last.min(1)), (2, last), (6, drawn)])
    }

    /// Cuts a body into pieces as a connection would.
    pub(crate) fn pieces(&mut self, body: &'static [u8]) -> Vec<&'static [u8]> {
        let most = self.weighted(&[(1, body.len() / 100 + 3), (2, 4_096), (2, 65_536)]);
        let mut pieces = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            let length = self.0.usize(1..=most.min(rest.len()));
            let (piece, after) = rest.split_at(length);
            pieces.push(piece);
            rest = after;
        }
        pieces
    }
}

/// Content with a name. Two blobs of different names differ nearly everywhere, whatever their sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) name: u64,
    pub(crate) size: u64,
}

impl Blob {
    pub(crate) fn digest(self) -> String {
        format!("sha256:{:064x}", self.name)
    }

    /// Bytes of it. Beyond its size comes what nobody ordered.
    pub(crate) fn bytes(self, range: Range<u64>) -> &'static [u8] {
        let start = self.name * 4_099 % LARGEST;
        let place = |offset: u64| usize::try_from(start + offset).unwrap();
        &NOISE[place(range.start)..place(range.end)]
    }
}

pub(crate) const LARGEST: u64 = 200_000;

static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut noise = vec![0; usize::try_from(LARGEST).unwrap() * 3];
    fastrand::Rng::with_seed(1).fill(&mut noise);
    noise
});
