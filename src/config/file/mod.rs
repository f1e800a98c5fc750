//! The mirror of the file: every section with its keys and their defaults, as text and numbers.
//!
//! This is the one place that names keys and defaults. Nothing is judged here but the kind of a
//! value; a key that was renamed or taken away stays as a marker.

mod guard;
mod redis;
mod sessions;
mod takeover;
mod traces;
mod upgrade;

pub(super) use self::guard::Guard;
pub(super) use self::redis::Redis;
pub(super) use self::sessions::Sessions;
pub(super) use self::takeover::{Spool, Takeover};
pub(super) use self::traces::Tracing;
pub(super) use self::upgrade::Upgrade;

use super::kind::Switch;
use super::notes::Notes;
use super::table::{Raw, Table, read_root};

/// A list of texts, each with its own line.
pub(super) type Texts = Raw<Vec<Raw<String>>>;

/// The whole file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) state_folder: Raw<String>,
    pub(super) threads: Raw<i64>,
    pub(super) grace_period: Raw<String>,
    pub(super) drain_delay: Raw<String>,
    pub(super) upgrade: Upgrade,
    pub(super) public: Public,
    pub(super) listeners: Raw<Vec<Listener>>,
    pub(super) tls: Tls,
    pub(super) limits: Limits,
    pub(super) nodes: Raw<Vec<Node>>,
    pub(super) upstream: Upstream,
    pub(super) health: Health,
    pub(super) placement: Placement,
    pub(super) retry: Retry,
    pub(super) takeover: Takeover,
    pub(super) affinity: Affinity,
    pub(super) redis: Redis,
    pub(super) guard: Guard,
    pub(super) sessions: Sessions,
    pub(super) spool: Spool,
    pub(super) log: Log,
    pub(super) tracing: Tracing,
    pub(super) admin: Admin,
}

impl File {
    /// Mirrors the document; none stands for an empty one.
    pub(super) fn read<'t>(
        document: Option<&'t toml::de::DeTable<'t>>,
        notes: &mut Notes<'t>,
    ) -> Self {
        read_root(document, notes, |table| {
            table.gone(
                "nodes",
                "node",
                "is written node",
                "write [[node]] for each of them",
            );
            table.gone(
                "listeners",
                "listener",
                "is written listener",
                "write [[listener]]",
            );
            Self {
                state_folder: table.text("state_folder", "/var/lib/pilotage"),
                threads: table.integer("threads", 0),
                grace_period: table.text("grace_period", "10m"),
                drain_delay: table.text("drain_delay", "0s"),
                upgrade: table.table("upgrade", Upgrade::read),
                public: table.table("public", Public::read),
                listeners: table.tables("listener", Listener::read),
                tls: table.table("tls", Tls::read),
                limits: table.table("limits", Limits::read),
                nodes: table.tables("node", Node::read),
                upstream: table.table("upstream", Upstream::read),
                health: table.table("health", Health::read),
                placement: table.table("placement", Placement::read),
                retry: table.table("retry", Retry::read),
                takeover: table.table("takeover", Takeover::read),
                affinity: table.table("affinity", Affinity::read),
                redis: table.table("redis", Redis::read),
                guard: table.table("guard", Guard::read),
                sessions: table.table("sessions", Sessions::read),
                spool: table.table("spool", Spool::read),
                log: table.table("log", Log::read),
                tracing: table.table("tracing", Tracing::read),
                admin: table.table("admin", Admin::read),
            }
        })
    }
}

#[derive(Debug)]
pub(super) struct Public {
    pub(super) names: Texts,
    pub(super) location: Raw<String>,
    pub(super) trusted_proxies: Texts,
}

