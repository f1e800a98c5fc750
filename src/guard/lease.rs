//! Places among the transfers of all instances.
//!
//! A place is a lease: whoever holds it says so from time to time, and what an instance held that died is free
//! again after two minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use crate::affinity::shared::keys::Kind;
use crate::affinity::shared::script::Script;
use crate::affinity::shared::{Asked, Shared};

use super::who::{Mark, Payer};

/// Places by the number of their lease.
type Held = HashMap<u64, Vec<(Payer, Mark)>>;

/// The leases that this instance holds.
#[derive(Debug)]
pub struct Leases {
    script: Script,
    held: Arc<Mutex<Held>>,
}

/// A place below every limit. Given back by [`Leases::leave`]; if it is only dropped, it is free a while later.
#[derive(Debug)]
pub struct Lease {
    number: u64,
    places: Vec<(Payer, Mark)>,
    held: Arc<Mutex<Held>>,
}

/// What came of asking for a place.
#[derive(Debug)]
pub enum Entered {
    In(Lease),
    /// A limit is reached.
    Full,
    /// There is nobody to ask now.
    Unknown,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            script: Script::new(include_str!("shared/places.lua")),
            held: Arc::default(),
        }
    }
}

impl Leases {
    /// Asks for a place below each of these limits.
    pub async fn enter(&self, shared: &Shared, limits: &[(Payer, Mark, u32)]) -> Entered {
        let mut lease = Lease {
            number: fastrand::u64(..),
            places: Vec::new(),
            held: Arc::clone(&self.held),
        };
        for (payer, mark, limit) in limits {
            let place = (*payer, *mark);
            match self.run(shared, place, (ENTER, lease.number, *limit)).await {
                Some(true) => lease.places.push(place),
                Some(false) => {
                    self.leave(shared, lease).await;
                    return Entered::Full;
                }
                None => return Entered::Unknown,
            }
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(lease.number, lease.places.clone());
        drop(held);
        Entered::In(lease)
    }

    /// Gives a place back.
    pub async fn leave(&self, shared: &Shared, lease: Lease) {
        let places = lease.places.iter();
        let left = places.map(|place| self.run(shared, *place, (LEAVE, lease.number, 0)));
        join_all(left).await;
    }

    /// Says that everything that is held is still held. To be called well within [`Leases::PAUSE`].
    pub async fn renew(&self, shared: &Shared) {
        let held = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.clone()
        };
        for (number, places) in held {
            for place in places {
                if self.run(shared, place, (STAY, number, 0)).await.is_none() {
                    // Nobody listens; the next round tries again.
                    return;
                }
            }
        }
    }

    /// How often leases are renewed: a few rounds may fail.
    pub const PAUSE: Duration = Duration::from_secs(30);

    async fn run(
        &self,
        shared: &Shared,
        (payer, mark): (Payer, Mark),
        (act, number, limit): (u64, u64, u32),
    ) -> Option<bool> {
        let kind = match payer {
            Payer::Client => Kind::AddressTransfers,
            Payer::Account => Kind::AccountTransfers,
        };
        let about = mark.bits().to_be_bytes();
        let arguments = [act, number, limit.into(), LEASE_MS];
        match shared
            .run(&self.script, (kind, &[&about]), &arguments)
            .await
        {
            Asked::Found(answer) => Some(answer.first() == Some(&1)),
            Asked::None | Asked::Away => None,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&self.number);
    }
}

const LEAVE: u64 = 0;
const STAY: u64 = 1;
const ENTER: u64 = 2;
const LEASE_MS: u64 = 120_000;
