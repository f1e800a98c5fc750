//! Our own built program, with a configuration file written for the test.

pub mod config;

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use self::config::Config;
use super::certs::{Authority, Certificate, Offer};
use super::clients::Destination;
use super::cluster::{Cluster, PUBLIC_NAME};
use super::http::answer::Answer;
use super::http::{Request, Target};
use super::process::{Process, Spec};
use super::wait::{SOON, until};

/// The program that was built with these tests, as it was when they began: a build in the meantime does not
/// change what they run. The launcher has none and names it itself.
pub fn program() -> PathBuf {
    static OPENED: LazyLock<File> = LazyLock::new(|| {
        let built = option_env!("CARGO_BIN_EXE_pilotage").map(PathBuf::from);
        let named = || std::env::var_os("PILOTAGE_PROGRAM").map(PathBuf::from);
        let path = built.or_else(named);
        File::open(path.expect("PILOTAGE_PROGRAM names the program")).unwrap()
    });
    let file = OPENED.as_raw_fd();
    format!("/proc/{}/fd/{file}", std::process::id()).into()
}

/// A running balancer. It is killed when this drops.
#[derive(Debug)]
pub struct Balancer {
    pub process: Process,
    pub config: Config,
    authority: Authority,
    folder: PathBuf,
    ready: Value,
}

impl Balancer {
    /// Before all nodes of a cluster, known as [`PUBLIC_NAME`]; tells the nodes the public URL and
    /// waits until all of them are up.
    pub async fn before(cluster: &mut Cluster, change: impl FnOnce(&mut Config)) -> Self {
        let folder = cluster.scratch.folder("balancer");
        let mut config = Config::new(&folder);
        for node in &cluster.nodes {
            config.node(&node.name, &node.url());
            if node.url().starts_with("https") {
                let ca_file = cluster
                    .scratch
                    .write("nodes-ca.crt", cluster.authority.pem());
                config.set_node(&node.name, "ca_file", ca_file.to_str().unwrap());
            }
        }
        change(&mut config);
        let balancer = Self::start(&program(), &folder, config).await;
        cluster.set_public_url(&balancer.url()).await;
        balancer.all_up(cluster.nodes.len()).await;
        balancer
    }

    /// Starts a program with a configuration and waits for its ready line.
    pub async fn start(program: &Path, folder: &Path, config: Config) -> Self {
        Self::under(Authority::new(), program, folder, config).await
    }

    /// The same, under the authority that issued its certificate, or is to issue one.
    pub async fn under(
        authority: Authority,
        program: &Path,
        folder: &Path,
        mut config: Config,
    ) -> Self {
        if !config.has_certificate() {
            let names = [PUBLIC_NAME, "localhost", "127.0.0.1", "::1"];
            let (chain, key) = authority.issue(&names).write(folder, "public");
            config.certificate(&chain, &key);
        }
        let file = folder.join("pilotage.toml");
        std::fs::write(&file, config.text()).unwrap();
        let spec = Spec::new("pilotage", program, folder);
        let spec = spec.arguments(["run", "--config"]).argument(file);
        let process = Process::start(config.equipped(spec));
        let folder = folder.to_path_buf();
        let mut balancer = Self {
            process,
            config,
            authority,
            folder,
            ready: Value::Null,
        };
        balancer.await_ready(0).await;
        balancer
    }

    /// Waits for a ready line after so many lines of before.
    async fn await_ready(&mut self, seen: usize) {
        let process = &mut self.process;
        let line = until("pilotage says that it is ready", SOON, async || {
            assert!(process.running(), "pilotage ended: {}", process.stderr());
            let lines = process.stdout();
            let fresh = lines.lines().nth(seen)?;
            serde_json::from_str::<Value>(fresh)
                .ok()
                .filter(|line| line["ready"] == true)
        })
        .await;
        self.ready = line;
    }

