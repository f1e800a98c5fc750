//! The test bed for people: nodes like Harbor's, with or without pilotage before them, on this
//! machine and for as long as this runs. `conf/quickstart` builds it and starts it.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

mod harness;

use std::fs::Permissions;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use self::harness::balancer::Balancer;
use self::harness::balancer::config::Config;
use self::harness::clients::Destination;
use self::harness::clients::docker::Docker;
use self::harness::cluster::{Cluster, PUBLIC_NAME};
use self::harness::core::Account;
use self::harness::image::Image;

/// Nodes like Harbor's on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts nodes and nothing before them.
    Nodes {
        #[command(flatten)]
        bed: Bed,
    },
    /// Starts nodes, pilotage before them, and a docker daemon that trusts its certificate.
    Up {
        #[command(flatten)]
        bed: Bed,
        /// The program to start.
        #[arg(long)]
        pilotage: PathBuf,
        /// Where clients connect.
        #[arg(long, default_value_t = 8443)]
        port: u16,
        /// Where operators ask, on this machine.
        #[arg(long, default_value_t = 9090)]
        admin_port: u16,
        /// Logs in, pushes and pulls once with docker, and ends.
        #[arg(long)]
        check: bool,
    },
    /// The core of one node; started by the others.
    #[command(hide = true)]
    Core {
        #[arg(long)]
        config: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Bed {
    /// How many nodes.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// Where everything is kept; a folder that is removed at the end, when none is given.
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Core { config } => harness::core::serve_file(&config),
        Command::Nodes { bed } => run(nodes(bed)),
        Command::Up {
            bed,
            pilotage,
            port,
            admin_port,
            check,
        } => {
            let operators = (!check).then_some(admin_port);
            if let Err(taken) = are_free(port, operators) {
                println!("{taken}");
                return ExitCode::FAILURE;
            }
            run(up(bed, &pilotage, (port, admin_port), check));
        }
    }
    ExitCode::SUCCESS
}

/// Whether nobody has the ports, before anything is started that would have to be ended.
fn are_free(clients: u16, operators: Option<u16>) -> Result<(), String> {
    let listen = |port: u16, option: &str| {
        let told = |error| {
            format!("127.0.0.1:{port} cannot be had ({error}): choose another with {option} PORT")
        };
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(told)
    };
    // Held until the other is tried: both may be the same number.
    let _held = listen(clients, "--port")?;
    operators.map_or(Ok(()), |port| listen(port, "--admin-port").map(drop))
}

/// A surprise panics: the guards end what was started, and the exit code is not 0.
fn run(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime
        .enable_all()
        .build()
        .expect("a runtime can be made")
        .block_on(work);
}

async fn nodes(bed: Bed) {
    let cluster = start(bed).await;
    show_nodes(&cluster);
    println!("\nCtrl-C ends it all.");
    interrupted().await;
}

async fn up(bed: Bed, pilotage: &Path, (port, admin_port): (u16, u16), check: bool) {
    let pilotage = std::path::absolute(pilotage).expect("a path");
    let count = bed.nodes;
    let mut cluster = start(bed).await;
    let folder = cluster.scratch.folder("balancer");
    let mut config = Config::new(&folder);
    config.listeners.truncate(1);
    config.set_listener("address", json!(format!("127.0.0.1:{port}")));
    config.set(
        "public",
        "names",
        json!([format!("{PUBLIC_NAME}:{port}"), PUBLIC_NAME]),
    );
    if !check {
        // The commands for operators find it by the file.
        config.set("admin", "address", json!(format!("127.0.0.1:{admin_port}")));
    }
    for node in &cluster.nodes {
        config.node(&node.name, &node.url());
    }
    // What the system allows a process here is enough for so many.
    config.set("limits", "connections", 5000);
    let balancer = Balancer::start(&pilotage, &folder, config).await;
    // The doctor would warn of a key that others may read.
    std::fs::set_permissions(folder.join("public.key"), Permissions::from_mode(0o600))
        .expect("the key is there");
    cluster.set_public_url(&balancer.url()).await;
    balancer.all_up(count).await;
    println!("pilotage serves {} before {count} nodes", balancer.url());
    let destination = balancer.destination();
    let docker = Docker::start(&destination).await;
    let (image, name) = (Image::small(), destination.image("lab/sample:v1"));
    docker.load(&image, &name).await.expect_success();
    if check {
        try_docker(&docker, &destination, &image, &name).await;
        return;
    }
    show_nodes(&cluster);
    show_usage(&docker, &destination, &name);
    let command = format!(
        "{} {{}} --config {}/pilotage.toml",
        pilotage.display(),
        folder.display()
    );
    show_loss(&destination, cluster.scratch.path(), &command);
    show_control(&command, &folder, admin_port);
    tokio::select! {
        () = interrupted() => println!("\nending"),
        () = ended(&balancer) => panic!("pilotage ended: {}", balancer.process.stderr()),
    }
}

