//! A node: nginx as Harbor sets it up, before a core, before a registry; and a portal.
//!
//! Each listens on the node's own loopback address. What balancers are told is the *address* of the
//! node, where its link listens; nginx itself listens behind the link.

mod nginx;
mod parts;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::SystemTime;

use self::parts::{start_core, start_registry};
use super::certs::Certificate;
use super::core::{Flavour, Injection, Keeping, Switches};
use super::http::{Request, Target};
use super::link::Link;
use super::ports;
use super::process::Process;
use super::signing::KeyName;
use super::wait::{SOON, until};

/// How a node is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// Plain HTTP: TLS is thought to end at the balancer.
    Http,
    /// HTTPS with a certificate of its own, by the test's authority, for the node's address and
    /// `hostname`.
    Https,
    /// HTTPS, and the address that balancers are told is the plain one, which redirects everything
    /// with 308.
    Redirecting,
}

/// What nginx makes of `X-Forwarded-Proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedProto {
    /// From 2.3: passed on when it is there.
    Passed,
    /// Up to 2.2: always nginx's own scheme.
    Overwritten,
}

/// Whether a node has something in common with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Common {
    Shared,
    Own,
}

/// Whether a link stands before the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Link,
    Nothing,
}

/// Everything in which a node may differ; the default is a good member of a cluster.
#[derive(Debug, Clone)]
pub struct Plan {
    pub flavour: Flavour,
    pub entrance: Entrance,
    pub forwarded_proto: ForwardedProto,
    /// `None` for the public URL; `Some("")` for the node's own address; or what it takes for its
    /// name.
    pub external_url: Option<String>,
    pub http_secret: String,
    pub csrf_key: String,
    pub key_name: KeyName,
    pub signing: Common,
    /// Where its core keeps the sessions of browsers.
    pub sessions: Keeping,
    /// The provider of single sign-on.
    pub provider: Option<SocketAddr>,
    pub storage: Common,
    pub database: Common,
    pub before: Before,
    /// How far its clock is ahead, in seconds.
    pub clock: i64,
    /// nginx's `client_max_body_size` and `proxy_request_buffering`.
    pub body_limit: &'static str,
    pub buffering: &'static str,
    /// How long nginx waits for more of a body.
    pub body_timeout: &'static str,
    /// What an HTTPS node speaks, and when its certificate ends.
    pub protocols: &'static str,
    pub certificate_until: Option<SystemTime>,
    /// What its token service calls itself.
    pub service: &'static str,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            flavour: Flavour::Harbor2,
            entrance: Entrance::Http,
            forwarded_proto: ForwardedProto::Passed,
            external_url: None,
            http_secret: "placeholder".to_owned(),
            csrf_key: "a csrf key that all nodes share.".to_owned(),
            key_name: KeyName::Kid,
            signing: Common::Shared,
            sessions: Keeping::Redis,
            provider: None,
            storage: Common::Shared,
            database: Common::Shared,
            before: Before::Link,
            clock: 0,
            body_limit: "0",
            buffering: "off",
            body_timeout: "60s",
            protocols: "TLSv1.2 TLSv1.3",
            certificate_until: None,
            service: "harbor-registry",
        }
    }
}

/// What a node gets from its cluster.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    pub(super) name: String,
    pub(super) host: Ipv4Addr,
    pub(super) folder: PathBuf,
    pub(super) storage: PathBuf,
    pub(super) database: PathBuf,
    pub(super) redis: SocketAddr,
    /// A Redis database of the node's own, for the registry's cache.
    pub(super) redis_number: usize,
    pub(super) public_url: String,
    /// For the node's address.
    pub(super) certificate: Certificate,
}

/// A running node. Its parts are killed when it drops.
#[derive(Debug)]
pub struct Node {
    pub name: String,
    pub link: Option<Link>,
    pub nginx: Process,
    pub core: Process,
    pub registry: Process,
    pub portal: Process,
    plan: Plan,
    ground: Ground,
    addresses: Addresses,
}

/// Where the parts listen.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    outer: SocketAddr,
    nginx: SocketAddr,
    redirect: SocketAddr,
    core: SocketAddr,
    control: SocketAddr,
    registry: SocketAddr,
    portal: SocketAddr,
}

