//! Redis, in which instances meet.

use redis::{Client, Cmd};

use super::{Clinic, names};
use crate::harness::link::{Flow, Link};
use crate::harness::ports::{self, Subnet};

/// Gives Redis an order.
async fn order(clinic: &Clinic, words: &[&str]) {
    let client = Client::open(format!("redis://{}", clinic.cluster.redis_address)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = Cmd::new();
    command.arg(words);
    let _: String = command.query_async(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_there_is_found() {
    let mut clinic = Clinic::open(|builder| builder.nodes(1)).await;
    let nobody = ports::free(Subnet::take().host(1));
    clinic
        .config
        .set("redis", "url", format!("redis://{nobody}/0"));
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("redis-reach", "error"),
        &[&nobody.to_string(), "password_file"],
    );
    assert_eq!(diagnosis.outcome("redis-rights"), "skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_redis_that_lacks_rights_is_found() {
    let mut clinic = Clinic::open(|builder| builder.nodes(1)).await;
    let rights = ["~pilotage:*", "+get", "+select", "+info", "+del", "+eval"];
    order(
        &clinic,
        &[&["ACL", "SETUSER", "poor", "on", ">poorword"], &rights[..]].concat(),
    )
    .await;
    let file = clinic.cluster.scratch.write("poor", "poorword\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).unwrap();
    clinic.config.set("redis", "username", "poor");
    clinic
        .config
        .set("redis", "password_file", file.to_str().unwrap());
    let diagnosis = clinic.examine(&[]).await;
    let finding = diagnosis.only("redis-rights", "error");
    names(finding, &["SET", "EVAL", "ACL SETUSER", "~pilotage:*"]);
    assert!(!diagnosis.value.to_string().contains("poorword"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgets_is_found() {
    let clinic = Clinic::open(|builder| builder.nodes(1)).await;
    order(&clinic, &["CONFIG", "SET", "maxmemory", "100mb"]).await;
    clinic.examine(&[]).await.is_clean();
    order(
        &clinic,
        &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"],
    )
    .await;
    let diagnosis = clinic.examine(&[]).await;
    names(
        diagnosis.only("redis-eviction", "warning"),
        &["allkeys-lru", "noeviction"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_answers_late_is_found() {
    let mut clinic = Clinic::open(|builder| builder.nodes(1)).await;
    let address = ports::free(Subnet::take().host(1));
    let link = Link::open(address, clinic.cluster.redis_address).await;
    link.set_flow(Flow::Slow(20_000));
    clinic
        .config
        .set("redis", "url", format!("redis://{address}/0"));
    clinic.config.set("redis", "timeout", "1ms");
    let diagnosis = clinic.examine(&[]).await;
    let [finding] = diagnosis.findings() else {
        panic!("{:#}", diagnosis.value)
    };
    assert_eq!(finding["check"], "redis-latency");
    names(finding, &["1 ms", "ms at worst", "SLOWLOG"]);
}