async fn start(bed: Bed) -> Cluster {
    let builder = Cluster::builder().nodes(bed.nodes).without_links();
    match bed.folder {
        Some(folder) => builder.folder(&folder).start().await,
        None => builder.start().await,
    }
}

/// What a person would try first.
async fn try_docker(docker: &Docker, destination: &Destination, image: &Image, name: &str) {
    let Account {
        name: user,
        password,
        ..
    } = Account::ADMIN;
    docker
        .login(&destination.authority, user, password)
        .await
        .expect_success();
    println!("docker login {}: Login Succeeded", destination.authority);
    docker.push(name).await.expect_success();
    println!("docker push {name}: done");
    docker.remove(name).await.expect_success();
    docker.pull(name).await.expect_success();
    assert_eq!(
        docker.image_id(name).await,
        image.id(),
        "another image came back"
    );
    println!("docker pull {name}: the same image came back\nOK");
}

fn show_nodes(cluster: &Cluster) {
    println!("\nNodes (files in {}):", cluster.scratch.path().display());
    for node in &cluster.nodes {
        let parts = [&node.nginx, &node.core, &node.registry, &node.portal];
        let ids = parts.map(|part| part.id().to_string()).join(" ");
        println!("  {}  {}  to lose it: kill -9 {ids}", node.name, node.url());
    }
    println!(
        "\nAccounts: admin / Harbor12345, builder / Builder12345 (pushes to lab), dev / Dev12345x"
    );
    println!("Projects: lab (private), open and library (public)");
}

fn show_usage(docker: &Docker, destination: &Destination, image: &str) {
    let Destination {
        authority,
        address,
        ca_file,
        ..
    } = destination;
    println!("\nIn another terminal, with the docker daemon that was started for this:");
    println!("  export DOCKER_HOST={}", docker.socket());
    println!("  docker login --username admin --password Harbor12345 {authority}");
    println!("  docker push {image}");
    println!("  docker image rm {image}");
    println!("  docker pull {image}");
    println!("\nWith curl:");
    println!(
        "  curl --cacert {} --resolve {authority}:{} https://{authority}/api/v2.0/health",
        ca_file.display(),
        address.ip()
    );
    println!("\n{PUBLIC_NAME} is known to that daemon alone; nothing of this machine was changed.");
    println!("docker login keeps the password in ~/.docker until: docker logout {authority}");
}

/// The small image is there before anybody could kill a node under it.
fn show_loss(destination: &Destination, folder: &Path, command: &str) {
    let (authority, folder) = (&destination.authority, folder.display());
    println!("\nTo lose a node under a push, push something large, here 400 MB:");
    println!("  head -c 400M /dev/urandom > {folder}/large");
    println!("  tar -C {folder} -c large | docker import - {authority}/lab/large:v1");
    println!("  docker push {authority}/lab/large:v1");
    println!("While it runs, in a third terminal:");
    let transfers = command.replace("{}", "transfers");
    println!("  {transfers}  # names its node: kill that one");
    let explain = command.replace("{}", "explain");
    println!("  {explain}  # lists what was rescued");
    println!("A node that was killed stays lost until all of this is started again.");
    println!(
        "Probes come every 200 ms here, and every 5 s by default: a real edge calls a lost node \
         down later (some 15 s), but its requests leave that node at once as well."
    );
}

/// `command` has a gap for its verb.
fn show_control(command: &str, folder: &Path, admin_port: u16) {
    println!("\nAs an operator (conf/manual/control.md):");
    println!("  {}", command.replace("{}", "nodes"));
    let doctor = command.replace("{}", "doctor");
    println!("  {doctor}  # the one warning: the name is not in DNS");
    let log = folder.join("pilotage.err");
    println!(
        "  the page: http://127.0.0.1:{admin_port}/, the log: {}",
        log.display()
    );
    println!("\nCtrl-C ends it all.");
}

async fn ended(balancer: &Balancer) {
    let status = PathBuf::from(format!("/proc/{}/status", balancer.process.id()));
    let mut look = tokio::time::interval(std::time::Duration::from_millis(500));
    loop {
        look.tick().await;
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        if text.is_empty() || text.contains("State:\tZ") {
            return;
        }
    }
}

/// Waits for Ctrl-C, or to be asked to end.
async fn interrupted() {
    let mut asked = signal(SignalKind::terminate()).expect("signals can be caught");
    tokio::select! {
        _ = asked.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
