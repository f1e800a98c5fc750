//! Upgrades that come to nothing, and strangers: the running process goes on as if nothing had happened.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tokio::net::UnixStream;

use crate::harness::balancer::config::Config;
use crate::harness::front::Front;
use crate::harness::load::{Load, Trickle};
use crate::harness::process::{Outcome, Process, Spec, run};
use crate::harness::uploads::begin;
use crate::harness::wait::{SOON, until};

use super::{GONE, front};

/// Tries an upgrade with another file, which must fail, and gives what it said.
async fn attempt(front: &mut Front, change: impl FnOnce(&mut Config)) -> Outcome {
    let good = front.balancer.config.clone();
    change(&mut front.balancer.config);
    let outcome = run(&front.balancer.successor(), b"", SOON).await;
    front.balancer.config = good;
    outcome.expect_failure()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_fails_changes_nothing_and_a_good_one_follows() {
    let mut front = front(2, |_| ()).await;
    let load = Load::start(&front.h1(), &front.h2(), "/v2/_catalog");
    let push = Trickle::upload(&front.h1(), &begin(&front.balancer).await);
    push.goes_on().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let wrong = attempt(&mut front, |config| config.extra = "[limitz]\n".to_owned()).await;
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.output().contains("limitz"), "{}", wrong.output());
    load.goes_on(10).await;
    let in_use = attempt(&mut front, |config| {
        let mut other = config.listeners[1].clone();
        other.insert("address".to_owned(), json!(address.to_string()));
        config.listeners.push(other);
    })
    .await;
    assert_eq!(in_use.code, Some(1));
    assert!(
        in_use.stderr.contains("has that port already"),
        "{}",
        in_use.stderr
    );
    load.goes_on(10).await;
    let nowhere = format!("http://{address}");
    let lost = attempt(&mut front, |config| {
        config.nodes.clear();
        config.node("node-1", &nowhere);
        config.set("health", "timeout", "500ms");
    })
    .await;
    assert!(
        lost.stderr.contains("no node is up as seen from here"),
        "{}",
        lost.stderr
    );
    load.goes_on(10).await;
    let given_up = "upgrade given up: this process goes on as if nothing had happened";
    front.balancer.says(given_up).await;
    front.balancer.admin("/readyz").await.expect(200);
    push.goes_on().await;
    let mut old = front.balancer.upgrade().await;
    load.goes_on(10).await;
    assert_eq!(push.finish().await.status, 202);
    load.finish_without_failure().await;
    assert!(old.ended(GONE).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_that_is_killed_before_it_serves_leaves_the_old_one_alone() {
    let mut front = front(1, |_| ()).await;
    // Nothing answers there, so that the first probe takes its time.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let good = front.balancer.config.clone();
    let url = format!("http://{}", silent.local_addr().unwrap());
    front.balancer.config.node("silent", &url);
    front.balancer.config.set("health", "timeout", "60s");
    let mut fresh = Process::start(front.balancer.successor());
    front
        .balancer
        .says("another process asks for the listening sockets")
        .await;
    assert!(fresh.running());
    fresh.kill();
    let given_up = "upgrade given up: this process goes on as if nothing had happened";
    front.balancer.says(given_up).await;
    front.serves().await;
    front.balancer.config = good;
    let mut old = front.balancer.upgrade().await;
    front.serves().await;
    assert!(old.ended(GONE).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_stop_ends_an_upgrade_that_has_begun() {
    let mut front = front(1, |_| ()).await;
    let socket = front.balancer.config.upgradable();
    let asking = UnixStream::connect(&socket).await.unwrap();
    front
        .balancer
        .says("another process asks for the listening sockets")
        .await;
    let status = front.balancer.stop(GONE).await;
    assert!(status.success(), "{status}");
    assert!(!socket.exists(), "nobody offers anything there");
    drop(asking);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_upgrade_is_under_way_at_a_time() {
    let mut front = front(1, |_| ()).await;
    let socket = front.balancer.config.upgradable();
    let first = UnixStream::connect(&socket).await.unwrap();
    let second = attempt(&mut front, |_| ()).await;
    let said = "another upgrade may be under way";
    assert!(second.stderr.contains(said), "{}", second.stderr);
    drop(first);
    front.balancer.upgrade().await.ended(GONE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_no_socket() {
    let front = front(1, |_| ()).await;
    let socket = front.balancer.config.clone().upgradable();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    // Even who gets as far as the socket is asked who he is.
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    };
    socket
        .ancestors()
        .take_while(|path| *path != Path::new("/tmp"))
        .for_each(open);
    let spec = Spec::new("stranger", "setpriv", front.scratch.path());
    let spec = spec.arguments([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "socat",
        "-u",
    ]);
    let spec = spec
        .argument(format!("UNIX-CONNECT:{}", socket.display()))
        .argument("STDOUT");
    let outcome = run(&spec, b"", SOON).await;
    let said = outcome.output();
    assert!(
        said.contains("only the user that runs pilotage may take over"),
        "{said}"
    );
    assert!(!said.contains("offer"), "{said}");
    front.serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_others_may_enter_refuses_the_start() {
    let front = front(1, |_| ()).await;
    let folder = front.scratch.folder("open");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut config = front.balancer.config.clone();
    config.set(
        "upgrade",
        "socket",
        folder.join("upgrade.sock").to_str().unwrap(),
    );
    let file = front.scratch.write("open.toml", config.text());
    let spec = Spec::new("second", crate::harness::balancer::program(), &folder);
    let spec = spec.arguments(["run", "--json", "--config"]).argument(file);
    let outcome = run(&spec, b"", SOON).await.expect_failure();
    let said: Value = serde_json::from_str(outcome.stdout.trim()).unwrap();
    assert!(
        said["error"]
            .as_str()
            .unwrap()
            .contains("others may enter it"),
        "{said}"
    );
    until("the first one goes on", SOON, async || {
        (front.balancer.admin("/readyz").await.status == 200).then_some(())
    })
    .await;
}