impl Public {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let hint = "write names = [\"registry.example.com\"]";
        table.gone("name", "names", "is written names, a list", hint);
        Self {
            names: table.required_texts("names", "registry.example.com"),
            location: table.text("location", "absolute"),
            trusted_proxies: table.texts("trusted_proxies", "10.0.0.0/8"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: Raw<String>,
    pub(super) protocol: Raw<String>,
    pub(super) minimum_tls: Raw<String>,
    pub(super) http2: Raw<Switch>,
    pub(super) client_certificate: Raw<String>,
    pub(super) client_ca_file: Raw<String>,
}

impl Listener {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            address: table.text("address", "[::]:443"),
            protocol: table.text("protocol", "https"),
            minimum_tls: table.text("minimum_tls", "1.2"),
            http2: table.switch("http2", Switch::On),
            client_certificate: table.text("client_certificate", "ignored"),
            client_ca_file: table.text("client_ca_file", ""),
        }
    }
}

#[derive(Debug)]
pub(super) struct Tls {
    pub(super) recheck: Raw<String>,
    pub(super) session_cache: Raw<i64>,
    pub(super) certificates: Raw<Vec<Certificate>>,
}

impl Tls {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            recheck: table.text("recheck", "30s"),
            session_cache: table.integer("session_cache", 20_480),
            certificates: table.tables("certificate", Certificate::read),
        }
    }
}

#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) chain_file: Raw<String>,
    pub(super) key_file: Raw<String>,
}

impl Certificate {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let hint = "put the key into a file and write key_file = \"/etc/pilotage/tls/key.pem\"";
        table.gone("key", "key_file", NO_SECRETS, hint);
        Self {
            chain_file: table.required_text("chain_file", "/etc/pilotage/tls/chain.pem"),
            key_file: table.required_text("key_file", "/etc/pilotage/tls/key.pem"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Limits {
    pub(super) connections: Raw<i64>,
    pub(super) connections_per_client: Raw<i64>,
    pub(super) handshake_timeout: Raw<String>,
    pub(super) header_timeout: Raw<String>,
    pub(super) idle_timeout: Raw<String>,
    pub(super) client_timeout: Raw<String>,
    pub(super) connection_age: Raw<String>,
    pub(super) header_size: Raw<String>,
    pub(super) requests_per_connection: Raw<i64>,
    pub(super) h2_streams: Raw<i64>,
    pub(super) h2_window: Raw<String>,
    pub(super) h2_window_total: Raw<String>,
}

impl Limits {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            connections: table.integer("connections", 20_000),
            connections_per_client: table.integer("connections_per_client", 2_000),
            handshake_timeout: table.text("handshake_timeout", "10s"),
            header_timeout: table.text("header_timeout", "15s"),
            idle_timeout: table.text("idle_timeout", "75s"),
            client_timeout: table.text("client_timeout", "60s"),
            connection_age: table.text("connection_age", "1h"),
            header_size: table.text("header_size", "32KiB"),
            requests_per_connection: table.integer("requests_per_connection", 10_000),
            h2_streams: table.integer("h2_streams", 100),
            h2_window: table.text("h2_window", "4MiB"),
            h2_window_total: table.text("h2_window_total", "1GiB"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: Raw<String>,
    pub(super) url: Raw<String>,
    pub(super) weight: Raw<i64>,
    pub(super) drain: Raw<Switch>,
    pub(super) names: Texts,
    pub(super) ca_file: Raw<String>,
    pub(super) verify_name: Raw<String>,
    pub(super) fingerprint: Raw<String>,
}

impl Node {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            name: table.required_text("name", "harbor-1"),
            url: table.required_text("url", "http://10.0.0.11"),
            weight: table.integer("weight", 100),
            drain: table.switch("drain", Switch::Off),
            names: table.texts("names", "harbor-1.internal"),
            ca_file: table.text("ca_file", ""),
            verify_name: table.text("verify_name", ""),
            fingerprint: table.text("fingerprint", ""),
        }
    }
}

#[expect(clippy::struct_field_names, reason = "they are the names of the keys")]
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) connect_timeout: Raw<String>,
    pub(super) write_timeout: Raw<String>,
    pub(super) read_timeout: Raw<String>,
    pub(super) commit_timeout: Raw<String>,
    pub(super) idle_timeout: Raw<String>,
}

