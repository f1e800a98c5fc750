//! What a service manager starts and hears.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::balancer::program;
use crate::harness::front::Front;
use crate::harness::process::{Outcome, Spec, run};
use crate::harness::wait::{SOON, until};

use super::{GONE, front};

/// A process that nobody else ends.
struct Left(Pid);

impl Drop for Left {
    fn drop(&mut self) {
        let _gone = kill_process(self.0, Signal::KILL);
    }
}

async fn upgrade(front: &Front) -> Outcome {
    let folder = front.scratch.path().join("balancer");
    let spec = Spec::new("upgrade", program(), &folder);
    let spec = spec.arguments(["upgrade", "--json", "--config"]);
    let config = &front.balancer.config.environment;
    let with = |spec: Spec, (name, value): &(String, String)| spec.environment(name, value);
    let spec = config.iter().fold(spec, with);
    run(&spec.argument(folder.join("pilotage.toml")), b"", SOON).await
}

/// What was told to the service manager, up to something.
async fn told(manager: &UnixDatagram, what: &str) -> String {
    let mut all = String::new();
    until(what, SOON, async || {
        let mut bytes = [0; 4096];
        if let Ok(length) = manager.recv(&mut bytes) {
            all.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
            all.push('\n');
        }
        all.contains(what).then_some(())
    })
    .await;
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_returns_when_the_new_process_serves_and_the_manager_knows_which_it_is() {
    let mut manager = None;
    let mut front = front(1, |config| {
        let path = config.folder().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        manager = Some(socket);
        let path = path.to_str().unwrap().to_owned();
        config.environment.push(("NOTIFY_SOCKET".to_owned(), path));
    })
    .await;
    let manager = manager.unwrap();
    let first = told(&manager, "READY=1").await;
    assert!(!first.contains("MAINPID"), "{first}");
    let done = upgrade(&front).await.expect_success();
    let line: Value = serde_json::from_str(done.stdout.trim()).unwrap();
    let id = i32::try_from(line["process"].as_i64().unwrap()).unwrap();
    let left = Left(Pid::from_raw(id).unwrap());
    let said = told(&manager, "READY=1").await;
    assert!(said.contains(&format!("MAINPID={id}\n")), "{said}");
    assert!(!said.contains("STOPPING"), "{said}");
    assert!(front.balancer.process.ended(GONE).await.success());
    front.serves().await;
    // The old one never said that the service stops.
    kill_process(left.0, Signal::TERM).unwrap();
    let last = told(&manager, "STOPPING=1").await;
    assert_eq!(last.matches("STOPPING").count(), 1, "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_fails_with_the_words_of_the_new_process() {
    let mut front = front(1, |_| ()).await;
    let file = front.scratch.path().join("balancer/pilotage.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{good}\n[limitz]\n")).unwrap();
    let wrong = upgrade(&front).await.expect_failure();
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stdout.contains("limitz"), "{}", wrong.stdout);
    std::fs::write(&file, good).unwrap();
    front.balancer.process.terminate(GONE).await;
    let nobody = upgrade(&front).await.expect_failure();
    assert_eq!(nobody.code, Some(1));
    assert!(
        nobody.stdout.contains("nobody offers sockets here"),
        "{}",
        nobody.stdout
    );
}
