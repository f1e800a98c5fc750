//! The new process has another file: it serves what that one says.

use serde_json::json;
use tokio::net::TcpStream;

use crate::harness::http::Request;
use crate::harness::load::Load;
use crate::harness::ports::{self, Subnet};
use crate::harness::wait::{SOON, until};

use super::{GONE, front};

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_opens_and_closes_ports_and_changes_what_needs_a_restart() {
    let mut front = front(2, |_| ()).await;
    let load = Load::start(&front.h1(), &front.h2(), "/v2/_catalog");
    load.goes_on(10).await;
    let removed = front.plain().address;
    let added = ports::free(Subnet::take().host(9));
    front.balancer.config.listeners[1].insert("address".to_owned(), json!(added.to_string()));
    front.balancer.config.set("", "threads", 1);
    let mut old = front.balancer.upgrade().await;
    assert_eq!(front.plain().address, added);
    let sent = front.plain().send(Request::get("/harbor/projects")).await;
    assert!((300..400).contains(&sent.status), "{}", sent.status);
    until("the old port is closed", SOON, async || {
        TcpStream::connect(removed).await.err()
    })
    .await;
    load.goes_on(10).await;
    load.finish_without_failure().await;
    assert!(old.ended(GONE).await.success());
}