impl Upstream {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            connect_timeout: table.text("connect_timeout", "3s"),
            write_timeout: table.text("write_timeout", "60s"),
            read_timeout: table.text("read_timeout", "15s"),
            commit_timeout: table.text("commit_timeout", "15m"),
            idle_timeout: table.text("idle_timeout", "55s"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Health {
    pub(super) probe: Raw<String>,
    pub(super) interval: Raw<String>,
    pub(super) timeout: Raw<String>,
    pub(super) up_after: Raw<i64>,
    pub(super) down_after: Raw<i64>,
    pub(super) passive_down_after: Raw<i64>,
    pub(super) passive_window: Raw<String>,
    pub(super) slow_start: Raw<String>,
}

impl Health {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            probe: table.text("probe", "harbor"),
            interval: table.text("interval", "5s"),
            timeout: table.text("timeout", "3s"),
            up_after: table.integer("up_after", 2),
            down_after: table.integer("down_after", 3),
            passive_down_after: table.integer("passive_down_after", 5),
            passive_window: table.text("passive_window", "10s"),
            slow_start: table.text("slow_start", "30s"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Placement {
    pub(super) node_in_flight: Raw<i64>,
    pub(super) queue_length: Raw<i64>,
    pub(super) queue_timeout: Raw<String>,
}

impl Placement {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            node_in_flight: table.integer("node_in_flight", 1_024),
            queue_length: table.integer("queue_length", 1_024),
            queue_timeout: table.text("queue_timeout", "5s"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Retry {
    pub(super) attempts: Raw<i64>,
    pub(super) budget_percent: Raw<i64>,
    pub(super) budget_minimum: Raw<i64>,
    pub(super) patience: Raw<String>,
}

impl Retry {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            attempts: table.integer("attempts", 3),
            budget_percent: table.integer("budget_percent", 20),
            budget_minimum: table.integer("budget_minimum", 10),
            patience: table.text("patience", "30s"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Affinity {
    pub(super) key_file: Raw<String>,
    pub(super) upload_lifetime: Raw<String>,
    pub(super) recent_lifetime: Raw<String>,
    pub(super) shared_storage: Raw<Switch>,
}

impl Affinity {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let hint = "put the key into a file and write key_file = \"/etc/pilotage/affinity.key\"";
        table.gone("key", "key_file", NO_SECRETS, hint);
        Self {
            key_file: table.text("key_file", ""),
            upload_lifetime: table.text("upload_lifetime", "24h"),
            recent_lifetime: table.text("recent_lifetime", "60s"),
            shared_storage: table.switch("shared_storage", Switch::Off),
        }
    }
}

#[derive(Debug)]
pub(super) struct Log {
    pub(super) format: Raw<String>,
    pub(super) level: Raw<String>,
    pub(super) queue: Raw<i64>,
    pub(super) file: Raw<String>,
}

impl Log {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            format: table.text("format", "json"),
            level: table.text("level", "info"),
            queue: table.integer("queue", 8_192),
            file: table.text("file", ""),
        }
    }
}

#[derive(Debug)]
pub(super) struct Admin {
    pub(super) address: Raw<String>,
    pub(super) token_file: Raw<String>,
    pub(super) chain_file: Raw<String>,
    pub(super) key_file: Raw<String>,
    pub(super) client_ca_file: Raw<String>,
    pub(super) open_metrics: Raw<Switch>,
    pub(super) requests: Raw<i64>,
}

impl Admin {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            address: table.text("address", "127.0.0.1:9090"),
            token_file: table.text("token_file", ""),
            chain_file: table.text("chain_file", ""),
            key_file: table.text("key_file", ""),
            client_ca_file: table.text("client_ca_file", ""),
            open_metrics: table.switch("open_metrics", Switch::Off),
            requests: table.integer("requests", 1_000),
        }
    }
}

const NO_SECRETS: &str = "is a secret, and this file holds none";
