//! Harbor without its database says that credentials are wrong: clients would believe it.

use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::recorder::Received;
use crate::harness::recording::Recording;

/// A recorded answer as bytes, without a body for HEAD.
fn recorded(name: &str, request: &Received) -> Vec<u8> {
    let recording = Recording::named(name);
    let lines = recording
        .headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("connection"))
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines = lines.collect::<String>();
    let status = recording.status.unwrap();
    let head = format!("HTTP/1.1 {status} Recorded\r\n{lines}\r\n");
    let body = if request.method == "HEAD" {
        &[][..]
    } else {
        &recording.body
    };
    [head.as_bytes(), body].concat()
}

const DIGEST: &str = "sha256:21c9e41122f6f4309f4cb11a0ca0e6b9fafdbc039bbecc7d60aadef01e927a5c";

/// What a client reads of a repository.
fn reads(repository: &str) -> Vec<Request> {
    let path = |rest: &str| format!("/v2/{repository}/{rest}");
    let blob = path(&format!("blobs/{DIGEST}"));
    vec![
        Request::get(&path("manifests/v1")),
        Request::new("HEAD", &path(&format!("manifests/{DIGEST}"))),
        Request::get(&blob),
        Request::new("HEAD", &blob),
        Request::get(&path("tags/list")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_alone_has_lost_its_database_is_passed_over() {
    let front = Front::scripted(
        2,
        |_| (),
        |number, request| {
            let lost = number == 1 && request.target.starts_with("/v2/");
            lost.then(|| recorded("752", request))
        },
    )
    .await;
    let mut asked = 0;
    for repository in ["lab/a", "lab/b", "lab/c", "lab/d"] {
        for request in reads(repository) {
            front.h1().send(request).await.expect(200);
            asked += 1;
        }
    }
    let lost = front.nodes[0].requests().len();
    assert!((1..=2 * asked).contains(&lost), "{lost} for {asked}");
    // It is no fault of the node: nothing is held against it.
    front.balancer.all_up(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_lost_to_all_is_told_as_what_it_is() {
    let front = Front::scripted(
        3,
        |_| (),
        |_, request| {
            let asked = request.target.starts_with("/v2/");
            asked.then(|| recorded("752", request))
        },
    )
    .await;
    for request in reads("lab/app") {
        let before = front.seen().len();
        let head = request.method == "HEAD";
        let answer = front.h1().send(request).await.expect(503);
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert_eq!(answer.header("www-authenticate"), None);
        assert!(head || answer.error_code() == "UNAVAILABLE");
        let asked = front.seen().len() - before;
        assert!(asked <= 6, "{asked} requests for one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_project_stays_what_it_is() {
    let front = Front::scripted(
        2,
        |_| (),
        |_, request| {
            let asked = request.target.starts_with("/v2/");
            asked.then(|| recorded("403", request))
        },
    )
    .await;
    for request in reads("lab/app") {
        let before = front.seen().len();
        let head = request.method == "HEAD";
        let answer = front.h1().send(request).await.expect(401);
        assert_eq!(answer.header("www-authenticate"), Some(""));
        assert!(head || answer.text().contains("project nope not found"));
        let asked = front.seen().len() - before;
        assert!(asked <= 2, "{asked} requests for one");
    }
}
