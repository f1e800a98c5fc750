//! What is compared, each set up for streaming as well as its manual knows how.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use tokio::time::Instant;

use super::bed::{Bed, free_port};
use super::certificate::NAME;
use super::child::Child;
use super::node;
use super::plan::{PROXY_CORE, Plan};
use super::redis::Redis;

/// One of the things that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// No proxy: the node speaks TLS itself.
    Direct,
    Nginx,
    /// The same, but it takes an upload whole before it asks the node, as it does unless it is told not to.
    Buffering,
    Haproxy,
    /// The same as the last, but nothing is kept of uploads.
    Unspooled,
    /// The same, but it meets other instances in a Redis.
    Linked,
    /// The same, but that Redis hangs.
    Severed,
    Pilotage,
}

/// A system that takes connections.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) system: System,
    pub(crate) address: SocketAddr,
    pub(crate) child: Child,
    _redis: Option<Redis>,
}

impl System {
    pub(crate) const ALL: [Self; 8] = [
        Self::Direct,
        Self::Nginx,
        Self::Buffering,
        Self::Haproxy,
        Self::Unspooled,
        Self::Linked,
        Self::Severed,
        Self::Pilotage,
    ];

    /// Whether it differs from another system only in what it does with uploads.
    pub(crate) fn is_for_uploads(self) -> bool {
        matches!(self, Self::Buffering | Self::Unspooled)
    }

    /// Whether it differs from another system only in what it shares.
    pub(crate) fn is_for_requests(self) -> bool {
        matches!(self, Self::Linked | Self::Severed)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Buffering => "nginx buffering",
            Self::Haproxy => "haproxy",
            Self::Unspooled => "pilotage without spool",
            Self::Linked => "pilotage with Redis",
            Self::Severed => "pilotage with hung Redis",
            Self::Pilotage => "pilotage",
        }
    }

    /// Starts the system in front of the bed's node, and waits until it takes connections.
    pub(crate) fn start(self, bed: &Bed, plan: &Plan) -> Running {
        let running = match self {
            Self::Direct => direct(bed),
            Self::Nginx | Self::Buffering => nginx(self, bed),
            Self::Haproxy => haproxy(bed),
            Self::Unspooled | Self::Linked | Self::Severed | Self::Pilotage => {
                pilotage(self, &[bed.node], bed, plan)
            }
        };
        running.rest(bed)
    }

    fn run(self, bed: &Bed, program: &Path, arguments: &[&str]) -> Child {
        Child::start(PROXY_CORE, program, arguments, &bed.path(&log_name(self)))
    }
}

/// Starts pilotage in front of these nodes, and waits until it takes connections.
pub(crate) fn before(nodes: &[SocketAddr], bed: &Bed, plan: &Plan) -> Running {
    pilotage(System::Pilotage, nodes, bed, plan).rest(bed)
}

impl Running {
    fn rest(self, bed: &Bed) -> Self {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            let system = self.system;
            let log = std::fs::read_to_string(bed.path(&log_name(system))).unwrap_or_default();
            assert!(
                Instant::now() < until,
                "{} is silent: {log}",
                system.as_str()
            );
            sleep(Duration::from_millis(20));
        }
        // A proxy of several processes or probes needs a moment to come to rest.
        sleep(REST);
        self
    }
}

fn log_name(system: System) -> String {
    format!("{}.err", system.as_str())
}

fn direct(bed: &Bed) -> Running {
    let certificate = &bed.certificate;
    let files = [&certificate.chain_file, &certificate.key_file];
    let [chain, key] = files.map(|path| path.to_str().unwrap());
    let itself = std::env::current_exe().unwrap();
    let mut child = System::Direct.run(bed, &itself, &[node::TLS, chain, key]);
    Running {
        system: System::Direct,
        address: child.line().trim().parse().unwrap(),
        child,
        _redis: None,
    }
}

fn nginx(system: System, bed: &Bed) -> Running {
    let port = free_port();
    let buffers = if system == System::Buffering {
        "on"
    } else {
        "off"
    };
    let folder = bed.path(&format!("nginx-{buffers}"));
    std::fs::create_dir_all(&folder).unwrap();
    let text = NGINX
        .replace("BUFFERS", buffers)
        .replace("FOLDER", folder.to_str().unwrap())
        .replace("PORT", &port.to_string())
        .replace("NODE", &bed.node.to_string())
        .replace("CHAIN", bed.certificate.chain_file.to_str().unwrap())
        .replace("KEY", bed.certificate.key_file.to_str().unwrap());
    let file = bed.write(&format!("{}.conf", system.as_str()), &text);
    let arguments = ["-e", "stderr", "-c", file.to_str().unwrap()];
    let child = system.run(bed, "nginx".as_ref(), &arguments);
    Running {
        system,
        address: (Ipv4Addr::LOCALHOST, port).into(),
        child,
        _redis: None,
    }
}

