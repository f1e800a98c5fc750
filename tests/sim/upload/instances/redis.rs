//! What the instances share, and how it fails them.

use std::collections::BTreeMap;

use pilotage::affinity::shared::Asked;
use pilotage::affinity::token::Upload;
use pilotage::registry::session::SessionId;

use super::super::storage::Address;
use crate::world::Chance;

/// A Redis that may be away, lose what it was told, take it late, and come back with nothing.
#[derive(Debug, Default)]
pub(super) struct Redis {
    held: BTreeMap<SessionId, String>,
    /// Writes on their way.
    late: Vec<(SessionId, Option<String>, Option<Move>)>,
    pub(super) away: bool,
    /// Of a hundred writes, so many go wrong.
    pub(super) losses: u64,
    /// Of each upload whose moves it knows: sessions of nodes that these have left behind, and at which byte.
    behind: BTreeMap<SessionId, BTreeMap<u64, u64>>,
}

/// A takeover, as it is to be known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    /// The session that was left.
    pub(super) from: Address,
    /// Bytes that the new one has.
    pub(super) offset: u64,
}

/// Whether a write has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Yes,
    /// Perhaps, or later.
    Unknown,
}

impl Redis {
    pub(super) fn find(&self, chance: &mut Chance, session: &SessionId) -> Asked<String> {
        if self.away || chance.percent(self.losses) {
            return Asked::Away;
        }
        let found = self.held.get(session).cloned();
        found.map_or(Asked::None, Asked::Found)
    }

    pub(super) fn write(
        &mut self,
        chance: &mut Chance,
        session: &SessionId,
        token: Option<String>,
        about: Option<Move>,
    ) -> Written {
        if self.away {
            return Written::Unknown;
        }
        if !chance.percent(self.losses) {
            self.apply(session, token, about);
            return Written::Yes;
        }
        if chance.percent(50) {
            self.late.push((session.clone(), token, about));
        }
        Written::Unknown
    }

    fn apply(&mut self, session: &SessionId, token: Option<String>, about: Option<Move>) {
        let behind = self.behind.entry(session.clone()).or_default();
        match about {
            Some(Move { from, offset }) => {
                // Whoever is as far as this or further is believed.
                behind.retain(|_, left| *left < offset);
                if from.offset < offset {
                    behind.insert(from.session, from.offset);
                }
            }
            None => behind.clear(),
        }
        match token {
            Some(token) => self.held.insert(session.clone(), token),
            None => self.held.remove(session),
        };
    }

    /// A write that was late arrives, in whatever order.
    pub(super) fn catch_up(&mut self, chance: &mut Chance) {
        let count = u64::try_from(self.late.len()).unwrap();
        if count > 0 {
            let at = usize::try_from(chance.number(0..count)).unwrap();
            let (session, token, about) = self.late.swap_remove(at);
            self.apply(&session, token, about);
        }
    }

    /// It was started again, or a replica that knew less took its place.
    pub(super) fn forget(&mut self, chance: &mut Chance) {
        let all = chance.percent(50);
        self.held.retain(|_, _| !all && chance.percent(50));
        let held = &self.held;
        self.behind.retain(|session, _| held.contains_key(session));
    }

    /// An instance that was told the truth is about to write here.
    pub(super) fn judge_written(&self, session: &SessionId, address: Address) {
        let behind = self.behind.get(session);
        let left = behind.and_then(|behind| behind.get(&address.session));
        assert!(
            left != Some(&address.offset),
            "written again, though all could know that it was left: {address:?}"
        );
    }

    /// The client hears of a takeover now: the next instance that it asks has to know.
    pub(super) fn judge_told(
        &self,
        session: &SessionId,
        now: &Upload,
        open: impl Fn(&str) -> Upload,
    ) {
        let known = self.held.get(session).map(|token| open(token));
        assert_eq!(known.as_ref(), Some(now), "the others were not told first");
    }
}
