//! The operator's file, table by table, with defaults that suit tests: free ports, quick probes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::DirBuilder;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::harness::cluster::PUBLIC_NAME;
use crate::harness::process::Spec;

/// A configuration in the making. Values are strings, numbers, booleans and lists, which TOML
/// writes as JSON does.
#[derive(Debug, Clone)]
pub struct Config {
    top: Map<String, Value>,
    tables: BTreeMap<String, Map<String, Value>>,
    pub listeners: Vec<Map<String, Value>>,
    pub nodes: Vec<Map<String, Value>>,
    certificates: Vec<Map<String, Value>>,
    /// Written as it is at the end of the file.
    pub extra: String,
    /// Variables of the process.
    pub environment: Vec<(String, String)>,
    /// A socket that was bound for it beforehand.
    pub socket: Option<Arc<TcpListener>>,
}

impl Config {
    /// Listeners on free loopback ports, quick probes, no nodes yet.
    pub fn new(folder: &Path) -> Self {
        let listener =
            |protocol: &str| table(json!({ "address": "127.0.0.1:0", "protocol": protocol }));
        let mut config = Self {
            top: table(json!({
                "state_folder": folder.join("state").to_str(),
                "grace_period": "5m",
            })),
            tables: BTreeMap::new(),
            listeners: vec![listener("https"), listener("redirect")],
            nodes: Vec::new(),
            certificates: Vec::new(),
            extra: String::new(),
            environment: Vec::new(),
            socket: None,
        };
        std::fs::create_dir_all(folder.join("state")).unwrap();
        config.set(
            "public",
            "names",
            json!([PUBLIC_NAME, "localhost", "127.0.0.1"]),
        );
        config.set("health", "interval", "200ms");
        // A good node on a busy machine must not be taken for one that hangs.
        config.set("health", "timeout", "5s");
        config.set("health", "up_after", 1);
        config.set("health", "down_after", 2);
        config.set("health", "slow_start", "0s");
        config.set("admin", "address", "127.0.0.1:0");
        // How full the disk of this machine is, is not what is tested.
        config.set("spool", "disk_share", 100);
        config
    }

    /// The folder of the balancer, for files that the configuration names.
    pub fn folder(&self) -> &Path {
        let state = self.top["state_folder"].as_str().unwrap();
        Path::new(state).parent().unwrap()
    }

    /// Sets a key of a table such as `limits`; of the top of the file, when the table is empty.
    pub fn set(&mut self, table: &str, key: &str, value: impl Into<Value>) -> &mut Self {
        let keys = if table.is_empty() {
            &mut self.top
        } else {
            self.tables.entry(table.to_owned()).or_default()
        };
        keys.insert(key.to_owned(), value.into());
        self
    }

    /// The first token of the admin listener, if it wants one.
    pub fn token(&self) -> Option<String> {
        let file = self.tables.get("admin")?.get("token_file")?.as_str()?;
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().next()?;
        Some(
            line.split_once(':')
                .map_or(line, |(_, token)| token)
                .to_owned(),
        )
    }

    /// Sets a key of the first https listener.
    pub fn set_listener(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.listeners[0].insert(key.to_owned(), value.into());
        self
    }

    /// Adds a node.
    pub fn node(&mut self, name: &str, url: &str) -> &mut Self {
        self.nodes.push(table(json!({ "name": name, "url": url })));
        self
    }

    /// Sets a key of a node.
    pub fn set_node(&mut self, name: &str, key: &str, value: impl Into<Value>) -> &mut Self {
        let node = self.nodes.iter_mut().find(|node| node["name"] == name);
        node.expect("there is a node of this name")
            .insert(key.to_owned(), value.into());
        self
    }

    /// Adds a certificate.
    pub fn certificate(&mut self, chain: &Path, key: &Path) -> &mut Self {
        let files = json!({ "chain_file": chain.to_str(), "key_file": key.to_str() });
        self.certificates.push(table(files));
        self
    }

    /// Lets a successor take the ports over; gives the socket where that happens.
    pub fn upgradable(&mut self) -> PathBuf {
        let folder = self.folder().join("run");
        let mut closed = DirBuilder::new();
        closed.mode(0o700).recursive(true).create(&folder).unwrap();
        let socket = folder.join("upgrade.sock");
        self.set("upgrade", "socket", socket.to_str().unwrap());
        // What the old process waits for are kept connections on which nothing runs.
        self.set("limits", "idle_timeout", "3s");
        socket
    }

    pub(super) fn equipped(&self, spec: Spec) -> Spec {
        let with = |spec: Spec, (name, value): &(String, String)| spec.environment(name, value);
        let spec = self.environment.iter().fold(spec, with);
        match &self.socket {
            None => spec,
            Some(socket) => spec.socket(socket.try_clone().unwrap()),
        }
    }

    pub(super) fn has_certificate(&self) -> bool {
        !self.certificates.is_empty()
    }

    /// Gives the listeners the addresses they once got.
    pub(super) fn fix_addresses(&mut self, addresses: &[SocketAddr]) {
        for (listener, address) in self.listeners.iter_mut().zip(addresses) {
            listener.insert("address".to_owned(), json!(address.to_string()));
        }
    }

    /// The file.
    pub fn text(&self) -> String {
        let mut text = keys(&self.top);
        let many = [("listener", &self.listeners), ("node", &self.nodes)];
        for (name, table) in &self.tables {
            write!(text, "\n[{name}]\n{}", keys(table)).unwrap();
        }
        for (name, tables) in many
            .into_iter()
            .chain([("tls.certificate", &self.certificates)])
        {
            for table in tables {
                write!(text, "\n[[{name}]]\n{}", keys(table)).unwrap();
            }
        }
        text + "\n" + &self.extra
    }
}

fn table(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not a table: {other}"),
    }
}

fn keys(table: &Map<String, Value>) -> String {
    table
        .iter()
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect()
}
