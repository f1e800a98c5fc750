//! Several instances before one node, which meet in a Redis.

use super::scene::{Door, Somebody, expect_pause, quick};
use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, program};
use crate::harness::certs::Offer;
use crate::harness::cluster::Cluster;
use crate::harness::redis::Redis;
use crate::shared::scene::{fresh_key, redis_is};

/// Instances with one key. The cluster goes last, so that the folder outlives what writes there.
#[derive(Debug)]
pub struct Farm {
    pub instances: Vec<Balancer>,
    pub cluster: Cluster,
}

impl Farm {
    /// So many instances, all of which know that they have their Redis.
    pub async fn of(count: usize, redis: &str, change: impl Fn(&mut Config)) -> Self {
        let mut cluster = Cluster::builder().nodes(1).start().await;
        let key = cluster.scratch.write("affinity.key", fresh_key());
        let mut instances = Vec::new();
        for number in 0..count {
            let folder = cluster.scratch.folder(&format!("instance-{number}"));
            let mut config = Config::new(&folder);
            quick(&mut config);
            config.node("node-1", &cluster.nodes[0].url());
            config.set("affinity", "key_file", key.to_str().unwrap());
            config.set("redis", "url", redis);
            // The longest there is: an answer that came too late would let one more try pass.
            config.set("redis", "timeout", "1s");
            change(&mut config);
            instances.push(Balancer::start(&program(), &folder, config).await);
        }
        let url = instances[0].url();
        cluster.set_public_url(&url).await;
        let node = &cluster.nodes[0];
        node.switch(|switches| switches.wrong_password_ms = 0).await;
        let farm = Self { instances, cluster };
        for instance in &farm.instances {
            instance.all_up(1).await;
        }
        farm.redis_is("up").await;
        farm
    }

    /// Waits until every instance says this of Redis.
    pub async fn redis_is(&self, state: &str) {
        for instance in &self.instances {
            redis_is(instance, state).await;
        }
    }

    /// Somebody at this address, before the instance of this number.
    pub fn at(&self, number: usize, address: &str) -> Somebody {
        let instance = &self.instances[number % self.instances.len()];
        Somebody::before(instance.target(Offer::Http1), address)
    }

    /// Guesses the password of an account at one instance after the other; gives how many tries reached the node.
    pub async fn guess(&self, times: usize, address: &str) -> usize {
        let mut passed = 0;
        for number in 0..times {
            let password = format!("wrong-{:08x}", fastrand::u32(..));
            let guesser = self.at(number, address);
            let answer = guesser.tries(Door::Ping, "builder", &password).await;
            match answer.status {
                401 => passed += 1,
                _ => drop(expect_pause(&answer)),
            }
        }
        passed
    }
}

/// How many transfers of clients run, as all instances know it.
pub async fn places(redis: &Redis) -> usize {
    let all = redis.ask::<Vec<String>>(&["KEYS", "*:ta:*"]).await;
    let mut places = 0;
    for key in all {
        places += redis.ask::<usize>(&["ZCARD", &key]).await;
    }
    places
}
