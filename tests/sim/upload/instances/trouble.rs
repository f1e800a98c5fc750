//! What happens to instances, nodes and Redis while the client pushes.

use std::sync::atomic::Ordering;

use super::super::fleet::{Manner, World};
use super::edge::Word;
use super::redis::Redis;
use super::{Play, Waits};
use crate::world::Chance;

impl Play {
    /// Something happens that nobody asked for.
    pub(super) fn event(&mut self) {
        let kind = self.world().chance.number(0..12);
        let number = self.below(self.instances.len());
        let node = self.world().any_node();
        self.note(|| format!("event {kind}, instance {number}, node {node}"));
        let chance_and_redis = |play: &Self, act: fn(&mut Redis, &mut Chance)| {
            let mut world = play.outside.world.lock().unwrap();
            act(&mut play.outside.redis.lock().unwrap(), &mut world.chance);
        };
        match kind {
            0 | 1 => self.kill(number),
            2 | 3 if self.instances[number].is_none() => {
                self.instances[number] = Some(self.instance(number));
            }
            4 => self.outside.redis.lock().unwrap().away = true,
            5 => self.outside.redis.lock().unwrap().away = false,
            6 => chance_and_redis(self, Redis::forget),
            7 | 8 => chance_and_redis(self, Redis::catch_up),
            9 => self.turn_away(),
            10 if !self.setup.mild => {
                let mut world = self.world();
                world.nodes[node].lives = if world.chance.percent(50) {
                    0
                } else {
                    u64::MAX
                };
            }
            11 if !self.setup.mild => self.world().storage.lose_sessions(node),
            _ => {}
        }
    }

    /// An instance dies, with every request that it carried.
    fn kill(&mut self, number: usize) {
        self.instances[number] = None;
        let mut cut = false;
        self.running.retain(|one| {
            cut |= one.instance == number && one.waits == Waits::Yes;
            one.instance != number
        });
        if cut {
            self.go_on(&Word::Silence);
        }
    }

    /// The client waits no longer; what it sent goes on without it.
    fn turn_away(&mut self) {
        let waiting = self.running.iter_mut().find(|one| one.waits == Waits::Yes);
        if let Some(one) = waiting {
            one.waits = Waits::No;
            one.left.store(true, Ordering::Relaxed);
            self.go_on(&Word::Silence);
        }
    }

    /// The trouble is over, but what it left behind stays.
    pub(super) fn calm(&mut self) {
        self.note(|| "calm".to_owned());
        self.tally.calm = true;
        heal(&mut self.world());
        let mut redis = self.outside.redis.lock().unwrap();
        (redis.away, redis.losses) = (false, 0);
    }
}

/// All nodes are as they should be from now on.
pub(super) fn heal(world: &mut World) {
    world.refusal = None;
    for node in &mut world.nodes {
        node.manner = Manner::Sane;
        node.lives = u64::MAX;
    }
}
