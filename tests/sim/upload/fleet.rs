//! The nodes, and everything that can go wrong with one request to one of them.

use super::storage::{Address, Identity, Storage};
use crate::seeds::Trace;
use crate::world::{Blob, Chance};

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) identity: Identity,
    pub(super) manner: Manner,
    /// Requests until it dies.
    pub(super) lives: u64,
}

/// How a node treats requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// As it should.
    Sane,
    /// Of a hundred requests, so many go wrong.
    Faulty(u64),
    /// It verifies credentials with another key.
    OtherKey,
    /// What it stores is not what it was sent.
    Corrupting,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Unreachable,
    /// The connection breaks behind so many bytes of the body.
    Reset(u64),
    /// Nothing more is read behind so many bytes.
    Hang(u64),
    /// It takes effect, and the answer is lost.
    Mute,
    /// 500 in the registry's form, before anything takes effect.
    TroubleBefore,
    /// The same after it took effect.
    TroubleAfter,
    /// An error page of something in between.
    Page,
    /// The session is gone.
    Forgotten,
    /// A word of success when only a part of the body came.
    Hasty,
}

/// Everything there is, but the client.
#[derive(Debug)]
pub(super) struct World {
    pub(super) chance: Chance,
    pub(super) nodes: Vec<Node>,
    pub(super) storage: Storage,
    pub(super) wanted: Wanted,
    /// All nodes refuse what this client sends, in this way.
    pub(super) refusal: Option<(u16, &'static str)>,
    /// Since the present request began: what several nodes may say until they are believed.
    pub(super) excuses: u32,
    pub(super) trace: Trace,
}

/// What the client pushes, and under which name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) blob: Blob,
    /// Another than the content's own when the client is wrong.
    pub(super) named: Blob,
}

impl World {
    pub(super) fn draw(mut chance: Chance, wanted: Wanted) -> Self {
        let size = usize::try_from(chance.number(1..5)).unwrap();
        let shared_storage = chance.percent(50);
        let shared_secret = chance.percent(50);
        let mut manners: Vec<Manner> = (0..size)
            .map(|_| match chance.number(0..20) {
                0..6 => Manner::Sane,
                6 => Manner::OtherKey,
                7 => Manner::Corrupting,
                drawn if drawn < 17 => Manner::Faulty(chance.number(5..70)),
                _ => Manner::Faulty(100),
            })
            .collect();
        if chance.percent(60) {
            manners[0] = Manner::Sane;
        }
        let nodes = manners.into_iter().enumerate().map(|(node, manner)| Node {
            identity: Identity {
                node,
                storage: if shared_storage { 0 } else { node },
                secret: if shared_secret {
                    7
                } else {
                    100 + u64::try_from(node).unwrap()
                },
            },
            manner,
            lives: match manner {
                Manner::Faulty(_) if chance.percent(40) => chance.number(0..6),
                _ => u64::MAX,
            },
        });
        let nodes = nodes.collect();
        let refusal = chance.percent(6).then(|| {
            [
                (403, "DENIED"),
                (413, "SIZE_INVALID"),
                (429, "TOOMANYREQUESTS"),
                (404, "NAME_UNKNOWN"),
            ][usize::try_from(chance.number(0..4)).unwrap()]
        });
        Self {
            chance,
            nodes,
            storage: Storage::default(),
            wanted,
            refusal,
            excuses: 0,
            trace: Trace::default(),
        }
    }

    pub(super) fn any_node(&mut self) -> usize {
        let most = u64::try_from(self.nodes.len()).unwrap();
        usize::try_from(self.chance.number(0..most)).unwrap()
    }

    /// What happens to the next request to this node, whose body has about so many bytes.
    pub(super) fn fault(&mut self, node: usize, length: u64) -> Fault {
        let Node { manner, lives, .. } = &mut self.nodes[node];
        if *lives == 0 {
            return Fault::Unreachable;
        }
        *lives -= 1;
        let Manner::Faulty(percent) = *manner else {
            return Fault::None;
        };
        if !self.chance.percent(percent) {
            return Fault::None;
        }
        let at = self.chance.position(length + 1);
        let fault = self.chance.weighted(&[
            (3, Fault::Unreachable),
            (5, Fault::Reset(at)),
            (2, Fault::Hang(at)),
            (4, Fault::Mute),
            (2, Fault::TroubleBefore),
            (3, Fault::TroubleAfter),
            (2, Fault::Page),
            (1, Fault::Forgotten),
            (1, Fault::Hasty),
        ]);
        if fault == Fault::Forgotten {
            self.excuses += 1;
        }
        fault
    }

    pub(super) fn identity(&self, node: usize) -> Identity {
        self.nodes[node].identity
    }

    /// Writes to a session as this node does.
    pub(super) fn append(&mut self, node: usize, address: Address, piece: &[u8]) {
        let corrupts = self.nodes[node].manner == Manner::Corrupting;
        let Some(session) = self.storage.session(address) else {
            return;
        };
        session.bytes.extend_from_slice(piece);
        if corrupts && let Some(last) = session.bytes.last_mut() {
            *last ^= 1;
        }
    }

    /// Nobody but its node knows from here on what the session holds.
    pub(super) fn soil(&mut self, address: Address) {
        if let Some(session) = self.storage.session(address) {
            session.dirty = true;
        }
    }
}
