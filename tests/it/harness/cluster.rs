//! A few nodes over one Redis, one storage folder and one database.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use super::certs::{Authority, Offer};
use super::core::{Account, Database};
use super::http::{Request, Target};
use super::node::{Before, Common, Ground, Node, Plan};
use super::ports::{self, Subnet};
use super::process::{Process, Spec};
use super::scratch::Scratch;
use super::wait::{SOON, until};

/// The name under which clients know the cluster, unless a test says otherwise.
pub const PUBLIC_NAME: &str = "registry.pilotage.test";

/// How a cluster is to be.
#[derive(Debug)]
pub struct Builder {
    plans: BTreeMap<usize, Plan>,
    nodes: usize,
    common: Plan,
    public_url: String,
    scratch: Option<Scratch>,
}

impl Builder {
    /// How many nodes; three unless said otherwise.
    #[must_use]
    pub fn nodes(mut self, count: usize) -> Self {
        self.nodes = count;
        self
    }

    /// Changes the plan of all nodes that have none of their own yet.
    #[must_use]
    pub fn all(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        change(&mut self.common);
        self
    }

    /// Changes the plan of one node, counted from 0.
    #[must_use]
    pub fn node(mut self, number: usize, change: impl FnOnce(&mut Plan)) -> Self {
        let common = self.common.clone();
        change(self.plans.entry(number).or_insert(common));
        self
    }

    /// The public URL the nodes are told at their start.
    #[must_use]
    pub fn public_url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.public_url);
        self
    }

    /// Works in this folder, which stays.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.scratch = Some(Scratch::at(folder));
        self
    }

    /// Nodes without links before them, for measuring.
    #[must_use]
    pub fn without_links(self) -> Self {
        self.all(|plan| plan.before = Before::Nothing)
    }

    pub async fn start(self) -> Cluster {
        let scratch = self.scratch.unwrap_or_default();
        let subnet = Subnet::take();
        let redis_address = ports::free(subnet.host(250));
        let redis = start_redis(&scratch, redis_address).await;
        let database_folder = scratch.folder("database");
        let database = with_projects(&database_folder);
        let authority = Authority::new();
        let mut nodes = Vec::new();
        for number in 0..self.nodes {
            let host = subnet.host(number + 1);
            let name = format!("node-{}", number + 1);
            let plan = self.plans.get(&number).unwrap_or(&self.common).clone();
            let own_database = scratch.path().join(&name).join("database");
            let ground = Ground {
                host,
                folder: scratch.folder(&name),
                storage: scratch.folder("storage"),
                database: match plan.database {
                    Common::Shared => database_folder.clone(),
                    Common::Own => with_projects(&own_database).folder().to_path_buf(),
                },
                redis: redis_address,
                redis_number: number + 2,
                public_url: self.public_url.clone(),
                certificate: authority.issue_until(
                    &[
                        &format!("{name}.pilotage.test"),
                        PUBLIC_NAME,
                        &host.to_string(),
                    ],
                    plan.certificate_until,
                ),
                name,
            };
            nodes.push(Node::start(plan, ground).await);
        }
        Cluster {
            nodes,
            redis,
            redis_address,
            database,
            authority,
            subnet,
            scratch,
        }
    }
}

/// A running cluster. All of it ends when it drops.
#[derive(Debug)]
pub struct Cluster {
    pub nodes: Vec<Node>,
    pub redis: Process,
    pub redis_address: SocketAddr,
    pub database: Database,
    pub authority: Authority,
    pub subnet: Subnet,
    /// Last, so that the folder outlives what writes into it.
    pub scratch: Scratch,
}

impl Cluster {
    pub fn builder() -> Builder {
        Builder {
            plans: BTreeMap::new(),
            nodes: 3,
            common: Plan::default(),
            public_url: format!("https://{PUBLIC_NAME}"),
            scratch: None,
        }
    }

    /// Tells all nodes the public URL.
    pub async fn set_public_url(&mut self, url: &str) {
        for node in &mut self.nodes {
            node.set_public_url(url).await;
        }
    }

    /// A node without anything between, as its nginx sees a good balancer: `Host` is `authority`.
    pub fn direct(&self, number: usize, authority: &str) -> Target {
        let node = &self.nodes[number];
        let tls = node
            .url()
            .starts_with("https")
            .then(|| self.authority.client(Offer::Http1));
        Target {
            address: node.inner_address(),
            authority: authority.to_owned(),
            tls,
        }
    }

    /// Stops Redis. Sessions and remembered sizes are gone for good.
    pub fn stop_redis(&mut self) {
        self.redis.kill();
    }

    /// Starts Redis again, empty.
    pub async fn start_redis(&mut self) {
        self.redis.start_again();
        redis_answers(self.redis_address).await;
    }
}

/// A database with the projects that tests use. A folder that is used again has them already.
fn with_projects(folder: &Path) -> Database {
    let database = Database::at(folder);
    for (name, public) in [
        ("library", true),
        ("lab", false),
        ("open", true),
        ("tiny", false),
    ] {
        let _project = database.create_project(name, public);
    }
    database
}

/// A token for the named repositories, from this node.
pub async fn token(node: &Target, account: Account, repositories: &[&str]) -> String {
    let scopes = repositories
        .iter()
        .map(|repository| format!("&scope=repository:{repository}:pull,push"))
        .collect::<String>();
    let path = format!("/service/token?service=harbor-registry{scopes}");
    let request = Request::get(&path).basic(account.name, account.password);
    let answer = node.send(request).await.expect(200);
    answer.json()["token"].as_str().unwrap().to_owned()
}

async fn start_redis(scratch: &Scratch, address: SocketAddr) -> Process {
    let folder = scratch.folder("redis");
    let redis = Process::start(
        Spec::new("redis", "redis-server", &folder)
            .arguments([
                "--bind",
                &address.ip().to_string(),
                "--port",
                &address.port().to_string(),
            ])
            .arguments([
                "--save",
                "",
                "--appendonly",
                "no",
                "--daemonize",
                "no",
                "--dir",
            ])
            .argument(&folder),
    );
    redis_answers(address).await;
    redis
}

async fn redis_answers(address: SocketAddr) {
    until("redis answers", SOON, async || {
        tokio::net::TcpStream::connect(address).await.ok()
    })
    .await;
}
