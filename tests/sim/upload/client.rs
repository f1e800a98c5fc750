//! The client: how it cuts its blob into requests, and its body as the driver reads it.

use async_trait::async_trait;
use bytes::Bytes;
use pilotage::upload::driver::{ClientLeft, Source};
use pilotage::upload::takeover::Step;

use crate::world::{Blob, Chance};

/// One request of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) step: Step,
    /// Which bytes of the blob it brings.
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) length: Length,
}

/// Whether the client says how long its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Announced,
    Untold,
}

impl Request {
    pub(super) fn announced(self) -> Option<u64> {
        match self.length {
            Length::Announced => Some(self.to - self.from),
            Length::Untold => None,
        }
    }

    pub(super) fn commits(self) -> bool {
        self.step != Step::Patch
    }
}

/// The requests of a push, as one of the known clients sends them.
pub(super) fn draw(chance: &mut Chance, size: u64) -> Vec<Request> {
    let length = chance.weighted(&[(2, Length::Announced), (1, Length::Untold)]);
    let patch = |from, to| Request {
        step: Step::Patch,
        from,
        to,
        length,
    };
    let commit = Request {
        step: Step::Commit,
        from: size,
        to: size,
        length: Length::Announced,
    };
    let last = |from, length| Request {
        step: match length {
            Length::Announced if from == size => Step::Commit,
            Length::Announced if from == 0 => Step::PutWhole { length: size },
            Length::Announced | Length::Untold => Step::PutLast,
        },
        from,
        to: size,
        length,
    };
    match chance.weighted(&[(4, 0), (3, 1), (3, 2), (1, 3)]) {
        0 => vec![patch(0, size), commit],
        1 => vec![last(0, length)],
        kind => {
            let mut cuts: Vec<u64> = (0..chance.number(1..4))
                .map(|_| chance.number(0..size + 1))
                .collect();
            cuts.sort_unstable();
            let mut from = 0;
            let mut requests = Vec::new();
            for to in cuts {
                requests.push(patch(from, to));
                from = to;
            }
            if kind == 2 {
                requests.extend([patch(from, size), commit]);
            } else {
                requests.push(last(from, length));
            }
            requests
        }
    }
}

/// The body of one request.
#[derive(Debug)]
pub(super) struct Body {
    pieces: std::vec::IntoIter<&'static [u8]>,
    /// The client leaves behind so many pieces.
    leaves: Option<usize>,
}

impl Body {
    pub(super) fn draw(chance: &mut Chance, blob: Blob, request: Request) -> Self {
        let pieces = chance.pieces(blob.bytes(request.from..request.to));
        let leaves = chance.percent(4).then(|| {
            let count = u64::try_from(pieces.len()).unwrap();
            usize::try_from(chance.number(0..count + 1)).unwrap()
        });
        Self {
            pieces: pieces.into_iter(),
            leaves,
        }
    }
}

impl Body {
    /// The client does not leave.
    pub(super) fn staying(self) -> Self {
        Self {
            leaves: None,
            ..self
        }
    }
}

#[async_trait]
impl Source for Body {
    async fn read(&mut self) -> Result<Option<Bytes>, ClientLeft> {
        match &mut self.leaves {
            Some(0) => return Err(ClientLeft),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(self.pieces.next().map(Bytes::from_static))
    }
}
