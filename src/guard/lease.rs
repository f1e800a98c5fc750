//! Places among the transfers of all instances.
//!
//! A place is a lease: whoever holds it says so from time to time, and what an instance held that died is free
//! again when its lifetime is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::affinity::shared::keys::Kind;
use crate::affinity::shared::script::Script;
use crate::affinity::shared::{Asked, Shared};

use super::who::{Mark, Payer};

/// What is held, by the number of the lease.
type Held = HashMap<u64, Holding>;

/// Places, and when to say again that they are held.
#[derive(Debug, Clone)]
struct Holding {
    places: Vec<(Payer, Mark)>,
    lifetime: Duration,
    due: Instant,
}

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
    lifetime: Duration,
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
    /// Asks for a place below each of these limits, good for so long without a further word.
    pub async fn enter(
        &self,
        shared: &Shared,
        limits: &[(Payer, Mark, u32)],
        lifetime: Duration,
        now: Instant,
    ) -> Entered {
        let mut lease = Lease {
            number: fastrand::u64(..),
            places: Vec::new(),
            lifetime,
            held: Arc::clone(&self.held),
        };
        for (payer, mark, limit) in limits {
            let place = (*payer, *mark);
            let act = (ENTER, lease.number, *limit);
            match self.run(shared, place, act, lifetime).await {
                Some(true) => lease.places.push(place),
                Some(false) => {
                    self.leave(shared, lease).await;
                    return Entered::Full;
                }
                None => return Entered::Unknown,
            }
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let holding = Holding {
            places: lease.places.clone(),
            lifetime,
            due: now + lifetime / ROUNDS,
        };
        held.insert(lease.number, holding);
        drop(held);
        Entered::In(lease)
    }

    /// Gives a place back.
    pub async fn leave(&self, shared: &Shared, lease: Lease) {
        let places = lease.places.iter();
        let act = (LEAVE, lease.number, 0);
        let left = places.map(|place| self.run(shared, *place, act, lease.lifetime));
        join_all(left).await;
    }

    /// Says that what is held is still held, where that is due. To be called every [`Leases::PAUSE`].
    pub async fn renew(&self, shared: &Shared, now: Instant) {
        let due: Vec<_> = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let due = held.iter_mut().filter(|(_, holding)| holding.due <= now);
            due.map(|(number, holding)| {
                holding.due = now + holding.lifetime / ROUNDS;
                (*number, holding.clone())
            })
            .collect()
        };
        for (number, holding) in due {
            for place in holding.places {
                let act = (STAY, number, 0);
                let stays = self.run(shared, place, act, holding.lifetime).await;
                if stays.is_none() {
                    // Nobody listens; the next round tries again.
                    return;
                }
            }
        }
    }

    /// How often it is looked whether something is due.
    pub const PAUSE: Duration = Duration::from_secs(1);
    /// The shortest lifetime: each round comes before the next look.
    pub const SHORTEST: Duration = Duration::from_secs(4);

    async fn run(
        &self,
        shared: &Shared,
        (payer, mark): (Payer, Mark),
        (act, number, limit): (u64, u64, u32),
        lifetime: Duration,
    ) -> Option<bool> {
        let kind = match payer {
            Payer::Client => Kind::AddressTransfers,
            Payer::Account => Kind::AccountTransfers,
        };
        let about = mark.bits().to_be_bytes();
        let lifetime = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let arguments = [act, number, limit.into(), lifetime];
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
/// How often in its lifetime a place is confirmed: some rounds may fail.
const ROUNDS: u32 = 4;
