//! Real Redis: one server, one behind sentinels, a cluster, one with TLS and ACL.

use std::net::SocketAddr;
use std::path::Path;

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, FromRedisValue};

use super::certs::Authority;
use super::ports::{self, Subnet};
use super::process::{Process, Spec};
use super::scratch::Scratch;
use super::wait::{SOON, until};

/// A running server. It is killed when this drops.
#[derive(Debug)]
pub struct Redis {
    pub process: Process,
    pub address: SocketAddr,
}

impl Redis {
    /// A server that keeps nothing on disk.
    pub async fn start(scratch: &Scratch) -> Self {
        let address = ports::free(Subnet::take().host(1));
        Self::with(scratch, address, &[]).await
    }

    /// A server with further arguments.
    pub async fn with(scratch: &Scratch, address: SocketAddr, arguments: &[&str]) -> Self {
        let port = address.port().to_string();
        let name = format!("redis-{port}");
        let folder = scratch.folder(&name);
        let spec = Spec::new(&name, "redis-server", &folder)
            .arguments(["--bind", &address.ip().to_string(), "--daemonize", "no"])
            .arguments(["--save", "", "--appendonly", "no", "--dir"])
            .argument(&folder);
        let spec = if arguments.contains(&"--tls-port") {
            spec
        } else {
            spec.arguments(["--port", &port])
        };
        let process = Process::start(spec.arguments(arguments));
        let redis = Self { process, address };
        redis.answers().await;
        redis
    }

    /// With TLS that asks for a certificate, and a user who may touch nothing but our keys.
    pub async fn secured(scratch: &Scratch, authority: &Authority, password: &str) -> Self {
        let address = ports::free(Subnet::take().host(1));
        let certificate = authority.issue(&[&address.ip().to_string()]);
        let folder = scratch.folder("secured");
        let (chain, key) = certificate.write(&folder, "redis");
        let ca = scratch.write("secured/ca.crt", authority.pem());
        let users = format!(
            "user default off\nuser edge on >{password} ~pilotage:* -@all +@read +@write +@scripting +time\n"
        );
        let users = scratch.write("secured/users.acl", users);
        let (port, text) = (address.port().to_string(), |path: &Path| {
            path.to_str().unwrap().to_owned()
        });
        let arguments = [
            "--port".to_owned(),
            "0".to_owned(),
            "--tls-port".to_owned(),
            port,
            "--tls-cert-file".to_owned(),
            text(&chain),
            "--tls-key-file".to_owned(),
            text(&key),
            "--tls-ca-cert-file".to_owned(),
            text(&ca),
            "--aclfile".to_owned(),
            text(&users),
        ];
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        Self::with(scratch, address, &arguments).await
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    async fn answers(&self) {
        until("redis answers", SOON, async || {
            tokio::net::TcpStream::connect(self.address).await.ok()
        })
        .await;
    }

    /// Starts it again, empty.
    pub async fn start_again(&mut self) {
        self.process.start_again();
        self.answers().await;
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        let client = Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// What it answers to a command.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        let mut connection = self.connection().await;
        command.query_async(&mut connection).await.unwrap()
    }

    /// All keys with their values and what is left of their time, in milliseconds.
    pub async fn everything(&self) -> Vec<(String, String, i64)> {
        let mut all = Vec::new();
        for key in self.ask::<Vec<String>>(&["KEYS", "*"]).await {
            let kind: String = self.ask(&["TYPE", &key]).await;
            let left = self.ask(&["PTTL", &key]).await;
            let value: redis::Value = match kind.as_str() {
                "string" => self.ask(&["GET", &key]).await,
                "hash" => self.ask(&["HGETALL", &key]).await,
                "zset" => self.ask(&["ZRANGE", &key, "0", "-1"]).await,
                // It has expired meanwhile.
                "none" => continue,
                other => panic!("{key} is a {other}"),
            };
            let text = match value {
                redis::Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                other => format!("{other:?}"),
            };
            all.push((key, text, left));
        }
        all
    }

    /// How often each command of ours was run so far.
    pub async fn commands(&self) -> Vec<(String, u64)> {
        let text: String = self.ask(&["INFO", "commandstats"]).await;
        let ours = ["get", "set", "del", "eval", "evalsha"];
        let counted = text.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let count = rest.split(',').next()?.parse().ok()?;
            ours.contains(&name).then(|| (name.to_owned(), count))
        });
        counted.collect()
    }
}