fn haproxy(bed: &Bed) -> Running {
    let port = free_port();
    let text = HAPROXY
        .replace("PORT", &port.to_string())
        .replace("NODE", &bed.node.to_string())
        .replace("BOTH", bed.certificate.both_file.to_str().unwrap());
    let file = bed.write("haproxy.cfg", &text);
    let arguments = ["-db", "-f", file.to_str().unwrap()];
    let mut child = System::Haproxy.run(bed, "haproxy".as_ref(), &arguments);
    child.print_to(&bed.path("haproxy.log"));
    Running {
        system: System::Haproxy,
        address: (Ipv4Addr::LOCALHOST, port).into(),
        child,
        _redis: None,
    }
}

fn pilotage(system: System, nodes: &[SocketAddr], bed: &Bed, plan: &Plan) -> Running {
    let redis = match system {
        System::Linked => Some(Redis::start(bed)),
        System::Severed => Some(Redis::silent()),
        _ => None,
    };
    let mut text = PILOTAGE
        .replace(
            "STATE",
            bed.path(&format!("state of {}", system.as_str()))
                .to_str()
                .unwrap(),
        )
        .replace("NAME", NAME)
        .replace("CHAIN", bed.certificate.chain_file.to_str().unwrap())
        .replace("KEY", bed.certificate.key_file.to_str().unwrap());
    if system == System::Unspooled {
        text.push_str("[spool]\nupload_limit = '0B'\n");
    }
    if let Some(redis) = &redis {
        let key = bed.write("affinity.key", AFFINITY_KEY);
        let (key, address) = (key.display(), redis.address);
        writeln!(
            text,
            "[affinity]\nkey_file = '{key}'\n[redis]\nurl = 'redis://{address}'"
        )
        .unwrap();
    }
    for (number, node) in nodes.iter().enumerate() {
        writeln!(
            text,
            "[[node]]\nname = 'node-{number}'\nurl = 'http://{node}'"
        )
        .unwrap();
    }
    let file = bed.write(&format!("{}.toml", system.as_str()), &text);
    let arguments = ["run", "--config", file.to_str().unwrap()];
    let mut child = system.run(bed, &plan.binary, &arguments);
    let ready: serde_json::Value = serde_json::from_str(&child.line()).unwrap();
    let address = ready.pointer("/listeners/0/address");
    let address = address.and_then(|address| address.as_str()?.parse().ok());
    Running {
        system,
        address: address.unwrap_or_else(|| panic!("no address in {ready}")),
        child,
        _redis: redis,
    }
}

/// Everything streams, connections to the node are kept, buffers are large.
const NGINX: &str = "
daemon off;
worker_processes 1;
pid FOLDER/pid;
error_log stderr error;
events { worker_connections 4096; }
http {
    access_log FOLDER/access.log combined buffer=64k flush=1s;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    tcp_nodelay on;
    keepalive_requests 1000000;
    upstream node {
        server NODE;
        keepalive 64;
        keepalive_requests 1000000;
    }
    server {
        listen 127.0.0.1:PORT ssl http2 backlog=4096;
        ssl_certificate CHAIN;
        ssl_certificate_key KEY;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:tls:20m;
        client_max_body_size 0;
        client_body_buffer_size 1m;
        http2_body_preread_size 4m;
        location / {
            proxy_pass http://node;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_set_header Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
            proxy_buffering off;
            proxy_request_buffering BUFFERS;
            proxy_buffer_size 128k;
            proxy_buffers 4 128k;
            proxy_busy_buffers_size 256k;
        }
    }
}
";

const HAPROXY: &str = "
global
    nbthread 1
    maxconn 4000
    log stdout format raw local0
    tune.bufsize 65536
    tune.h2.initial-window-size 1048576
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    log global
    option httplog
    option forwardfor
    option http-keep-alive
    http-reuse always
    timeout connect 3s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 75s
frontend public
    bind 127.0.0.1:PORT ssl crt BOTH alpn h2,http/1.1
    http-request set-header X-Forwarded-Proto https
    default_backend nodes
backend nodes
    server node NODE
";

/// As shipped, but for limits that one busy client would meet.
const PILOTAGE: &str = "
state_folder = 'STATE'
threads = 1
[public]
names = ['NAME']
[[listener]]
address = '127.0.0.1:0'
protocol = 'https'
[[tls.certificate]]
chain_file = 'CHAIN'
key_file = 'KEY'
[limits]
connections_per_client = 20000
requests_per_connection = 1000000
[health]
probe = 'registry'
[admin]
address = '127.0.0.1:0'
";

/// Thirty-two bytes that guard nothing.
const AFFINITY_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";
const PATIENCE: Duration = Duration::from_secs(10);
const REST: Duration = Duration::from_millis(500);
