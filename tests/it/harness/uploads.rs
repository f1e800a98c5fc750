//! Uploads by hand before recording nodes, for tests of who may go on with them.

use std::sync::Arc;

use super::balancer::Balancer;
use super::certs::Offer;
use super::front::Front;
use super::http::Request;
use super::http::answer::Answer;
use super::recorder::{Received, answer};

/// What a node says to the requests of an upload. Its own address of the session names the node and
/// has a state of its own.
pub fn script(number: usize, request: &Received) -> Option<Vec<u8>> {
    let location = format!("/v2/lab/app/blobs/uploads/own-{number}?_state=node-state-{number}");
    let range = format!("0-{}", request.content().len().saturating_sub(1));
    let session = [
        ("Location", location.as_str()),
        ("Docker-Upload-UUID", "own"),
        ("Range", range.as_str()),
    ];
    match request.method.as_str() {
        "POST" | "PATCH" if request.target.contains("/blobs/uploads/") => {
            Some(answer(202, &session, ""))
        }
        _ => None,
    }
}

/// The same from a node that has a blob of this length under every digest.
pub fn with_blob(
    length: usize,
) -> impl Fn(usize, &Received) -> Option<Vec<u8>> + Clone + Send + Sync + 'static {
    let whole = Arc::new(answer(200, &[], &"b".repeat(length)));
    move |number, request| {
        let blob = request.method == "GET" && request.target.contains("/blobs/sha256:");
        blob.then(|| Vec::clone(&whole))
            .or_else(|| script(number, request))
    }
}

/// Where such a blob is.
pub fn blob() -> String {
    format!("/v2/lab/app/blobs/sha256:{}", "a".repeat(64))
}

/// Starts an upload and gives its public address, as path and query.
pub async fn begin(balancer: &Balancer) -> String {
    let target = balancer.target(Offer::Http1);
    let start = Request::new("POST", "/v2/lab/app/blobs/uploads/");
    path(&target.send(start).await.expect(202))
}

/// The address that an answer names, without scheme and authority.
fn path(answer: &Answer) -> String {
    let location = answer.header("location").unwrap();
    let path = location.split_once("://").unwrap().1;
    path[path.find('/').unwrap()..].to_owned()
}

/// Sends a part, and gives the next address when the part was taken.
pub async fn go_on(balancer: &Balancer, path_and_query: &str) -> Result<String, Answer> {
    let part = Request::new("PATCH", path_and_query).body("bytes");
    let answer = balancer.target(Offer::Http1).send(part).await;
    if answer.status == 202 {
        Ok(path(&answer))
    } else {
        Err(answer)
    }
}

/// Every part came to the node of its upload, under the node's own address.
pub fn assert_own(front: &Front, parts: usize) {
    let mut count = 0;
    for (number, node) in (1..).zip(&front.nodes) {
        let wanted = format!("/v2/lab/app/blobs/uploads/own-{number}?_state=node-state-{number}");
        let seen = node.requests();
        for part in seen.iter().filter(|one| one.method == "PATCH") {
            assert_eq!(part.target, wanted);
            assert_eq!(part.content(), b"bytes");
            count += 1;
        }
    }
    assert_eq!(count, parts);
}