impl Node {
    pub(super) async fn start(plan: Plan, ground: Ground) -> Self {
        let free = || ports::free(ground.host);
        let mut addresses = Addresses {
            outer: free(),
            nginx: free(),
            redirect: free(),
            core: free(),
            control: free(),
            registry: free(),
            portal: free(),
        };
        let inner = match plan.entrance {
            Entrance::Http | Entrance::Https => addresses.nginx,
            Entrance::Redirecting => addresses.redirect,
        };
        let link = match plan.before {
            Before::Link => Some(Link::open(addresses.outer, inner).await),
            Before::Nothing => {
                addresses.outer = inner;
                None
            }
        };
        let portal = nginx::start_portal(&ground.folder, addresses.portal);
        let node = Self {
            name: ground.name.clone(),
            link,
            registry: start_registry(&plan, &ground, &addresses),
            core: start_core(&plan, &ground, &addresses),
            nginx: nginx::start(&plan, &ground, &addresses),
            portal,
            plan,
            ground,
            addresses,
        };
        node.ready().await;
        node
    }

    /// Waits until every part answers.
    pub async fn ready(&self) {
        let Addresses {
            nginx,
            core,
            control,
            registry,
            portal,
            ..
        } = self.addresses;
        let mut answering = vec![nginx, core, control, registry, portal];
        if self.plan.entrance == Entrance::Redirecting {
            answering.push(self.addresses.redirect);
        }
        for address in answering {
            let what = format!("{} at {address} answers", self.name);
            until(&what, SOON, async || {
                tokio::net::TcpStream::connect(address).await.ok()
            })
            .await;
        }
    }

    /// Where balancers find it.
    pub fn address(&self) -> SocketAddr {
        self.addresses.outer
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        match self.plan.entrance {
            Entrance::Http | Entrance::Redirecting => format!("http://{}", self.addresses.outer),
            Entrance::Https => format!("https://{}", self.addresses.outer),
        }
    }

    /// nginx itself, past the link.
    pub fn inner_address(&self) -> SocketAddr {
        self.addresses.nginx
    }

    /// The core itself, past nginx.
    pub fn core_address(&self) -> SocketAddr {
        self.addresses.core
    }

    /// The certificate of an HTTPS node.
    pub fn certificate(&self) -> &Certificate {
        &self.ground.certificate
    }

    /// The link before it.
    #[track_caller]
    pub fn link(&mut self) -> &mut Link {
        self.link.as_mut().expect("this node has a link")
    }

    /// Kills every part at once.
    pub fn kill(&mut self) {
        for part in [
            &mut self.nginx,
            &mut self.core,
            &mut self.registry,
            &mut self.portal,
        ] {
            part.kill();
        }
    }

    /// Starts every part that does not run.
    pub async fn start_again(&mut self) {
        for part in [
            &mut self.registry,
            &mut self.core,
            &mut self.nginx,
            &mut self.portal,
        ] {
            if !part.running() {
                part.start_again();
            }
        }
        self.ready().await;
    }

    /// Stops every part in its tracks: connections stay open, nothing moves.
    pub fn pause(&self) {
        for part in [&self.nginx, &self.core, &self.registry, &self.portal] {
            part.pause();
        }
    }

    pub fn resume(&self) {
        for part in [&self.nginx, &self.core, &self.registry, &self.portal] {
            part.resume();
        }
    }

    /// Changes the switches of its core.
    pub async fn switch(&self, change: impl FnOnce(&mut Switches)) {
        let control = Target::plain(self.addresses.control, "control");
        let now = control.send(Request::get("/switches")).await.expect(200);
        let mut switches: Switches = serde_json::from_slice(&now.body).unwrap();
        change(&mut switches);
        let body = serde_json::to_vec(&switches).unwrap();
        control
            .send(Request::new("PUT", "/switches").body(body))
            .await
            .expect(200);
    }

    /// Has its core give this answer in place of the real one.
    pub async fn inject(&self, injection: Injection) {
        self.switch(|switches| switches.injections.push(injection))
            .await;
    }

    /// Tells it the public URL, which is known only once the balancer listens. Nodes with a name of
    /// their own keep it.
    pub async fn set_public_url(&mut self, url: &str) {
        if self.plan.external_url.is_some() {
            return;
        }
        url.clone_into(&mut self.ground.public_url);
        self.switch(|switches| url.clone_into(&mut switches.external_url))
            .await;
        if self.plan.flavour == Flavour::Harbor1 {
            self.registry.kill();
            self.registry = start_registry(&self.plan, &self.ground, &self.addresses);
            self.ready().await;
        }
    }
}

/// A template with every `@name@` replaced.
fn filled(template: &str, known: &[(&str, &str)]) -> String {
    known
        .iter()
        .fold(template.to_owned(), |text, (name, value)| {
            text.replace(&format!("@{name}@"), value)
        })
}
