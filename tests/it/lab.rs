//! The test bed for people: nodes like Harbor's, with or without pilotage before them, on this
//! machine and for as long as this runs. `conf/quickstart` builds it and starts it.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

mod harness;

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
        } => run(up(bed, &pilotage, (port, admin_port), check)),
    }
    ExitCode::SUCCESS
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
    let balancer = Balancer::start(&pilotage, &folder, config).await;
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
    show_control(&pilotage, &folder, admin_port);
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

fn show_control(pilotage: &Path, folder: &Path, admin_port: u16) {
    let (program, folder) = (pilotage.display(), folder.display());
    println!("\nAs an operator (conf/manual/control.md):");
    println!("  {program} nodes --config {folder}/pilotage.toml");
    println!("  {program} doctor --config {folder}/pilotage.toml");
    println!("  the page: http://127.0.0.1:{admin_port}/, the log: {folder}/pilotage.err");
    println!("\nA node that was killed stays lost. Ctrl-C ends it all.");
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
