//! The log in a file, and a file that is moved away while lines are written.

use std::path::Path;

use rustix::process::Signal;
use tokio::process::Command;

use crate::harness::balancer::config::Config;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::wait::{SOON, until};

async fn front() -> Front {
    let change = |config: &mut Config| {
        let file = config.folder().join("pilotage.log");
        config.set("log", "file", file.to_str().unwrap());
    };
    Front::start(change).await
}

fn records(file: &Path) -> usize {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter(|line| line.contains("\"access\""))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn logrotate_moves_the_file_away_and_not_a_line_is_lost() {
    let front = front().await;
    let folder = front.balancer.config.folder().to_path_buf();
    let (file, moved) = (folder.join("pilotage.log"), folder.join("pilotage.log.1"));
    let ask = async || {
        front
            .h1()
            .send(Request::get("/v2/_catalog"))
            .await
            .expect(200)
    };
    ask().await;
    // The shipped recipe, with this file and this process in place of the service's.
    let shipped = include_str!("../../../conf/logrotate/pilotage");
    let recipe = shipped
        .replace("/var/log/pilotage/pilotage.log", file.to_str().unwrap())
        .replace(
            "systemctl kill --signal=USR1 pilotage.service",
            &format!("kill -USR1 {}", front.balancer.process.id()),
        );
    assert!(
        !recipe.contains("/var/log") && !recipe.contains("systemctl"),
        "{recipe}"
    );
    std::fs::write(folder.join("recipe"), recipe).unwrap();
    let rotate = Command::new("/usr/sbin/logrotate")
        .args(["--force", "--state"])
        .args([folder.join("state-of-logrotate"), folder.join("recipe")])
        .output()
        .await
        .unwrap();
    assert!(
        rotate.status.success(),
        "{}",
        String::from_utf8_lossy(&rotate.stderr)
    );
    until("the file is opened anew", SOON, async || {
        let text = std::fs::read_to_string(&file).ok()?;
        text.contains("log file opened anew").then_some(())
    })
    .await;
    ask().await;
    until("both records are written", SOON, async || {
        ((records(&moved), records(&file)) == (1, 1)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_the_signal_ends_nothing() {
    let front = Front::start(|_| ()).await;
    front.balancer.process.signal(Signal::USR1);
    front
        .balancer
        .says("told to open the log file anew, but the log is standard error")
        .await;
    front.serves().await;
}
