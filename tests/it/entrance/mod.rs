//! The entrance from outside: what is refused, what is let through, how TLS is spoken, and that
//! nothing stays open for ever.

mod accepted;
pub(crate) mod certificates;
mod crowd;
mod deadlines;
mod h2_body;
mod oddities;
mod oddities_h2;
pub(crate) mod raw_h2;
mod redirect;
mod tls;
mod tls_client;

use std::time::Duration;

use tokio::time::timeout;

use crate::harness::balancer::Balancer;
use crate::harness::http::{Connection, Target};
use crate::harness::wait::{SOON, until};

/// The longest that anything with a limit of a second or two may take on a busy machine.
const SLACK: Duration = Duration::from_secs(20);

/// Sends raw bytes on a connection of its own and reads the status of the answer; 0 when the
/// connection is closed without one.
async fn status_of(target: &Target, bytes: &[u8]) -> u16 {
    let mut connection = target.connect().await.unwrap();
    // A refusal may come before all was written.
    drop(connection.write(bytes).await);
    match timeout(SLACK, connection.answer_head()).await {
        Ok(Ok(head)) => head.status,
        Ok(Err(_)) => 0,
        Err(late) => panic!("{late}: {}", bytes.escape_ascii()),
    }
}

/// Waits until the other side closes.
async fn closed(connection: &mut Connection) {
    let waiting = timeout(SLACK, connection.rest()).await;
    assert!(waiting.is_ok(), "still open after {SLACK:?}");
}

/// Waits until this was counted so often, and no more often: it is counted behind what a client sees.
async fn counts(balancer: &Balancer, name: &str, times: f64) {
    until(&format!("{name} is {times}"), SOON, async || {
        (balancer.metric(name).await == Some(times)).then_some(())
    })
    .await;
}