    /// The addresses of its listeners of this protocol, `https` or `redirect`.
    pub fn listeners(&self, protocol: &str) -> Vec<SocketAddr> {
        let all = self.ready["listeners"].as_array().into_iter().flatten();
        all.filter(|listener| listener["protocol"] == protocol)
            .map(|listener| listener["address"].as_str().unwrap().parse().unwrap())
            .collect()
    }

    /// The first https listener.
    pub fn address(&self) -> SocketAddr {
        self.listeners("https")[0]
    }

    /// The public name with the port of the first https listener.
    pub fn public_authority(&self) -> String {
        format!("{PUBLIC_NAME}:{}", self.address().port())
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.public_authority())
    }

    /// The public name for raw clients.
    pub fn target(&self, offer: Offer) -> Target {
        Target::tls(
            self.address(),
            &self.public_authority(),
            self.authority.client(offer),
        )
    }

    /// The public name for real clients.
    pub fn destination(&self) -> Destination {
        Destination::new(&self.folder, PUBLIC_NAME, self.address(), &self.authority)
    }

    /// The authority of its public certificate.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Replaces the files of its public certificate by a fresh one for these names.
    pub fn replace_certificate(&self, names: &[&str]) -> Certificate {
        let fresh = self.authority.issue(names);
        fresh.write(&self.folder, "public");
        fresh
    }

    /// Changes its file and asks it to read it again; what it makes of it is in the log.
    pub fn reload(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        std::fs::write(self.folder.join("pilotage.toml"), self.config.text()).unwrap();
        self.process.signal(Signal::HUP);
    }

    /// Ends it the hard way and starts it again on the same ports, with the same state folder.
    pub async fn restart(&mut self) {
        let addresses = [self.listeners("https"), self.listeners("redirect")].concat();
        self.process.kill();
        self.config.fix_addresses(&addresses);
        std::fs::write(self.folder.join("pilotage.toml"), self.config.text()).unwrap();
        let seen = self.process.stdout().lines().count();
        self.process.start_again();
        self.await_ready(seen).await;
    }

    /// What would come after it on the same ports, with the file as it is now.
    pub fn successor(&self) -> Spec {
        let file = self.folder.join("pilotage.toml");
        std::fs::write(&file, self.config.text()).unwrap();
        let name = format!("after-{}", self.process.id());
        let spec = Spec::new(&name, program(), &self.folder);
        let spec = spec.arguments(["run", "--upgrade", "--config"]);
        self.config.equipped(spec.argument(file))
    }

    /// Starts its successor, waits until that one serves, and gives the process of before.
    pub async fn upgrade(&mut self) -> Process {
        self.upgrade_while(async |_| ()).await.0
    }

    /// The same, and does something before the new one may serve.
    pub async fn upgrade_while<T>(
        &mut self,
        meanwhile: impl AsyncFnOnce(&Self) -> T,
    ) -> (Process, T) {
        let fresh = Process::start(self.successor());
        let done = meanwhile(self).await;
        let before = std::mem::replace(&mut self.process, fresh);
        self.await_ready(0).await;
        (before, done)
    }

    /// Asks it to stop, and waits until it did.
    pub async fn stop(&mut self, within: Duration) -> std::process::ExitStatus {
        self.process.terminate(within).await
    }

    /// A page of its admin listener.
    pub async fn admin(&self, path: &str) -> Answer {
        self.desk().send(self.shown(Request::get(path))).await
    }

    /// Its admin listener.
    pub fn desk(&self) -> Target {
        Target::local(self.ready["admin"].as_str().unwrap().parse().unwrap())
    }

    /// Tells its admin listener to change something.
    pub async fn order(&self, method: &str, path: &str, body: Value) -> Answer {
        let order = Request::new(method, path).header("Content-Type", "application/json");
        let order = self.shown(order.body(body.to_string()));
        self.desk().send(order).await
    }

    /// The request with the first token of its admin listener, if it wants one.
    fn shown(&self, request: Request) -> Request {
        match self.config.token() {
            Some(token) => request.bearer(&token),
            None => request,
        }
    }

    /// The value of a metric line that begins with this name and labels, such as
    /// `pilotage_x_total{node="node-1"`.
    pub async fn metric(&self, beginning: &str) -> Option<f64> {
        let page = self.admin("/metrics").await.text();
        let line = page.lines().find(|line| line.starts_with(beginning))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }

    /// The nodes as its admin page shows them.
    pub async fn nodes(&self) -> Vec<Value> {
        let page = self.admin("/nodes").await.json();
        page["nodes"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until so many nodes are up for every kind of traffic.
    pub async fn all_up(&self, count: usize) {
        let what = format!("{count} nodes are up");
        until(&what, SOON, async || {
            let nodes = self.nodes().await;
            let up = nodes
                .iter()
                .filter(|node| standings(node).all(|(_, is)| is == "up"))
                .count();
            (up == count).then_some(())
        })
        .await;
    }

    /// Waits until a node has this standing (`up`, `suspect`, `down`, `probation`) for this kind of
    /// traffic (`pull`, `push`, `token`, `api`, `ui`).
    pub async fn node_is(&self, name: &str, traffic: &str, standing: &str) {
        let what = format!("{name} is {standing} for {traffic}");
        until(&what, SOON, async || {
            let nodes = self.nodes().await;
            let node = nodes.iter().find(|node| node["id"] == name)?;
            standings(node)
                .any(|found| found == (traffic, standing))
                .then_some(())
        })
        .await;
    }

    /// All log lines so far.
    pub fn log(&self) -> Vec<Value> {
        let text = self.process.stderr();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits until so many access records fit: a client may read its answer before the record is written.
    pub async fn records(&self, count: usize, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        until("the requests are recorded", SOON, async || {
            let mut records = self.access_log();
            records.retain(&fits);
            (records.len() >= count).then_some(records)
        })
        .await
    }

    /// The access records so far: lines that tell a status.
    pub fn access_log(&self) -> Vec<Value> {
        self.log()
            .into_iter()
            .filter(|line| !field(line, "status").is_null())
            .collect()
    }

    /// Waits for a log line.
    pub async fn logged(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        until(what, SOON, async || {
            self.log().into_iter().find(|line| fits(line))
        })
        .await
    }

    /// Waits for a log line with this message.
    pub async fn says(&self, message: &str) -> Value {
        self.logged(message, |line| field(line, "message") == message)
            .await
    }
}

/// Whatever a test did: nothing that could be a secret is in what the balancer wrote.
impl Drop for Balancer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for text in [self.process.stdout(), self.process.stderr()] {
            let found = SECRETS.iter().find(|secret| text.contains(**secret));
            if let Some(secret) = found {
                let line = text.lines().find(|line| line.contains(secret));
                panic!("{secret:?} was written down: {}", line.unwrap_or_default());
            }
        }
    }
}

/// What marks a credential, a token, a cookie or the state of an upload in any test: passwords of
/// all accounts, the words before credentials, the beginning of every JSON web token.
pub const SECRETS: [&str; 16] = [
    "Harbor12345",
    "Builder12345",
    "Dev12345x",
    "YWRtaW46SGFyYm9yMTIzNDU",
    "YnVpbGRlcjpCdWlsZGVyMTIzNDU",
    "Basic ",
    "Bearer ",
    "eyJ",
    "_state",
    "sid=",
    "beegosessionID=",
    "_gorilla_csrf",
    "X-Amz-Signature",
    "principal=",
    "password=",
    "PRIVATE KEY",
];

/// A field of a log line, wherever the format puts it.
pub fn field<'l>(line: &'l Value, name: &str) -> &'l Value {
    let inner = &line["fields"][name];
    if inner.is_null() { &line[name] } else { inner }
}

/// Kinds of traffic, each with the standing of a node.
fn standings(node: &Value) -> impl Iterator<Item = (&str, &str)> {
    let all = node["health"]["traffic"].as_array().into_iter().flatten();
    all.filter_map(|one| Some((one["traffic"].as_str()?, one["standing"].as_str()?)))
}
