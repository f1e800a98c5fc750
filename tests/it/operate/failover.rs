//! Two edges and one address: the files of the guide for three machines at work.

use std::time::Duration;

use crate::harness::balancer::program;
use crate::harness::certs::Authority;
use crate::harness::process::{self, Spec};
use crate::harness::scratch::Scratch;

const NAME: &str = "registry.example.com";

#[tokio::test(flavor = "multi_thread")]
async fn an_address_moves_to_the_edge_that_serves_and_does_not_come_back_by_itself() {
    let scratch = Scratch::new();
    let authority = Authority::new();
    scratch.write("ca.crt", authority.pem());
    let (chain, key) = authority.issue(&[NAME]).write(scratch.path(), "public");
    let mut file = include_str!("../../../conf/three-vms.toml").to_owned();
    let key_of_addresses = "c".repeat(43) + "=";
    let affinity = scratch.write("affinity.key", key_of_addresses);
    // There is no Redis in this network: everything works without it.
    let password = scratch.write("redis.password", "unused-here");
    for (shipped, ours) in [
        ("/etc/pilotage/redis.password", password),
        ("/etc/pilotage/tls/chain.pem", chain),
        ("/etc/pilotage/tls/key.pem", key),
        ("/etc/pilotage/affinity.key", affinity),
    ] {
        assert!(file.contains(shipped), "{shipped}");
        file = file.replace(shipped, ours.to_str().unwrap());
    }
    scratch.write("pilotage.toml", file);
    let keepalived = include_str!("../../../conf/keepalived/keepalived.conf");
    scratch.write("keepalived.conf", keepalived);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/operate/failover.sh");
    let spec = Spec::new("failover", "unshare", scratch.path())
        .arguments(["--mount", "--net", "--pid", "--fork", "--kill-child"])
        .arguments(["--propagation", "private", "bash", script])
        .argument(scratch.path())
        .argument(program());
    let outcome = process::run(&spec, b"", Duration::from_mins(2)).await;
    let said = outcome.expect_success().stdout;
    let steps: Vec<_> = said
        .lines()
        .map(|line| line.split(" after").next().unwrap())
        .collect();
    let expected = [
        "edge-1 serves",
        "edge-2 serves",
        "edge-1 is back and takes nothing",
        "edge-1 serves",
    ];
    assert_eq!(steps, expected, "{said}");
}
