//! Requests as tests make them by hand.

use serde_json::Value;

use crate::harness::balancer::{Balancer, field};
use crate::harness::certs::Offer;
use crate::harness::http::answer::Answer;
use crate::harness::http::{Request, Target};
use crate::harness::image::{Image, MANIFEST_TYPE, digest};
use crate::harness::wait::{SOON, until};

/// A request of somebody who may do everything, and takes any form of a manifest.
pub(super) fn admin(method: &str, path: &str) -> Request {
    Request::new(method, path)
        .basic("admin", "Harbor12345")
        .header("Accept", &format!("{MANIFEST_TYPE}, */*"))
}

/// The answer, and the record of the request.
pub(super) async fn ask(balancer: &Balancer, request: Request) -> (Answer, Value) {
    let id = format!("test-{:016x}", fastrand::u64(..));
    let target = balancer.target(Offer::Http1);
    let answer = target.send(request.header("X-Request-Id", &id)).await;
    let record = until("the record is written", SOON, async || {
        let all = balancer.access_log();
        all.into_iter()
            .find(|line| field(line, "request_id") == id.as_str())
    })
    .await;
    (answer, record)
}

/// The node that a record names.
pub(super) fn node(record: &Value) -> String {
    field(record, "node")
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Path and query of an absolute address.
pub(super) fn path_of(location: &str) -> String {
    let rest = location
        .split_once("://")
        .map_or(location, |(_, rest)| rest);
    rest[rest.find('/').unwrap()..].to_owned()
}

/// Where an answer sends the client next, as a path.
pub(super) fn next(answer: &Answer) -> String {
    path_of(answer.header("location").expect("there is a Location"))
}

pub(super) fn start_upload(repository: &str) -> Request {
    admin("POST", &format!("/v2/{repository}/blobs/uploads/"))
}

pub(super) fn patch(location: &str, bytes: &[u8]) -> Request {
    admin("PATCH", location)
        .header("Content-Type", "application/octet-stream")
        .body(bytes)
}

pub(super) fn commit(location: &str, digest: &str) -> Request {
    let sign = if location.contains('?') { '&' } else { '?' };
    admin("PUT", &format!("{location}{sign}digest={digest}"))
}

pub(super) fn publish(repository: &str, tag: &str, manifest: &[u8]) -> Request {
    admin("PUT", &format!("/v2/{repository}/manifests/{tag}"))
        .header("Content-Type", MANIFEST_TYPE)
        .body(manifest)
}

/// Pushes a blob with one PATCH; every answer must be the right one.
pub(super) async fn push_blob(target: &Target, repository: &str, bytes: &[u8]) -> String {
    let digest = digest(bytes);
    let started = target.send(start_upload(repository)).await.expect(202);
    let patched = target.send(patch(&next(&started), bytes)).await.expect(202);
    target
        .send(commit(&next(&patched), &digest))
        .await
        .expect(201);
    digest
}

/// Pushes a whole image under a tag.
pub(super) async fn push_image(target: &Target, repository: &str, tag: &str, image: &Image) {
    for blob in image.layers.iter().chain([&image.config]) {
        push_blob(target, repository, blob).await;
    }
    target
        .send(publish(repository, tag, &image.manifest()))
        .await
        .expect(201);
}

/// What clients read when nobody can serve them now; never where the nodes are.
#[track_caller]
pub(super) fn assert_unavailable(answer: &Answer) {
    let shown = format!("{:?} {}", answer.headers, answer.text());
    assert_eq!(answer.status, 503, "{shown}");
    assert_eq!(answer.error_code(), "UNAVAILABLE", "{shown}");
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{shown}");
    let after = answer.header("retry-after").unwrap_or_default();
    assert!(after.parse::<u64>().is_ok_and(|after| after > 0), "{shown}");
    let told = shown.replace("registry.pilotage.test", "");
    assert!(!told.contains("127.") && !told.contains("node-"), "{shown}");
}

/// Blobs that exist nowhere but in scripts.
pub(super) fn some_blob(number: usize) -> String {
    digest(format!("blob {number}").as_bytes())
}