/// A master, its replica, and three sentinels that watch them under the name `mymaster`.
#[derive(Debug)]
pub struct Watched {
    pub servers: Vec<Redis>,
    pub sentinels: Vec<(Process, SocketAddr)>,
}

impl Watched {
    pub async fn start(scratch: &Scratch) -> Self {
        let subnet = Subnet::take();
        let master = Redis::with(scratch, ports::free(subnet.host(1)), &[]).await;
        let (ip, port) = (master.address.ip().to_string(), master.address.port());
        let follow = ["--replicaof", &ip, &port.to_string()];
        let follow = [&follow[..], &["--repl-diskless-sync-delay", "0"]].concat();
        let second = ports::free(subnet.host(2));
        // Connections on loopback addresses all come from the same one.
        let known_as = second.ip().to_string();
        let follow = [&follow[..], &["--replica-announce-ip", &known_as]].concat();
        let replica = Redis::with(scratch, second, &follow).await;
        until("the replica is in step", SOON, async || {
            let text: String = replica.ask(&["INFO", "replication"]).await;
            text.contains("master_link_status:up").then_some(())
        })
        .await;
        let mut sentinels = Vec::new();
        for number in 3..=5 {
            let address = ports::free(subnet.host(number));
            let name = format!("sentinel-{number}");
            let folder = scratch.folder(&name);
            let text = format!(
                "bind {}\nport {}\ndir {}\nsentinel monitor mymaster {ip} {port} 2\n\
                 sentinel down-after-milliseconds mymaster 500\n\
                 sentinel failover-timeout mymaster 3000\nsentinel announce-ip {}\n",
                address.ip(),
                address.port(),
                folder.display(),
                address.ip()
            );
            let file = scratch.write(&format!("{name}/sentinel.conf"), text);
            let spec = Spec::new(&name, "redis-server", &folder);
            let spec = spec.argument(file).argument("--sentinel");
            sentinels.push((Process::start(spec), address));
        }
        let watched = Self {
            servers: vec![master, replica],
            sentinels,
        };
        watched.agreed().await;
        watched
    }

    /// Each sentinel knows the replica and both others.
    async fn agreed(&self) {
        for (_, address) in &self.sentinels {
            until("the sentinels know each other", SOON, async || {
                let client = Client::open(format!("redis://{address}")).ok()?;
                let mut connection = client.get_multiplexed_async_connection().await.ok()?;
                let mut command = redis::cmd("INFO");
                command.arg("sentinel");
                let text: String = command.query_async(&mut connection).await.ok()?;
                text.contains("slaves=1,sentinels=3").then_some(())
            })
            .await;
        }
    }

    pub fn url(&self) -> String {
        let all = self
            .sentinels
            .iter()
            .map(|(_, address)| address.to_string());
        let all: Vec<_> = all.collect();
        format!("redis+sentinel://{}/mymaster", all.join(","))
    }
}

/// Three masters that share the slots.
pub async fn masters(scratch: &Scratch) -> Vec<Redis> {
    let subnet = Subnet::take();
    let mut all: Vec<Redis> = Vec::new();
    let mut buses = Vec::new();
    for number in 1..=3 {
        let host = subnet.host(number);
        let bus = ports::free(host).port().to_string();
        let known_as = host.to_string();
        let arguments = [
            "--cluster-announce-ip",
            &known_as,
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            &bus,
            "--cluster-node-timeout",
            "1000",
        ];
        all.push(Redis::with(scratch, ports::free(host), &arguments).await);
        buses.push(bus);
    }
    for (server, (first, last)) in all.iter().zip([(0, 5460), (5461, 10922), (10923, 16383)]) {
        let slots = [&first.to_string()[..], &last.to_string()];
        let words = [&["CLUSTER", "ADDSLOTSRANGE"], &slots[..]].concat();
        server.ask::<()>(&words).await;
    }
    for (other, bus) in all.iter().zip(&buses).skip(1) {
        let (ip, port) = (other.address.ip().to_string(), other.address.port());
        all[0]
            .ask::<()>(&["CLUSTER", "MEET", &ip, &port.to_string(), bus])
            .await;
    }
    for server in &all {
        until("the cluster is whole", SOON, async || {
            let text: String = server.ask(&["CLUSTER", "INFO"]).await;
            let whole = text.contains("cluster_state:ok") && text.contains("known_nodes:3");
            whole.then_some(())
        })
        .await;
    }
    all
}
